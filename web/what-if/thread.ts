/** The simulator's thread of the page: one for all its scenarios, so that its code is compiled once. */

/** As one expression: vite finds the thread's code by its form. */
const newThread = (): Worker =>
  new Worker(new URL("./simulation-worker.ts", import.meta.url), { type: "module" });

let started: Worker | null = null;

/** Starts it, where it does not run yet. It warms up by itself. */
export function simulatorThread(): Worker {
  started ??= newThread();
  return started;
}
