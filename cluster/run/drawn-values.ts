/** What was drawn for the requests in the system: by job, as their slots are reused. */
import { grown, JOB, type RequestTable } from "../../core/dispatch/request-table.ts";
import { CACHE_HIT, WHEN_HOLDS } from "../../core/request-draws.ts";
import { DrawBook } from "./draws.ts";
import type { LiveRequest, Submission } from "./live-request.ts";
import type { RunOptions } from "./run-options.ts";

export class DrawnValues {
  readonly #options: RunOptions;
  readonly #book: DrawBook;
  #flags = new Uint8Array(0);
  #variates = new Float64Array(0);

  constructor(options: RunOptions) {
    this.#options = options;
    this.#book = new DrawBook(options.system, options.seed, options.triedAgain);
  }

  /** Throws Fault("invalid-input") for a number that cannot be one of this run. */
  check(index: number | null): void {
    this.#book.check(index);
  }

  /** Draws for a request in a slot; gives the time from its arrival to its deadline, µs. */
  take({ index, pipeline }: Submission, slot: number, { capacity, stride }: RequestTable): number {
    const jobs = capacity * stride;
    if (this.#flags.length < jobs) {
      this.#flags = grown(this.#flags, new Uint8Array(jobs));
      this.#variates = grown(this.#variates, new Float64Array(jobs));
    }
    return this.#book.take(index, pipeline, slot * stride, this.#flags, this.#variates);
  }

  variate(job: number): number {
    return this.#variates[job];
  }

  /** Real outputs answer a condition on labels; everything else is as it was drawn. */
  holds(request: LiveRequest, task: number, { state, stride }: RequestTable): boolean {
    const base = request.slot * stride;
    const { system, backend } = this.#options;
    const { predecessors, skippedBy, whenContains } =
      system.pipelines[request.pipeline].tasks[task];
    const skipped = skippedBy.some(
      (cache) => state[base + cache] === JOB.ran && (this.#flags[base + cache] & CACHE_HIT) !== 0,
    );
    if (skipped) return false;
    if (backend !== "replay" && whenContains !== null) {
      return predecessors.some((p) => request.results[p]?.labels.includes(whenContains) ?? false);
    }
    return (this.#flags[base + task] & WHEN_HOLDS) !== 0;
  }
}
