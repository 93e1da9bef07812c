/**
 * The latencies of one run as histograms of consecutive sections, in bounded memory: when all
 * sections are full, neighbours are joined and a section holds twice as many. Bins are log-linear,
 * 32 to a doubling: 3% wide at most, and interpolated.
 */
const SECTIONS = 64;
const FIRST_SIZE = 32;
const PER_DOUBLING = 32;
/** Up to 2^36 µs, 19 hours. */
const DOUBLINGS = 36;
const BINS = PER_DOUBLING * DOUBLINGS;

const bits = new Float64Array(1);
const words = new Uint32Array(bits.buffer);

/** The bin of a value of at least 1: exponent and five bits of the fraction. */
function binOf(value: number): number {
  bits[0] = value;
  const bin = (words[1] >>> 15) - (1023 << 5);
  return bin < 0 ? 0 : bin < BINS ? bin : BINS - 1;
}

function lowerEdge(bin: number): number {
  return 2 ** Math.floor(bin / PER_DOUBLING) * (1 + (bin % PER_DOUBLING) / PER_DOUBLING);
}

export class LatencySections {
  readonly #counts: Uint32Array[] = [];
  #size = FIRST_SIZE;
  #current = new Uint32Array(BINS);
  #left = FIRST_SIZE;
  /** The bins that hold anything lie between these: most are empty. */
  #lowest = BINS - 1;
  #highest = 0;
  #total: Float64Array | null = null;
  #totalCount = 0;

  add(latencyUs: number): void {
    const bin = binOf(latencyUs);
    this.#current[bin]++;
    if (bin < this.#lowest) this.#lowest = bin;
    if (bin > this.#highest) this.#highest = bin;
    if (--this.#left > 0) return;
    this.#counts.push(this.#current);
    if (this.#counts.length === SECTIONS) this.#fold();
    this.#current = new Uint32Array(BINS);
    this.#left = this.#size;
  }

  /** Latencies in full sections. */
  get count(): number {
    return this.#size * this.#counts.length;
  }

  /** Share of each full section's latencies that are at most so long, in order. */
  sharesBelow(latencyUs: number): Float64Array {
    const bin = binOf(latencyUs);
    const within = (latencyUs - lowerEdge(bin)) / (lowerEdge(bin + 1) - lowerEdge(bin));
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
    const total = this.#totals();
    let below = 0;
    for (let bin = this.#lowest; bin <= this.#highest; bin++) {
      const here = total[bin];
      if (below + here >= target && here > 0) {
        const within = (target - below) / here;
        return lowerEdge(bin) + within * (lowerEdge(bin + 1) - lowerEdge(bin));
      }
      below += here;
    }
    return lowerEdge(BINS);
  }

  /** Of all full sections, by bin. Made once: asked for when the run is over. */
  #totals(): Float64Array {
    if (this.#total !== null && this.#totalCount === this.count) return this.#total;
    const total = new Float64Array(BINS);
    for (const counts of this.#counts) {
      for (let bin = this.#lowest; bin <= this.#highest; bin++) total[bin] += counts[bin];
    }
    this.#total = total;
    this.#totalCount = this.count;
    return total;
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
