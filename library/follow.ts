/** How a caller watches a long call and ends it: by functions, or by an async iterable of its progress. */

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
  const steps: Step<T>[] = [];
  let wake = (): void => undefined;
  const tell = (step: Step<T>): void => {
    steps.push(step);
    wake();
  };
  const ended = call({
    onProgress: (progress) => tell({ kind: "progress", ...progress }),
    onNote: (line) => tell({ kind: "note", line }),
    signal: stop.signal,
  }).then((result) => tell({ kind: "result", result }));
  let isOver = false;
  const over = ended.finally(() => {
    isOver = true;
    wake();
  });
  // Thrown where the loop waits for it, below.
  over.catch(() => undefined);
  try {
    for (;;) {
      const step = steps.shift();
      if (step !== undefined) yield step;
      else if (isOver) break;
      else
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
    }
    await over;
  } finally {
    stop.abort();
    await over.catch(() => undefined);
  }
}
