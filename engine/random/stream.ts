/**
 * Named random streams. A stream's numbers depend only on the run's seed and the stream's name,
 * so a new draw in one stream never moves another.
 */
// Hot path: see docs/hot-path.md
import seedrandom from "seedrandom";

/** 2^-32. */
const UNIT = 2.3283064365386963e-10;

/**
 * Tables of the ziggurat method. Source: Marsaglia & Tsang, "The Ziggurat Method for Generating Random
 * Variables", J. Stat. Softw. 5(8), 2000, with 256 layers; layer and position come from separate 32-bit
 * draws, which avoids the correlation that Doornik (2005) found in the original.
 */
const LAYERS = 256;

interface Layers {
  /** Right edge of each layer; edge[0] is the base layer's pseudo-width. */
  readonly edge: Float64Array;
  /** Edge by layer for a position of 32 bits; then the same again, negative. */
  readonly scale: Float64Array;
  /** Bits of a draw that choose from `scale`: with the sign or without. */
  readonly mask: number;
  readonly density: (x: number) => number;
  /** Density at each edge. */
  readonly heights: Float64Array;
  /** Draws beyond the base layer's edge; positive. */
  readonly drawTail: (stream: RandomStream) => number;
}

function buildLayers(
  tail: number,
  area: number,
  mask: number,
  density: (x: number) => number,
  inverse: (y: number) => number,
  drawTail: (stream: RandomStream) => number,
): Layers {
  const edge = new Float64Array(LAYERS + 1);
  edge[0] = area / density(tail);
  edge[1] = tail;
  for (let i = 2; i < LAYERS; i++) edge[i] = inverse(density(edge[i - 1]) + area / edge[i - 1]);
  edge[LAYERS] = 0;
  const scale = Float64Array.from(
    { length: 2 * LAYERS },
    (_, i) => (i < LAYERS ? UNIT : -UNIT) * edge[i % LAYERS],
  );
  return { edge, scale, mask, density, heights: edge.map(density), drawTail };
}

const EXPONENTIAL_TAIL = 7.69711747013105;
const EXPONENTIAL = buildLayers(
  EXPONENTIAL_TAIL,
  3.949659822581572e-3,
  LAYERS - 1,
  (x) => Math.exp(-x),
  (y) => -Math.log(y),
  (stream) => EXPONENTIAL_TAIL - Math.log(1 - stream.uniform()),
);

const NORMAL_TAIL = 3.6541528853610088;
const NORMAL = buildLayers(
  NORMAL_TAIL,
  4.92867323399e-3,
  2 * LAYERS - 1,
  (x) => Math.exp(-0.5 * x * x),
  (y) => Math.sqrt(-2 * Math.log(y)),
  // Marsaglia's method.
  (stream) => {
    for (;;) {
      const x = -Math.log(1 - stream.uniform()) / NORMAL_TAIL;
      const y = -Math.log(1 - stream.uniform());
      if (y + y > x * x) return NORMAL_TAIL + x;
    }
  },
);

/**
 * A fast generator (sfc32, Chris Doty-Humphrey, PractRand) seeded from `seedrandom`.
 * Draws come one by one, or by the block for the simulator's hot loop.
 */
export class RandomStream {
  readonly state = new Int32Array(0);

  constructor(seed: string, name: string) {
    const source = seedrandom(`${seed}/${name}`);
    this.state = Int32Array.of(source.int32(), source.int32(), source.int32(), 1);
    for (let i = 0; i < 12; i++) this.next();
  }

  /** A uniform 32-bit integer, unsigned. */
  next(): number {
    const s = this.state;
    const t = (((s[0] + s[1]) | 0) + s[3]) | 0;
    s[3] = (s[3] + 1) | 0;
    s[0] = s[1] ^ (s[1] >>> 9);
    s[1] = (s[2] + (s[2] << 3)) | 0;
    s[2] = (((s[2] << 21) | (s[2] >>> 11)) + t) | 0;
    return t >>> 0;
  }

  /** A uniform number in [0, 1). */
  uniform(): number {
    return this.next() * UNIT;
  }

  /** A uniform integer in [0, bound). */
  integer(bound: number): number {
    return Math.floor(this.next() * UNIT * bound);
  }

  /** The numbers 0 .. count − 1 in any order, each as probable (Fisher & Yates). */
  shuffled(count: number): Int32Array {
    const order = Int32Array.from({ length: count }, (_, i) => i);
    for (let i = count - 1; i > 0; i--) {
      const j = this.integer(i + 1);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  /** Numbers as `uniform` gives them, with the generator in local variables. */
  fillUniform(block: Float64Array): void {
    const { state } = this;
    let a = state[0];
    let b = state[1];
    let c = state[2];
    let d = state[3];
    for (let i = 0; i < block.length; i++) {
      const t = (a + b + d) | 0;
      d = (d + 1) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (((c << 21) | (c >>> 11)) + t) | 0;
      block[i] = (t >>> 0) * UNIT;
    }
    state[0] = a;
    state[1] = b;
    state[2] = c;
    state[3] = d;
  }

  /** Exponential numbers of mean 1. */
  fillExponential(block: Float64Array): void {
    this.fill(block, EXPONENTIAL);
  }

  /** Standard normal numbers. */
  fillNormal(block: Float64Array): void {
    this.fill(block, NORMAL);
  }

  /** The fast path steps the generator as `next` does; three draws in a hundred need `beside`. */
  private fill(block: Float64Array, layers: Layers): void {
    const { edge, scale, mask } = layers;
    const { state } = this;
    let a = state[0];
    let b = state[1];
    let c = state[2];
    let d = state[3];
    for (let i = 0; i < block.length; i++) {
      const bits = (a + b + d) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (((c << 21) | (c >>> 11)) + bits) | 0;
      const place = (a + b + d + 1) | 0;
      d = (d + 2) | 0;
      a = b ^ (b >>> 9);
      b = (c + (c << 3)) | 0;
      c = (((c << 21) | (c >>> 11)) + place) | 0;
      const layer = bits & (LAYERS - 1);
      // The table has the sign, as half the draws would take a branch.
      const x = (place >>> 0) * scale[bits & mask];
      if (Math.abs(x) < edge[layer + 1]) {
        block[i] = x;
        continue;
      }
      state[0] = a;
      state[1] = b;
      state[2] = c;
      state[3] = d;
      block[i] = this.beside(layers, layer, x);
      a = state[0];
      b = state[1];
      c = state[2];
      d = state[3];
    }
    state[0] = a;
    state[1] = b;
    state[2] = c;
    state[3] = d;
  }

  /** Finishes a draw that fell outside the part of its layer that is accepted at once. */
  private beside(layers: Layers, firstLayer: number, firstX: number): number {
    const { edge, scale, mask, density, heights, drawTail } = layers;
    let layer = firstLayer;
    let x = firstX;
    for (;;) {
      if (layer === 0) return Math.sign(x) * drawTail(this);
      const y = heights[layer] + this.uniform() * (heights[layer + 1] - heights[layer]);
      if (y < density(x)) return x;
      const bits = this.next();
      layer = bits & (LAYERS - 1);
      x = this.next() * scale[bits & mask];
      if (Math.abs(x) < edge[layer + 1]) return x;
    }
  }
}
