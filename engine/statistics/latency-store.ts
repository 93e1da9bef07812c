/**
 * The latencies of one run: every one of them, up to some millions; beyond, a log-linear histogram
 * of constant size. Both count by buckets, the leading bits of a double. A histogram has 2048 of them
 * an octave, so its quantiles are within 0.025 % of the exact ones; of values that are all kept, only
 * those that share a bucket with a quantile are sorted.
 */
// Hot path: see docs/hot-path.md
import { DOUBLE_ZERO } from "../basics/hot-path.ts";
import { rankOf } from "./estimate.ts";

/** Values are kept in chunks, each twice as long as the last, up to the longest. */
const FIRST_CHUNK = 1 << 10;
const LONGEST_CHUNK = 1 << 16;
/** Latencies that are kept exactly, 8 bytes each. */
const MOST_EXACT = 1 << 22;

/** Octaves of whole µs that a double holds exactly, from 1 µs. */
const OCTAVES = 53;
/** Little-endian machines have the upper half of a double second. */
const UPPER = new Uint8Array(Uint32Array.of(1).buffer)[0];

const VALUE = new Float64Array(1);
const HALVES = halvesOf(VALUE);

/** 2 ** `bits` buckets an octave; everything below 1 µs shares the first. */
export class Buckets {
  readonly count: number = 0;
  /** Bits of the upper half of a double below a bucket's, and the bucket of 1.0 less one. */
  private readonly shift: number = 0;
  private readonly offset: number = 0;

  constructor(bits: number) {
    this.count = (OCTAVES << bits) + 1;
    this.shift = 20 - bits;
    this.offset = (1023 << bits) - 1;
  }

  countInto(counts: Uint32Array, values: Float64Array): void {
    const { shift, offset } = this;
    const last = this.count - 1;
    const halves = halvesOf(values);
    for (let i = UPPER; i < halves.length; i += 2) {
      counts[within(last, (halves[i] >>> shift) - offset)]++;
    }
  }

  /** Copies the values of wanted buckets, in their order, to `to` from `at` on; gives their end. */
  gather(isWanted: Uint8Array, values: Float64Array, to: Float64Array, at: number): number {
    const { shift, offset } = this;
    const last = this.count - 1;
    const halves = halvesOf(values);
    let end = at;
    for (let i = 0; i < values.length; i++) {
      const bucket = within(last, (halves[2 * i + UPPER] >>> shift) - offset);
      if (isWanted[bucket] !== 0) to[end++] = values[i];
    }
    return end;
  }

  of(value: number): number {
    VALUE[0] = value;
    return within(this.count - 1, (HALVES[UPPER] >>> this.shift) - this.offset);
  }

  lowerEdge(bucket: number): number {
    if (bucket === 0) return 0;
    VALUE[0] = 0;
    HALVES[UPPER] = (bucket + this.offset) << this.shift;
    return VALUE[0];
  }

  middleOf(bucket: number): number {
    return bucket === 0 ? 0 : (this.lowerEdge(bucket) + this.lowerEdge(bucket + 1)) / 2;
  }
}

/** Buckets of a histogram, of kept values, and of few kept values: fewer counts to set to zero. */
const FINEST = new Buckets(11);
const FINE = new Buckets(9);
const COARSE = new Buckets(5);
const FEW = 1 << 14;

export class LatencyStore {
  count = 0;
  sumUs = DOUBLE_ZERO;
  maxUs = DOUBLE_ZERO;
  private chunks: Float64Array[] = [new Float64Array(FIRST_CHUNK)];
  private chunk = this.chunks[0];
  private used = 0;
  private histogram: Uint32Array | null = null;
  declare private readonly mostExact: number;

  /** `mostExact` is rounded up to whole chunks. */
  constructor(mostExact = MOST_EXACT) {
    this.mostExact = mostExact;
  }

  /** False: quantiles are from the histogram. */
  get exact(): boolean {
    return this.histogram === null;
  }

  /** Adds a latency, µs, not negative. */
  add(us: number): void {
    if (this.used === this.chunk.length) this.turnChunk();
    this.chunk[this.used++] = us;
    this.count++;
    this.sumUs += us;
    if (us > this.maxUs) this.maxUs = us;
  }

  /** Nearest-rank quantiles, µs, for ascending shares in (0, 1]; only when `count` > 0. */
  quantilesUs(shares: readonly number[]): number[] {
    const ranks = shares.map((share) => rankOf(share, this.count));
    const buckets = this.buckets();
    const counts = new Uint32Array(buckets.count);
    if (this.histogram !== null) counts.set(this.histogram);
    this.eachFilled((values) => buckets.countInto(counts, values));
    const places = locate(counts, ranks);
    if (this.histogram === null) return this.among(places, counts, buckets);
    return places.map(({ bucket }) => Math.min(this.maxUs, buckets.middleOf(bucket)));
  }

  private buckets(): Buckets {
    if (this.histogram !== null) return FINEST;
    return this.count <= FEW ? COARSE : FINE;
  }

  /** The values at some places, ascending, of which only the buckets are sorted. */
  private among(places: readonly Place[], counts: Uint32Array, buckets: Buckets): number[] {
    const isWanted = new Uint8Array(buckets.count);
    const ranks: number[] = [];
    let before = 0;
    let size = 0;
    for (const { bucket, rank } of places) {
      if (isWanted[bucket] === 0) {
        isWanted[bucket] = 1;
        before = size;
        size += counts[bucket];
      }
      ranks.push(before + rank);
    }
    const found = new Float64Array(size);
    let end = 0;
    this.eachFilled((values) => {
      end = buckets.gather(isWanted, values, found, end);
    });
    found.sort();
    return ranks.map((rank) => found[rank]);
  }

  private eachFilled(visit: (values: Float64Array) => void): void {
    for (const chunk of this.chunks) {
      visit(chunk === this.chunk ? chunk.subarray(0, this.used) : chunk);
    }
  }

  /** Starts a new chunk; once there are too many, moves all into the histogram. */
  private turnChunk(): void {
    this.used = 0;
    if (this.histogram === null && this.count < this.mostExact) {
      this.chunk = new Float64Array(Math.min(2 * this.chunk.length, LONGEST_CHUNK));
      this.chunks.push(this.chunk);
      return;
    }
    const histogram = this.histogram ?? new Uint32Array(FINEST.count);
    this.histogram = histogram;
    for (const chunk of this.chunks) FINEST.countInto(histogram, chunk);
    this.chunks = [this.chunk];
  }
}

interface Place {
  readonly bucket: number;
  /** Rank within the bucket. */
  readonly rank: number;
}

/** The buckets that hold ascending ranks. */
function locate(counts: Uint32Array, ranks: readonly number[]): Place[] {
  const places: Place[] = [];
  let bucket = 0;
  let before = 0;
  for (const rank of ranks) {
    while (before + counts[bucket] <= rank) before += counts[bucket++];
    places.push({ bucket, rank: rank - before });
  }
  return places;
}

function within(last: number, bucket: number): number {
  return bucket < 0 ? 0 : Math.min(bucket, last);
}

function halvesOf(values: Float64Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
}
