import fc from "fast-check";
import { expect, test } from "vitest";
import { kolmogorovSmirnov, moments, normalCdf } from "./distribution-checks.test-support.ts";
import { RandomStream } from "./stream.ts";

const take = (stream: RandomStream, count: number): number[] =>
  Array.from({ length: count }, () => stream.next());

const filled = (count: number, fill: (block: Float64Array) => void): Float64Array => {
  const sample = new Float64Array(count);
  fill(sample);
  return sample;
};

test("the same seed and name give the same numbers", () => {
  fc.assert(
    fc.property(fc.string(), fc.string(), (seed, name) => {
      expect(take(new RandomStream(seed, name), 8)).toEqual(take(new RandomStream(seed, name), 8));
    }),
  );
});

test("another seed or another name gives other numbers", () => {
  const streams = ["1/0", "1/1", "2/0", "10"].flatMap((seed) =>
    ["arrivals", "policy", "work/a/b"].map((name) => take(new RandomStream(seed, name), 4).join()),
  );
  expect(new Set(streams).size).toBe(streams.length);
});

test("shuffled numbers come in any order, each as often", () => {
  const stream = new RandomStream("1", "shuffled");
  const orders = Array.from({ length: 6000 }, () => stream.shuffled(3).join(""));
  const counts = new Map(
    orders.map((order) => [order, orders.filter((one) => one === order).length]),
  );
  expect([...counts.keys()].sort()).toEqual(["012", "021", "102", "120", "201", "210"]);
  // 1000 ± 4 standard deviations.
  for (const count of counts.values()) expect(Math.abs(count - 1000)).toBeLessThan(116);
});

test("draws from one stream never move another", () => {
  fc.assert(
    fc.property(fc.array(fc.boolean(), { minLength: 40, maxLength: 200 }), (turns) => {
      const alone = take(new RandomStream("7", "a"), turns.length);
      const a = new RandomStream("7", "a");
      const b = new RandomStream("7", "b");
      const seen: number[] = [];
      for (const ofA of turns) {
        if (ofA) seen.push(a.next());
        else b.next();
      }
      expect(seen).toEqual(alone.slice(0, seen.length));
    }),
  );
});

test("numbers are whole and below 2^32, and each of the 32 bits is set half the time", () => {
  const stream = new RandomStream("3", "bits");
  const ones = new Array<number>(32).fill(0);
  const draws = 40_000;
  for (let i = 0; i < draws; i++) {
    const value = stream.next();
    if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) expect.fail(`drew ${value}`);
    for (let bit = 0; bit < 32; bit++) ones[bit] += (value >>> bit) & 1;
  }
  // Four standard deviations: one bit in 16,000 would be beyond by chance.
  for (const count of ones) expect(Math.abs(count - draws / 2)).toBeLessThan(2 * Math.sqrt(draws));
});

test("neighbouring numbers and neighbouring streams are uncorrelated", () => {
  const n = 50_000;
  const a = filled(n, (block) => new RandomStream("5", "service/1").fillUniform(block));
  const b = filled(n, (block) => new RandomStream("5", "service/2").fillUniform(block));
  const correlation = (x: Float64Array, y: Float64Array): number =>
    x.reduce((sum, value, i) => sum + (value - 0.5) * (y[i] - 0.5), 0) / x.length / (1 / 12);
  const bound = 4 / Math.sqrt(n);
  expect(Math.abs(correlation(a, b))).toBeLessThan(bound);
  expect(Math.abs(correlation(a.subarray(1), a.subarray(0, -1)))).toBeLessThan(bound);
});

test("integer(bound) takes every value below the bound equally often", () => {
  const stream = new RandomStream("11", "integers");
  const counts = new Array<number>(7).fill(0);
  for (let i = 0; i < 70_000; i++) counts[stream.integer(7)]++;
  const chiSquare = counts.reduce((sum, count) => sum + (count - 10_000) ** 2 / 10_000, 0);
  expect(counts).toHaveLength(7);
  expect(chiSquare).toBeLessThan(22.46); // 0.1% point with 6 degrees of freedom
});

test("fillNormal is standard normal, tails beyond the ziggurat's base layer included", () => {
  const sample = filled(200_000, (block) => new RandomStream("13", "normal").fillNormal(block));
  expect(kolmogorovSmirnov(sample, normalCdf)).toBeLessThan(1.95);
  const { mean, deviation } = moments(sample);
  expect(Math.abs(mean)).toBeLessThan(4 / Math.sqrt(sample.length));
  expect(Math.abs(deviation - 1)).toBeLessThan(4 / Math.sqrt(2 * sample.length));
  const skewness = sample.reduce((sum, x) => sum + x ** 3, 0) / sample.length;
  const kurtosis = sample.reduce((sum, x) => sum + x ** 4, 0) / sample.length;
  expect(Math.abs(skewness)).toBeLessThan(4 * Math.sqrt(15 / sample.length));
  expect(Math.abs(kurtosis - 3)).toBeLessThan(4 * Math.sqrt(96 / sample.length));
});

test("the normal and exponential tails are as heavy as they must be", () => {
  const n = 2_000_000;
  const beyond = (sample: Float64Array, edge: number): number =>
    sample.reduce((count, x) => count + (Math.abs(x) > edge ? 1 : 0), 0);
  const normal = filled(n, (block) => new RandomStream("17", "tail").fillNormal(block));
  const exponential = filled(n, (block) => new RandomStream("17", "tail").fillExponential(block));
  const expectCount = (count: number, probability: number): void => {
    expect(Math.abs(count - n * probability)).toBeLessThan(4 * Math.sqrt(n * probability));
  };
  // 3.7 and 7.8 lie just beyond the base layers, at 3.654 and 7.697.
  expectCount(beyond(normal, 3.7), 2.1562e-4);
  expectCount(beyond(exponential, 7.8), Math.exp(-7.8));
});

test("the normal tail falls off as it must beyond its start", () => {
  const stream = new RandomStream("19", "tail");
  const block = new Float64Array(500_000);
  let beyond = 0;
  for (let i = 0; i < 40; i++) {
    stream.fillNormal(block);
    for (const x of block) if (x > 4.3 || x < -4.3) beyond++;
  }
  const expected = 40 * block.length * 1.70797e-5;
  expect(Math.abs(beyond - expected)).toBeLessThan(4 * Math.sqrt(expected));
});
