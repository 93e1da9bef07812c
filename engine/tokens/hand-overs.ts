/** Sequences between two engines: the first has made their first token, and keeps their blocks until the second has room. */

/** By the job that has made the first token. */
interface Kept {
  readonly firstUs: number;
  readonly free: (nowUs: number) => void;
}

export class HandOvers {
  readonly #kept = new Map<number, Kept>();

  keep(job: number, firstUs: number, free: Kept["free"]): void {
    this.#kept.set(job, { firstUs, free });
  }

  firstUs(job: number): number {
    return this.#kept.get(job)?.firstUs ?? Number.NaN;
  }

  /** The second engine has room, or nobody waits any more: the first frees the blocks. */
  take(job: number, nowUs: number): void {
    const kept = this.#kept.get(job);
    this.#kept.delete(job);
    kept?.free(nowUs);
  }
}
