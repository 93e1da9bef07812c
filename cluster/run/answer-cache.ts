/**
 * Results of tasks by the content of their requests, for caches by content: a hit gives a request the
 * results of the tasks that it skips. A replay of measured times has no contents of its own: there the
 * drawn ones of the simulator count, so that both hit alike.
 */
import { createHash } from "node:crypto";
import { assert } from "../../core/fault.ts";
import { type ContentCache, contentCaches, isWhole } from "../../core/prediction-cache.ts";
import type { System } from "../../core/system.ts";
import type { LiveRequest, TaskResult, TaskTiming } from "./live-request.ts";

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
      return [task, ownResult(request.results[task] ?? null)] as const;
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
      hash = hashOf(request);
      this.#hashes.set(request, hash);
    }
    return hash;
  }
}

/** A replica ran it for another request: no time of this one. */
const NO_TIME: Omit<TaskTiming, "replica"> = {
  ...{ queuedUs: 0, startUs: 0, endUs: 0, serviceUs: 0, batch: 0 },
};

/** Copies tensors, which are views of their message, so that the message can be freed. */
function ownResult(result: TaskResult | null): TaskResult | null {
  if (result === null) return null;
  const tensors = result.tensors.map((tensor) => ({ ...tensor, raw: tensor.raw.slice() }));
  return { ...result, tensors, timing: { ...result.timing, ...NO_TIME } };
}

function hashOf({ payload, tensors }: Cached): string {
  const heads = tensors.map(({ name, datatype, shape, raw }) => [
    ...[name, datatype, shape, raw.length],
  ]);
  const hash = createHash("sha256");
  hash.update(`${JSON.stringify([payload.length, heads])}\n`).update(payload);
  for (const { raw } of tensors) hash.update(raw);
  return hash.digest("base64url");
}
