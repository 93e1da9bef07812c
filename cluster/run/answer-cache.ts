/**
 * Results of tasks by the content of their requests, for caches by content: a hit gives a request the
 * results of the tasks that it skips. A replay of measured times has no contents of its own: there the
 * drawn ones of the simulator count, so that both hit alike.
 */
import { assert } from "../../core/fault.ts";
import { type ContentCache, contentCaches, isWhole } from "../../core/prediction-cache.ts";
import type { System } from "../../core/system.ts";
import {
  contentsHash,
  type LiveRequest,
  ownResult,
  type TaskResult,
  unservedAt,
} from "./live-request.ts";

type Content = number | string;
type Kept = readonly (readonly [task: number, result: TaskResult | null])[];
type Cached = Pick<LiveRequest, "pipeline" | "payload" | "tensors" | "results">;

export class AnswerCache {
  readonly #caches: readonly (readonly (ContentCache<Content, Kept> | null)[])[];
  readonly #isReplay: boolean;
  readonly #hashes = new WeakMap<Cached, string>();

  constructor(system: System, isReplay: boolean) {
    this.#caches = contentCaches(system);
    this.#isReplay = isReplay;
  }

  /** Whether the answer is there; then the request gets its results. `drawn` is its drawn content. */
  lookUp(request: Cached, cache: number, drawn: number): boolean {
    const { answers } = this.#at(request, cache);
    const kept = answers.get(this.#contentOf(request, drawn));
    if (kept === undefined) return false;
    for (const [task, result] of kept) request.results[task] = result;
    return true;
  }

  /** Keeps the results of a completed request, whose jobs are in these states from `base`. */
  keep(request: Cached, cache: number, drawn: number, state: Int32Array, base: number): void {
    const { answers, skipped } = this.#at(request, cache);
    if (!isWhole(state, base, skipped)) return;
    const kept = skipped.map((task) => {
      const result = request.results[task] ?? null;
      if (result === null) return [task, null] as const;
      // A replica ran it for another request: no time of this one.
      const timing = { ...unservedAt(0), replica: result.timing.replica };
      return [task, { ...ownResult(result), timing }] as const;
    });
    answers.set(this.#contentOf(request, drawn), kept);
  }

  #at({ pipeline }: Cached, cache: number): ContentCache<Content, Kept> {
    const found = this.#caches[pipeline][cache];
    assert(found !== null, "only a cache by content is looked into");
    return found;
  }

  #contentOf(request: Cached, drawn: number): Content {
    if (this.#isReplay) return drawn;
    let hash = this.#hashes.get(request);
    if (hash === undefined) {
      hash = contentsHash(request);
      this.#hashes.set(request, hash);
    }
    return hash;
  }
}
