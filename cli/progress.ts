/** Progress on stderr: a bar with an estimate of what is left on a terminal, else sparse lines. */
import { SingleBar } from "cli-progress";
import { untilInterrupted } from "./failure.ts";

/** A library's callback for its steps, and what ends their display. */
export interface Progress {
  /** With the first step the display begins: what it counts as done was done before. */
  readonly onProgress: (step: Step) => void;
  /** A line of its own, above a bar. */
  readonly say: (line: string) => void;
  readonly stop: () => void;
}

interface Step {
  readonly done: number;
  readonly total: number;
}

export interface Course {
  readonly total: number;
  /** Done before: they say nothing of how long the rest takes. */
  readonly already?: number;
}

/** Runs work with a display of its progress until Ctrl-C. `kept` as for `untilInterrupted`. */
export function watched<T>(
  label: string,
  work: (watch: Pick<Progress, "onProgress"> & { readonly signal: AbortSignal }) => Promise<T>,
  kept?: () => string,
): Promise<T> {
  const { onProgress, stop } = progress(label);
  return untilInterrupted((signal) => work({ signal, onProgress }).finally(stop), kept);
}

export function progress(label: string): Progress {
  const left = estimate();
  return process.stderr.isTTY === true ? bar(label, left) : lines(label, left);
}

type Left = (step: Step) => string;

/** Time left as text; empty while it is unknown. */
function estimate(): Left {
  let first: { readonly ms: number; readonly already: number } | undefined;
  return ({ done, total }) => {
    const nowMs = performance.now();
    first ??= { ms: nowMs, already: done };
    const seconds = secondsLeft({ total, already: first.already }, done, (nowMs - first.ms) / 1000);
    return seconds === null ? "" : ` · left ${duration(seconds)}`;
  };
}

/** At the pace of the seconds so far; null while there is no pace yet, and beyond the total. */
export function secondsLeft(course: Course, done: number, seconds: number): number | null {
  const { total, already = 0 } = course;
  if (done <= already || done > total) return null;
  return (seconds * (total - done)) / (done - already);
}

export function duration(seconds: number): string {
  const whole = Math.ceil(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

function bar(label: string, left: Left): Progress {
  const single = new SingleBar({
    format: `${label} [{bar}] {value}/{total} · {duration_formatted}{left}`,
    stream: process.stderr,
    hideCursor: false,
    clearOnComplete: true,
  });
  let isStarted = false;
  return {
    onProgress: (step) => {
      if (!isStarted) single.start(step.total, 0, { left: "" });
      isStarted = true;
      single.setTotal(step.total);
      single.update(step.done, { left: left(step) });
    },
    say: (line) => void process.stderr.write(`\r\x1b[K${line}\n`),
    stop: () => single.stop(),
  };
}

/** A line each tenth of the way, and none for work of one step. */
function lines(label: string, left: Left): Progress {
  let told = 0;
  return {
    onProgress: (step) => {
      const rest = left(step);
      const tenth = Math.floor((10 * step.done) / step.total);
      if (tenth <= told || step.total === 1) return;
      told = tenth;
      process.stderr.write(`${label}: ${step.done}/${step.total}${rest}\n`);
    },
    say: (line) => void process.stderr.write(`${line}\n`),
    stop: () => undefined,
  };
}
