/**
 * A cache of answers by content. Simulator and gateway have the same one: the simulator draws each
 * request's content from a popularity distribution, the gateway hashes what it gets.
 * Source: Crankshaw et al., Clipper, NSDI 2017, section 4.2 (prediction cache, CLOCK replacement).
 */
import { RandomStream } from "./random/stream.ts";
import type { ContentTerms, System } from "./system.ts";

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

/** The caches by content of one run, by the pool of their task. */
export function contentCaches<Key, Value>(
  system: System,
): ReadonlyMap<number, ClockCache<Key, Value>> {
  const caches = new Map<number, ClockCache<Key, Value>>();
  for (const { pool, cacheContent } of system.pipelines.flatMap(({ tasks }) => tasks)) {
    if (cacheContent !== null) caches.set(pool, new ClockCache(cacheContent.entries));
  }
  return caches;
}

/** Draws contents, numbered from 0, the most popular first. */
export class ContentSource {
  readonly #stream: RandomStream;
  readonly #cumulative: Float64Array;

  constructor(terms: ContentTerms, seed: string, name: string) {
    this.#stream = new RandomStream(seed, name);
    let sum = 0;
    this.#cumulative = popularity(terms).map((share) => {
      sum += share;
      return sum;
    });
  }

  next(): number {
    const u = this.#stream.uniform();
    let low = 0;
    let high = this.#cumulative.length - 1;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (u < this.#cumulative[middle]) high = middle;
      else low = middle + 1;
    }
    return low;
  }
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

function popularity({ keys, zipf }: ContentTerms): Float64Array {
  const weights = Float64Array.from({ length: keys }, (_, i) => Math.exp(-zipf * Math.log(i + 1)));
  const sum = weights.reduce((all, weight) => all + weight, 0);
  return weights.map((weight) => weight / sum);
}
