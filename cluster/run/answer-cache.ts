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

export type AnswerCache = ReturnType<typeof answerCache>;

export function answerCache(system: System, isReplay: boolean) {
  const caches = contentCaches<Content, Kept>(system);
  const hashes = new WeakMap<Cached, string>();
  const at = ({ pipeline }: Cached, cache: number): ContentCache<Content, Kept> => {
    const found = caches[pipeline][cache];
    assert(found !== null, "only a cache by content is looked into");
    return found;
  };
  const contentOf = (request: Cached, drawn: number): Content => {
    if (isReplay) return drawn;
    const hash = hashes.get(request) ?? contentsHash(request);
    hashes.set(request, hash);
    return hash;
  };
  return {
    /** Whether the answer is there; then the request gets its results. `drawn` is its drawn content. */
    lookUp(request: Cached, cache: number, drawn: number): boolean {
      const kept = at(request, cache).answers.get(contentOf(request, drawn));
      for (const [task, result] of kept ?? []) request.results[task] = result;
      return kept !== undefined;
    },
    /** Keeps the results of a completed request, whose jobs are in these states from `base`. */
    keep(request: Cached, cache: number, drawn: number, state: Int32Array, base: number): void {
      const { answers, skipped } = at(request, cache);
      if (!isWhole(state, base, skipped)) return;
      const kept = skipped.map((task) => {
        const result = request.results[task] ?? null;
        if (result === null) return [task, null] as const;
        // A replica ran it for another request: no time of this one.
        const timing = { ...unservedAt(0), replica: result.timing.replica };
        return [task, { ...ownResult(result), timing }] as const;
      });
      answers.set(contentOf(request, drawn), kept);
    },
  };
}
