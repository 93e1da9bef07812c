/**
 * Named random streams. A stream's numbers depend only on the run's seed and the stream's name,
 * so a new draw in one stream never moves another.
 */
import seedrandom from "seedrandom";
import { fillExponential, fillNormal } from "./ziggurat.ts";

/** 2^-32. */
const UNIT = 2.3283064365386963e-10;

/**
 * A fast generator (sfc32, Chris Doty-Humphrey, PractRand) seeded from `seedrandom`.
 * Draws come one by one, or by the block, which is how the simulator's hot loop takes them.
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
    fillExponential(this, block);
  }

  /** Standard normal numbers. */
  fillNormal(block: Float64Array): void {
    fillNormal(this, block);
  }
}
