/** Draws of a scenario's value: a number, or a distribution with its mean. */
import type { ValueDocument } from "../scenario/schema/common.ts";
import { Sampler, type Shape } from "./sampler.ts";

export class ValueSampler {
  readonly #sampler: Sampler;
  readonly #mean: number;
  readonly #samples: readonly number[] | null;

  constructor(value: ValueDocument, seed: string, stream: string) {
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

function shapeOf(value: ValueDocument): Shape {
  if (typeof value === "number") return { kind: "constant" };
  switch (value.distribution) {
    case "exponential":
      return { kind: "exponential" };
    case "lognormal":
    case "gamma":
    case "weibull":
      return { kind: value.distribution, cv: value.cv };
    case "empirical":
      return { kind: "uniform" };
  }
}
