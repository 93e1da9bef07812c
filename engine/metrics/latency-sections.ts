/** The latencies of a run in bounded memory, for quantiles with intervals. */
import { Buckets } from "../statistics/latency-store.ts";

const SECTIONS = 64;

const FIRST_SIZE = 32;

const BUCKETS = new Buckets(5);

/**
 * The latencies of one run as histograms of consecutive sections, in bounded memory: when all
 * sections are full, neighbours are joined and a section holds twice as many. Buckets are
 * 3% wide at most, and interpolated.
 */
export class LatencySections {
  readonly #counts: Uint32Array[] = [];
  #size = FIRST_SIZE;
  #current = new Uint32Array(BUCKETS.count);
  #left = FIRST_SIZE;
  /** All filled bins lie between these: most are empty. */
  #lowest = BUCKETS.count - 1;
  #highest = 0;

  add(latencyUs: number): void {
    const bin = BUCKETS.of(latencyUs);
    this.#current[bin]++;
    if (bin < this.#lowest) this.#lowest = bin;
    if (bin > this.#highest) this.#highest = bin;
    if (--this.#left > 0) return;
    this.#counts.push(this.#current);
    if (this.#counts.length === SECTIONS) this.#fold();
    this.#current = new Uint32Array(BUCKETS.count);
    this.#left = this.#size;
  }

  /** Latencies in full sections. */
  get count(): number {
    return this.#size * this.#counts.length;
  }

  /** Share of each full section's latencies that are at most so long, in order. */
  sharesBelow(latencyUs: number): Float64Array {
    const bin = BUCKETS.of(latencyUs);
    const within =
      (latencyUs - BUCKETS.lowerEdge(bin)) / (BUCKETS.lowerEdge(bin + 1) - BUCKETS.lowerEdge(bin));
    const end = Math.min(bin, this.#highest + 1);
    return Float64Array.from(this.#counts, (counts) => {
      let below = counts[bin] * Math.min(1, Math.max(0, within));
      for (let i = this.#lowest; i < end; i++) below += counts[i];
      return below / this.#size;
    });
  }

  /** The latency below which so large a share of all full sections is, 0 < share < 1; in µs. */
  quantileUs(share: number): number {
    const target = share * this.count;
    let below = 0;
    for (let bin = this.#lowest; bin <= this.#highest; bin++) {
      const here = this.#counts.reduce((sum, counts) => sum + counts[bin], 0);
      if (below + here >= target && here > 0) {
        const within = (target - below) / here;
        return (
          BUCKETS.lowerEdge(bin) + within * (BUCKETS.lowerEdge(bin + 1) - BUCKETS.lowerEdge(bin))
        );
      }
      below += here;
    }
    return BUCKETS.lowerEdge(BUCKETS.count);
  }

  #fold(): void {
    for (let section = 0; section < SECTIONS / 2; section++) {
      const joined = this.#counts[2 * section];
      const second = this.#counts[2 * section + 1];
      for (let bin = this.#lowest; bin <= this.#highest; bin++) joined[bin] += second[bin];
      this.#counts[section] = joined;
    }
    this.#counts.length = SECTIONS / 2;
    this.#size *= 2;
  }
}
