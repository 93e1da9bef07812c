/** How a caller watches a long call and ends it: by functions, or by an async iterable of its progress. */
import { ReadableStream } from "node:stream/web";

export interface Progress {
  readonly done: number;
  readonly total: number;
}

export interface Watch {
  /** Called whenever a part is done: what is counted depends on the call. */
  readonly onProgress?: ((progress: Progress) => void) | undefined;
  /** A line on what happens, for a log. */
  readonly onNote?: ((line: string) => void) | undefined;
  /** Once aborted, the call rejects with the signal's reason and leaves no process behind. */
  readonly signal?: AbortSignal | undefined;
}

/** Progress, a line for a log, or the call's result, which comes last. */
export type Step<T> =
  | ({ readonly kind: "progress" } & Progress)
  | { readonly kind: "note"; readonly line: string }
  | { readonly kind: "result"; readonly result: T };

/**
 * Follows a call step by step: `for await (const step of follow((watch) => sweep(loaded, watch)))`. A loop that
 * ends early aborts the call and waits for its end, so that it leaves no process behind. Throws as the call does.
 */
export async function* follow<T>(
  call: (watch: Required<Watch>) => Promise<T>,
): AsyncGenerator<Step<T>, void, void> {
  const stop = new AbortController();
  let ended = Promise.resolve();
  const steps = new ReadableStream<Step<T>>({
    start: (queue) => {
      ended = call({
        onProgress: (progress) => queue.enqueue({ kind: "progress", ...progress }),
        onNote: (line) => queue.enqueue({ kind: "note", line }),
        signal: stop.signal,
      })
        .then((result) => queue.enqueue({ kind: "result", result }))
        .finally(() => queue.close());
      // Thrown where the loop waits for it, below.
      ended.catch(() => undefined);
    },
  });
  try {
    yield* steps.values({ preventCancel: true });
    await ended;
  } finally {
    stop.abort();
    await ended.catch(() => undefined);
  }
}
