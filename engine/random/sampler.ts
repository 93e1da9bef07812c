/**
 * Samplers: one distribution drawn from one named stream, by the block.
 * Every sampler owns its stream, so drawing ahead changes nothing that another sampler sees.
 */
// Hot path: see docs/hot-path.md

import { exponentiate, logGamma, power } from "./elementary-functions.ts";
import { RandomStream } from "./stream.ts";

const BLOCK = 256;

/** A value of each request: the same for all, or drawn. */
export type Value =
  | number
  | { readonly distribution: "exponential"; readonly mean: number }
  | {
      readonly distribution: "lognormal" | "gamma" | "weibull";
      readonly mean: number;
      readonly cv: number;
    }
  | { readonly distribution: "empirical"; readonly samples: readonly number[] };

export type Shape =
  | { readonly kind: "constant" | "uniform" | "exponential" }
  | { readonly kind: "lognormal" | "gamma" | "weibull"; readonly cv: number };

/** The shape that a scenario's distribution or constant names. */
export function shapeOf(
  value:
    | number
    | { readonly distribution: "exponential" | "deterministic" | "empirical" }
    | { readonly distribution: "lognormal" | "gamma" | "weibull"; readonly cv: number },
): Shape {
  if (typeof value === "number") return { kind: "constant" };
  switch (value.distribution) {
    case "exponential":
      return { kind: "exponential" };
    case "deterministic":
      return { kind: "constant" };
    case "empirical":
      return { kind: "uniform" };
    default:
      return value.cv === 0 ? { kind: "constant" } : { kind: value.distribution, cv: value.cv };
  }
}

/** Draws of mean 1 (or uniform on [0, 1) for the kind `uniform`), dimensionless. */
export class Sampler {
  declare readonly shape: Shape;
  declare private readonly stream: RandomStream;
  private readonly block = new Float64Array(BLOCK);
  private used = BLOCK;

  constructor(shape: Shape, seed: string, streamName: string) {
    this.shape = shape;
    this.stream = new RandomStream(seed, streamName);
  }

  next(): number {
    if (this.used === BLOCK) {
      this.refill();
      this.used = 0;
    }
    return this.block[this.used++];
  }

  /** The next draw; `taken`, 0 or 1, says whether it is used up. */
  nextIf(taken: number): number {
    if (this.used === BLOCK) {
      this.refill();
      this.used = 0;
    }
    const draw = this.block[this.used];
    this.used += taken;
    return draw;
  }

  /** A whole block of draws, for callers that never call `next`; valid until the next call. */
  nextBlock(): Float64Array {
    this.refill();
    return this.block;
  }

  private refill(): void {
    const block = this.block;
    switch (this.shape.kind) {
      case "constant":
        block.fill(1);
        return;
      case "uniform":
        this.stream.fillUniform(block);
        return;
      case "exponential":
        this.stream.fillExponential(block);
        return;
      case "lognormal":
        fillLognormal(this.stream, block, this.shape.cv);
        return;
      case "gamma":
        fillGamma(this.stream, block, this.shape.cv);
        return;
      case "weibull":
        fillWeibull(this.stream, block, this.shape.cv);
        return;
    }
  }
}

/** Lognormal of mean 1: exp(sigma z − sigma²/2) with sigma² = ln(1 + cv²). */
function fillLognormal(stream: RandomStream, block: Float64Array, cv: number): void {
  const variance = Math.log1p(cv * cv);
  stream.fillNormal(block);
  exponentiate(block, Math.sqrt(variance), -variance / 2);
}

/** Gamma of mean 1 and shape 1/cv². Source: Marsaglia & Tsang, ACM TOMS 26(3), 2000. */
function fillGamma(stream: RandomStream, block: Float64Array, cv: number): void {
  const shape = 1 / (cv * cv);
  const d = (shape < 1 ? shape + 1 : shape) - 1 / 3;
  const c = 1 / Math.sqrt(9 * d);
  const normals = new Float64Array(BLOCK);
  let used = BLOCK;
  for (let i = 0; i < block.length; i++) {
    for (;;) {
      if (used === BLOCK) {
        stream.fillNormal(normals);
        used = 0;
      }
      const z = normals[used++];
      const root = 1 + c * z;
      const v = root * root * root;
      if (v <= 0) continue;
      const u = 1 - stream.uniform();
      if (Math.log(u) >= 0.5 * z * z + d - d * v + d * Math.log(v)) continue;
      const boost = shape < 1 ? power(1 - stream.uniform(), 1 / shape) : 1;
      block[i] = (d * v * boost) / shape;
      break;
    }
  }
}

/** Weibull of mean 1: E^(1/k) / Γ(1 + 1/k) for an exponential E and the shape k of the variation. */
function fillWeibull(stream: RandomStream, block: Float64Array, cv: number): void {
  const exponent = 1 / weibullShape(cv);
  const scale = Math.exp(-logGamma(1 + exponent));
  stream.fillExponential(block);
  for (let i = 0; i < block.length; i++) block[i] = scale * power(block[i], exponent);
}

/**
 * The shape k of a coefficient of variation: cv² = Γ(1 + 2/k) / Γ(1 + 1/k)² − 1, which falls with k.
 * Source: Johnson, Kotz & Balakrishnan, Continuous Univariate Distributions 1, 2nd ed., 1994, chapter 21.
 */
export function weibullShape(cv: number): number {
  const wanted = Math.log1p(cv * cv);
  let low = 0.05;
  let high = 1000;
  for (let step = 0; step < 200 && high - low > 1e-14 * high; step++) {
    const k = Math.sqrt(low * high);
    if (logGamma(1 + 2 / k) - 2 * logGamma(1 + 1 / k) > wanted) low = k;
    else high = k;
  }
  return high;
}

/** Draws of a value. */
export class ValueSampler {
  readonly #sampler: Sampler;
  readonly #mean: number;
  readonly #samples: readonly number[] | null;

  constructor(value: Value, seed: string, stream: string) {
    this.#sampler = new Sampler(shapeOf(value), seed, stream);
    this.#samples = typeof value === "object" && "samples" in value ? value.samples : null;
    this.#mean = typeof value === "number" ? value : "mean" in value ? value.mean : 1;
  }

  next(): number {
    const draw = this.#sampler.next();
    const samples = this.#samples;
    return samples === null ? this.#mean * draw : samples[Math.floor(draw * samples.length)];
  }
}
