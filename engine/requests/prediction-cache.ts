/**
 * A cache of answers by content. Simulator and gateway have the same one: the simulator draws each
 * request's content from a popularity distribution, the gateway hashes what it gets.
 * Source: Crankshaw et al., Clipper, NSDI 2017, section 4.2 (prediction cache, CLOCK replacement).
 */
import { JOB } from "../dispatch/request-table.ts";
import type { ContentTerms, System, TaskSystem } from "../system/system.ts";

/**
 * CLOCK: a use marks an entry; the hand takes marks away as it passes, and replaces the first entry
 * that has none.
 */
export class ClockCache<Key, Value> {
  readonly #capacity: number;
  readonly #places = new Map<Key, number>();
  readonly #entries: { key: Key; value: Value; used: boolean }[] = [];
  #hand = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get size(): number {
    return this.#entries.length;
  }

  get(key: Key): Value | undefined {
    const place = this.#places.get(key);
    if (place === undefined) return undefined;
    const entry = this.#entries[place];
    entry.used = true;
    return entry.value;
  }

  /** Counts as a use. */
  set(key: Key, value: Value): void {
    const known = this.#places.get(key);
    const place = known ?? this.#placeForOne();
    this.#entries[place] = { key, value, used: true };
    this.#places.set(key, place);
  }

  #placeForOne(): number {
    if (this.#entries.length < this.#capacity) return this.#entries.length;
    for (;;) {
      const place = this.#hand;
      const entry = this.#entries[place];
      this.#hand = (place + 1) % this.#capacity;
      if (!entry.used) {
        this.#places.delete(entry.key);
        return place;
      }
      entry.used = false;
    }
  }
}

export interface ContentCache<Key, Value> {
  readonly answers: ClockCache<Key, Value>;
  /** The tasks that a hit skips, and those that come only after these. */
  readonly skipped: readonly number[];
}

/** The caches of one run, by pipeline and task; null where a task is no cache by content. */
export function contentCaches<Key, Value>({
  pipelines,
}: System): readonly (readonly (ContentCache<Key, Value> | null)[])[] {
  return pipelines.map(({ tasks }) =>
    tasks.map(({ cacheContent }, cache) => {
      if (cacheContent === null) return null;
      const answers = new ClockCache<Key, Value>(cacheContent.entries);
      return { answers, skipped: skippedAfter(tasks, cache) };
    }),
  );
}

function skippedAfter(tasks: readonly TaskSystem[], cache: number): readonly number[] {
  const skipped = new Set(
    tasks.flatMap(({ skippedBy }, task) => (skippedBy.includes(cache) ? [task] : [])),
  );
  let found = -1;
  while (found < skipped.size) {
    found = skipped.size;
    tasks.forEach(({ predecessors }, task) => {
      const isAfter = predecessors.length > 0 && predecessors.every((each) => skipped.has(each));
      if (isAfter) skipped.add(task);
    });
  }
  return [...skipped];
}

/** Whether a request, whose first job is `base`, ended with the results of these tasks, no straggler left out. */
export function isWhole(state: Int32Array, base: number, tasks: readonly number[]): boolean {
  return tasks.every((task) => [JOB.ran, JOB.skipped].some((end) => state[base + task] === end));
}

const BISECTIONS = 60;

/**
 * The expected share of hits among independent draws, were the least recently used replaced. CLOCK, which
 * approximates that, hits for one or two percent of the draws less. Source: Che, Tung and Wang,
 * "Hierarchical Web caching systems", IEEE JSAC 20(7), 2002: a content stays for the time T in which as
 * many distinct ones are asked for as there is room.
 */
export function expectedHitRatio(terms: ContentTerms): number {
  if (terms.entries >= terms.keys) return 1;
  const shares = popularity(terms);
  const held = (time: number): number =>
    shares.reduce((sum, share) => sum + 1 - Math.exp(-share * time), 0);
  let low = 0;
  let high = terms.keys;
  while (held(high) < terms.entries) high *= 2;
  for (let step = 0; step < BISECTIONS; step++) {
    const middle = (low + high) / 2;
    if (held(middle) < terms.entries) low = middle;
    else high = middle;
  }
  return shares.reduce((sum, share) => sum + share * (1 - Math.exp(-share * high)), 0);
}

/** Probabilities of contents, the most popular first. */
export function popularity({ keys, zipf }: ContentTerms): Float64Array {
  const weights = Float64Array.from({ length: keys }, (_, i) => Math.exp(-zipf * Math.log(i + 1)));
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => weight / sum);
}
