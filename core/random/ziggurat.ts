/**
 * Ziggurat draws of exponential and normal numbers, by the block.
 * Source: Marsaglia & Tsang, "The Ziggurat Method for Generating Random Variables", J. Stat.
 * Softw. 5(8), 2000, with 256 layers; layer and position come from separate 32-bit draws, which
 * avoids the correlation that Doornik (2005) found in the original.
 */
import type { RandomStream } from "./stream.ts";

const UNIT = 2 ** -32;
const LAYERS = 256;

interface Layers {
  /** Right edge of each layer; edge[0] is the base layer's pseudo-width. */
  readonly edge: Float64Array;
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
  return { edge, density: edge.map(density), tail };
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

/** Fills the block with exponential numbers of mean 1. */
export function fillExponential(stream: RandomStream, block: Float64Array): void {
  const { edge, density, tail } = EXPONENTIAL;
  for (let i = 0; i < block.length; i++) {
    for (;;) {
      const layer = stream.next() & (LAYERS - 1);
      const x = stream.next() * UNIT * edge[layer];
      if (x < edge[layer + 1]) {
        block[i] = x;
        break;
      }
      if (layer === 0) {
        block[i] = tail - Math.log(1 - stream.uniform());
        break;
      }
      const y = density[layer] + stream.uniform() * (density[layer + 1] - density[layer]);
      if (y < Math.exp(-x)) {
        block[i] = x;
        break;
      }
    }
  }
}

/** Fills the block with standard normal numbers. */
export function fillNormal(stream: RandomStream, block: Float64Array): void {
  const { edge, density } = NORMAL;
  for (let i = 0; i < block.length; i++) {
    for (;;) {
      const bits = stream.next();
      const layer = bits & (LAYERS - 1);
      const sign = (bits & LAYERS) === 0 ? 1 : -1;
      const x = stream.next() * UNIT * edge[layer];
      if (x < edge[layer + 1]) {
        block[i] = sign * x;
        break;
      }
      if (layer === 0) {
        block[i] = sign * normalTail(stream);
        break;
      }
      const y = density[layer] + stream.uniform() * (density[layer + 1] - density[layer]);
      if (y < Math.exp(-0.5 * x * x)) {
        block[i] = sign * x;
        break;
      }
    }
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
