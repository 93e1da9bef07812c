/**
 * The latencies of one run: every one of them, up to some millions; beyond, a log-linear histogram
 * of constant size. Both answer by the same buckets, which are the leading bits of a double:
 * 2048 buckets an octave, so a histogram's quantile is within 0.025 % of the exact one.
 */
import { DOUBLE_ZERO } from "../double-zero.ts";
import { rankOf } from "../statistics/quantile.ts";

/** Values are kept in chunks, each twice as long as the last, up to the longest. */
const FIRST_CHUNK = 1 << 10;
const LONGEST_CHUNK = 1 << 16;
/** So many are sorted; more are first counted by bucket, so that only some buckets are sorted. */
const MOST_SORTED = 1 << 12;
/** So many latencies are kept exactly, 8 bytes each. */
const MOST_EXACT = 1 << 22;

/** Octaves of whole µs that a double holds exactly, from 1 µs. */
const OCTAVES = 53;
const OCTAVE_BITS = 11;
const BUCKETS = (OCTAVES << OCTAVE_BITS) + 1;
/** Bits of the upper half of a double below a bucket's, and the bucket number of 1.0. */
const SHIFT = 20 - OCTAVE_BITS;
const BUCKET_OF_ONE = 1023 << OCTAVE_BITS;
/** Little-endian machines have the upper half of a double second. */
const UPPER = new Uint8Array(Uint32Array.of(1).buffer)[0];

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

  /** Whether quantiles are of the latencies themselves. */
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
    if (this.count <= MOST_SORTED) return this.bySorting(ranks);
    const counts = new Uint32Array(BUCKETS);
    if (this.histogram !== null) counts.set(this.histogram);
    this.eachFilled((values) => countInto(counts, values));
    const places = locate(counts, ranks);
    if (this.histogram === null) return this.within(places, counts);
    return places.map(({ bucket }) => Math.min(this.maxUs, middleOf(bucket)));
  }

  private bySorting(ranks: readonly number[]): number[] {
    const sorted = new Float64Array(this.count);
    let at = 0;
    this.eachFilled((values) => {
      sorted.set(values, at);
      at += values.length;
    });
    sorted.sort();
    return ranks.map((rank) => sorted[rank]);
  }

  /** The values at some places, of which only the buckets are sorted. */
  private within(places: readonly Place[], counts: Uint32Array): number[] {
    const wanted = new Map(places.map(({ bucket }) => [bucket, new Float64Array(counts[bucket])]));
    const isWanted = new Uint8Array(BUCKETS);
    for (const bucket of wanted.keys()) isWanted[bucket] = 1;
    const filled = new Uint32Array(BUCKETS);
    this.eachFilled((values) => {
      const halves = halvesOf(values);
      for (let i = 0; i < values.length; i++) {
        const bucket = bucketOf(halves[2 * i + UPPER]);
        if (isWanted[bucket] === 0) continue;
        (wanted.get(bucket) as Float64Array)[filled[bucket]++] = values[i];
      }
    });
    for (const values of wanted.values()) values.sort();
    return places.map(({ bucket, rank }) => (wanted.get(bucket) as Float64Array)[rank]);
  }

  private eachFilled(visit: (values: Float64Array) => void): void {
    for (const chunk of this.chunks) {
      visit(chunk === this.chunk ? chunk.subarray(0, this.used) : chunk);
    }
  }

  /** The chunk is full: a new one, or, once there are too many, into the histogram with all. */
  private turnChunk(): void {
    this.used = 0;
    if (this.histogram === null && this.count < this.mostExact) {
      this.chunk = new Float64Array(Math.min(2 * this.chunk.length, LONGEST_CHUNK));
      this.chunks.push(this.chunk);
      return;
    }
    const histogram = this.histogram ?? new Uint32Array(BUCKETS);
    this.histogram = histogram;
    for (const chunk of this.chunks) countInto(histogram, chunk);
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

function countInto(counts: Uint32Array, values: Float64Array): void {
  const halves = halvesOf(values);
  for (let i = UPPER; i < halves.length; i += 2) counts[bucketOf(halves[i])]++;
}

function halvesOf(values: Float64Array): Uint32Array {
  return new Uint32Array(values.buffer, values.byteOffset, 2 * values.length);
}

/** Bucket of a double by its upper half; everything below 1 µs shares the first. */
function bucketOf(upperHalf: number): number {
  const bucket = (upperHalf >>> SHIFT) - BUCKET_OF_ONE;
  return bucket < 0 ? 0 : bucket + 1 < BUCKETS ? bucket + 1 : BUCKETS - 1;
}

function middleOf(bucket: number): number {
  if (bucket === 0) return 0;
  const edge = new Float64Array(2);
  const halves = halvesOf(edge);
  halves[UPPER] = (bucket - 1 + BUCKET_OF_ONE) << SHIFT;
  halves[2 + UPPER] = (bucket + BUCKET_OF_ONE) << SHIFT;
  return (edge[0] + edge[1]) / 2;
}
