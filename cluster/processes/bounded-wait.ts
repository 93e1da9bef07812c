/** Waits that end early: on Ctrl-C, or when a process that they depend on falls silent. */
import { once } from "node:events";
import { Fault } from "../../core/fault.ts";

/**
 * Settles as `work` does; rejects with Fault("interrupted") as soon as the signal is aborted. The
 * work itself goes on: the caller stops the resources that it uses.
 */
export async function unlessAborted<T>(
  signal: AbortSignal | undefined,
  work: Promise<T>,
): Promise<T> {
  if (signal === undefined) return work;
  const over = new AbortController();
  const aborted = signal.aborted
    ? Promise.resolve()
    : once(signal, "abort", { signal: over.signal });
  const interrupted = aborted.then((): never => {
    throw new Fault("interrupted", "interrupted");
  });
  try {
    return await Promise.race([work, interrupted]);
  } finally {
    over.abort();
  }
}

/** A process that sends a message each second while it runs. */
export interface Speaking {
  readonly name: string;
  readonly pid: number;
  /** Messages so far. */
  readonly heard: number;
}

const LOOK_MS = 1000;

/**
 * Notices processes that are alive and silent: stopped by a signal, or hanging. `fallen` rejects with
 * Fault("cluster-failure") once a process was silent for the bound.
 */
export function watchSilence(processes: readonly Speaking[], boundMs: number) {
  const states = processes.map((speaking) => ({ speaking, heard: speaking.heard, looks: 0 }));
  let timer: NodeJS.Timeout | undefined;
  const fallen = new Promise<never>((_, reject) => {
    timer = setInterval(() => {
      for (const state of states) {
        const { heard, name, pid } = state.speaking;
        // The watch counts looks, not time, because its own process may have been stopped too.
        state.looks = heard === state.heard ? state.looks + 1 : 0;
        state.heard = heard;
        if (state.looks * LOOK_MS < boundMs) continue;
        const message = `the ${name} (pid ${pid}) has said nothing for ${boundMs / 1000} s`;
        const hint =
          "it was stopped, or has no processor: see to that, and run it again; nothing is kept";
        reject(new Fault("cluster-failure", message, { hint }));
      }
    }, LOOK_MS);
  });
  fallen.catch(() => undefined);
  return { fallen, stop: () => clearInterval(timer) };
}
