/** Progress on stderr: a bar with an estimate of what is left on a terminal, else sparse lines. */
import { SingleBar } from "cli-progress";

export interface Progress {
  update(done: number): void;
  stop(): void;
}

export function progress(label: string, total: number): Progress {
  return process.stderr.isTTY === true ? bar(label, total) : lines(label, total);
}

function bar(label: string, total: number): Progress {
  const single = new SingleBar({
    format: `${label} [{bar}] {value}/{total} · {duration_formatted} · left {eta_formatted}`,
    stream: process.stderr,
    hideCursor: false,
    clearOnComplete: true,
    etaBuffer: 50,
  });
  single.start(total, 0);
  return { update: (done) => single.update(done), stop: () => single.stop() };
}

/** A line each tenth of the way, and none for work of one step. */
function lines(label: string, total: number): Progress {
  let told = 0;
  return {
    update: (done) => {
      const tenth = Math.floor((10 * done) / total);
      if (tenth <= told || total === 1) return;
      told = tenth;
      process.stderr.write(`${label}: ${done}/${total}\n`);
    },
    stop: () => undefined,
  };
}
