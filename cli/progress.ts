/** Progress on stderr: a bar with an estimate of what is left on a terminal, else sparse lines. */
import { SingleBar } from "cli-progress";

export interface Progress {
  update(done: number): void;
  stop(): void;
}

/** `already` of `total` were done before: they say nothing of how long the rest takes. */
export function progress(label: string, total: number, already = 0): Progress {
  const left = estimate(total, already);
  return process.stderr.isTTY === true ? bar(label, total, left) : lines(label, total, left);
}

type Left = (done: number) => string;

/** Time left at the pace since the start, as text; empty while there is no pace yet, and beyond the total. */
function estimate(total: number, already: number): Left {
  const startMs = performance.now();
  return (done) => {
    if (done <= already || done > total) return "";
    const secondsEach = (performance.now() - startMs) / 1000 / (done - already);
    return ` · left ${duration(secondsEach * (total - done))}`;
  };
}

export function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function bar(label: string, total: number, left: Left): Progress {
  const single = new SingleBar({
    format: `${label} [{bar}] {value}/{total} · {duration_formatted}{left}`,
    stream: process.stderr,
    hideCursor: false,
    clearOnComplete: true,
  });
  single.start(total, 0, { left: "" });
  return {
    update: (done) => single.update(done, { left: left(done) }),
    stop: () => single.stop(),
  };
}

/** A line each tenth of the way, and none for work of one step. */
function lines(label: string, total: number, left: Left): Progress {
  let told = 0;
  return {
    update: (done) => {
      const tenth = Math.floor((10 * done) / total);
      if (tenth <= told || total === 1) return;
      told = tenth;
      process.stderr.write(`${label}: ${done}/${total}${left(done)}\n`);
    },
    stop: () => undefined,
  };
}
