import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  gammaCdf,
  kolmogorovSmirnov,
  moments,
  normalCdf,
} from "./distribution-checks.test-support.ts";
import { Sampler, type Shape } from "./sampler.ts";

const COUNT = 100_000;

const sampleOf = (shape: Shape, seed: string, count = COUNT): Float64Array => {
  const sampler = new Sampler(shape, seed, "work/test");
  return Float64Array.from({ length: count }, () => sampler.next());
};

interface Law {
  readonly name: string;
  readonly shape: Shape;
  readonly cv: number;
  /** Fourth standardised moment: it sets how well the deviation can be known. */
  readonly kurtosis: number;
  readonly cdf: (x: number) => number;
}

function gamma(cv: number): Law {
  const shape = { kind: "gamma", cv } as const;
  return { name: `gamma, cv ${cv}`, shape, cv, kurtosis: 3 + 6 * cv * cv, cdf: gammaCdf(cv ** -2) };
}

function lognormal(cv: number): Law {
  const variance = Math.log1p(cv * cv);
  const w = 1 + cv * cv;
  return {
    name: `lognormal, cv ${cv}`,
    shape: { kind: "lognormal", cv },
    cv,
    kurtosis: w ** 4 + 2 * w ** 3 + 3 * w ** 2 - 3,
    cdf: (x) => normalCdf((Math.log(x) + variance / 2) / Math.sqrt(variance)),
  };
}

const LAWS: readonly Law[] = [
  {
    name: "exponential",
    shape: { kind: "exponential" },
    cv: 1,
    kurtosis: 9,
    cdf: (x) => 1 - Math.exp(-x),
  },
  ...[0.5, 1, 2].flatMap((cv) => [gamma(cv), lognormal(cv)]),
];

describe.each(LAWS)("a sampler of the law $name", ({ shape, cv, kurtosis, cdf }) => {
  test("follows its distribution function", () => {
    expect(kolmogorovSmirnov(sampleOf(shape, "1"), cdf)).toBeLessThan(1.95);
  });

  test("has mean 1 and the coefficient of variation asked for", () => {
    const { mean, deviation } = moments(sampleOf(shape, "2"));
    expect(Math.abs(mean - 1)).toBeLessThan((4 * cv) / Math.sqrt(COUNT));
    const spread = cv * Math.sqrt((kurtosis - 1) / (4 * COUNT));
    expect(Math.abs(deviation - cv)).toBeLessThan(4 * spread);
  });

  test("repeats itself for the same seed and differs for another", () => {
    expect(sampleOf(shape, "3", 600)).toEqual(sampleOf(shape, "3", 600));
    expect(sampleOf(shape, "3", 8)).not.toEqual(sampleOf(shape, "4", 8));
  });
});

test("a uniform sampler is uniform on [0, 1)", () => {
  const sample = sampleOf({ kind: "uniform" }, "5");
  expect(kolmogorovSmirnov(sample, (x) => x)).toBeLessThan(1.95);
  expect(sample.every((x) => x >= 0 && x < 1)).toBe(true);
});

test("a constant sampler gives 1", () => {
  expect(sampleOf({ kind: "constant" }, "6", 600).every((x) => x === 1)).toBe(true);
});

// A change of a sampler changes these; a change of Node must not (checked with 20, 22 and 24).
test("draws are the same to the bit under every version of V8", () => {
  const shapes: readonly Shape[] = [
    { kind: "exponential" },
    { kind: "lognormal", cv: 1.3 },
    { kind: "gamma", cv: 0.5 },
    { kind: "gamma", cv: 2 },
    { kind: "weibull", cv: 0.5 },
    { kind: "weibull", cv: 2 },
  ];
  const digests = shapes.map((shape) => {
    const bytes = new Uint8Array(sampleOf(shape, "7").buffer);
    return createHash("sha256").update(bytes).digest("hex").slice(0, 16);
  });
  expect(digests).toMatchInlineSnapshot(`
    [
      "a600df5322867c7f",
      "bf77dd270fb3b536",
      "d9d204e38096ffba",
      "0be257a9f5796b4e",
      "b7297e7d7de7f2a9",
      "f642fc6dbdaf5c8b",
    ]
  `);
});
