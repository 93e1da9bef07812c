/**
 * Ziggurat draws of exponential and normal numbers, by the block.
 * Source: Marsaglia & Tsang, "The Ziggurat Method for Generating Random Variables", J. Stat.
 * Softw. 5(8), 2000, with 256 layers; layer and position come from separate 32-bit draws, which
 * avoids the correlation that Doornik (2005) found in the original.
 */
import type { RandomStream } from "./stream.ts";

/** 2^-32. */
const UNIT = 2.3283064365386963e-10;
const LAYERS = 256;

interface Layers {
  /** Right edge of each layer; edge[0] is the base layer's pseudo-width. */
  readonly edge: Float64Array;
  /** Edge by layer for a position of 32 bits; then the same again, negative. */
  readonly scale: Float64Array;
  /** Density at each edge. */
  readonly density: Float64Array;
  readonly tail: number;
}

function buildLayers(
  tail: number,
  area: number,
  density: (x: number) => number,
  inverse: (y: number) => number,
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
  return { edge, scale, density: edge.map(density), tail };
}

const EXPONENTIAL = buildLayers(
  7.69711747013105,
  3.949659822581572e-3,
  (x) => Math.exp(-x),
  (y) => -Math.log(y),
);

const NORMAL = buildLayers(
  3.6541528853610088,
  4.92867323399e-3,
  (x) => Math.exp(-0.5 * x * x),
  (y) => Math.sqrt(-2 * Math.log(y)),
);

/**
 * Fills the block with exponential numbers of mean 1. Three draws in hundred need more than the
 * fast path, which steps the generator (see `RandomStream.next`) in local variables.
 */
export function fillExponential(stream: RandomStream, block: Float64Array): void {
  const { edge, scale } = EXPONENTIAL;
  const { state } = stream;
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
    const x = (place >>> 0) * scale[layer];
    if (x < edge[layer + 1]) {
      block[i] = x;
      continue;
    }
    state[0] = a;
    state[1] = b;
    state[2] = c;
    state[3] = d;
    block[i] = exponentialBeside(stream, layer, x);
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

/** Goes on with a draw that fell beside the layer's sure part. */
function exponentialBeside(stream: RandomStream, firstLayer: number, firstX: number): number {
  const { edge, density, tail } = EXPONENTIAL;
  let layer = firstLayer;
  let x = firstX;
  for (;;) {
    if (layer === 0) return tail - Math.log(1 - stream.uniform());
    const y = density[layer] + stream.uniform() * (density[layer + 1] - density[layer]);
    if (y < Math.exp(-x)) return x;
    layer = stream.next() & (LAYERS - 1);
    x = stream.next() * UNIT * edge[layer];
    if (x < edge[layer + 1]) return x;
  }
}

/** Fills the block with standard normal numbers; steps the generator as `fillExponential` does. */
export function fillNormal(stream: RandomStream, block: Float64Array): void {
  const { edge, scale } = NORMAL;
  const { state } = stream;
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
    // With the sign from the table: half the draws would take a branch.
    const x = (place >>> 0) * scale[bits & (2 * LAYERS - 1)];
    if (Math.abs(x) < edge[layer + 1]) {
      block[i] = x;
      continue;
    }
    state[0] = a;
    state[1] = b;
    state[2] = c;
    state[3] = d;
    block[i] = normalBeside(stream, layer, Math.abs(x), (bits & LAYERS) === 0 ? 1 : -1);
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

/** Goes on with a draw that fell beside the layer's sure part. */
function normalBeside(
  stream: RandomStream,
  firstLayer: number,
  firstX: number,
  firstSign: number,
): number {
  const { edge, density } = NORMAL;
  let layer = firstLayer;
  let x = firstX;
  let sign = firstSign;
  for (;;) {
    if (layer === 0) return sign * normalTail(stream);
    const y = density[layer] + stream.uniform() * (density[layer + 1] - density[layer]);
    if (y < Math.exp(-0.5 * x * x)) return sign * x;
    const bits = stream.next();
    layer = bits & (LAYERS - 1);
    sign = (bits & LAYERS) === 0 ? 1 : -1;
    x = stream.next() * UNIT * edge[layer];
    if (x < edge[layer + 1]) return sign * x;
  }
}

/** Marsaglia's method for the tail beyond the base layer's edge. */
function normalTail(stream: RandomStream): number {
  for (;;) {
    const x = -Math.log(1 - stream.uniform()) / NORMAL.tail;
    const y = -Math.log(1 - stream.uniform());
    if (y + y > x * x) return NORMAL.tail + x;
  }
}
