/** By replica: the batch that it runs, since when it has none, and the start window of its next. */

import type { StartWindow } from "../../engine/dispatch/driver.ts";
import type { StartedBatch } from "./batch.ts";
import type { LiveRequest } from "./live-request.ts";

export class ReplicaBatches {
  readonly #running: (StartedBatch | null)[];
  readonly #freeUs: Float64Array;
  readonly #windows = new Map<number, StartWindow>();

  constructor(replicas: number) {
    this.#running = new Array<StartedBatch | null>(replicas).fill(null);
    this.#freeUs = new Float64Array(replicas);
  }

  on(replica: number): StartedBatch | null {
    return this.#running[replica];
  }

  /** No replica runs a batch. */
  get idle(): boolean {
    return this.#running.every((batch) => batch === null);
  }

  freeSinceUs(replica: number): number {
    return this.#freeUs[replica];
  }

  /** The replica's next batch may start within `window`. */
  promise(replica: number, window: StartWindow): void {
    this.#windows.set(replica, window);
  }

  /** Returns its start window; null: it may start at any time. */
  start(batch: StartedBatch): StartWindow | null {
    const { replica } = batch;
    this.#running[replica] = batch;
    const window = this.#windows.get(replica) ?? null;
    this.#windows.delete(replica);
    return window;
  }

  /** The replica has nothing to run from now on. */
  free(replica: number, nowUs: number): void {
    this.#running[replica] = null;
    this.#freeUs[replica] = nowUs;
  }

  /** The replica is gone; returns its batch. */
  take(replica: number): StartedBatch | null {
    const batch = this.#running[replica];
    this.#running[replica] = null;
    return batch;
  }

  /** The running batches with this request. */
  with(request: LiveRequest): readonly StartedBatch[] {
    const batches = this.#running.filter((batch) => batch !== null);
    return batches.filter(({ requests }) => requests.includes(request));
  }
}
