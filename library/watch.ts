/** How a caller watches a long call, and ends it. */

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
