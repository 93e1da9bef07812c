/** Progress on stderr: a bar with an estimate of what is left on a terminal, else sparse lines. */
import { SingleBar } from "cli-progress";

export interface Progress {
  update(done: number): void;
  /** A line of its own, above a bar. */
  say(line: string): void;
  stop(): void;
}

export interface Course {
  readonly total: number;
  /** Done before: they say nothing of how long the rest takes. */
  readonly already?: number;
  /** When so many are done, in any unit of time; default: each takes as long. */
  readonly timeOf?: (done: number) => number;
}

export function progress(label: string, course: Course): Progress {
  const { total } = course;
  const left = estimate(course);
  return process.stderr.isTTY === true ? bar(label, total, left) : lines(label, total, left);
}

type Left = (done: number) => string;

/** Time left as text; empty while it is unknown. */
function estimate(course: Course): Left {
  const startMs = performance.now();
  return (done) => {
    const seconds = secondsLeft(course, done, (performance.now() - startMs) / 1000);
    return seconds === null ? "" : ` · left ${duration(seconds)}`;
  };
}

/** At the pace of the seconds so far; null while there is no pace yet, and beyond the total. */
export function secondsLeft(course: Course, done: number, seconds: number): number | null {
  const { total, already = 0, timeOf = (count) => count } = course;
  if (done <= already || done > total) return null;
  return (seconds * (timeOf(total) - timeOf(done))) / (timeOf(done) - timeOf(already));
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
    say: (line) => void process.stderr.write(`\r\x1b[K${line}\n`),
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
    say: (line) => void process.stderr.write(`${line}\n`),
    stop: () => undefined,
  };
}
