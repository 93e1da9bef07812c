import { describe, expect, test } from "vitest";
import { RandomStream } from "../engine/random/stream.ts";
import { equivalence, pairsToSettle, relativeError, varianceRatio } from "./equivalence.ts";

type Pairs = readonly [predicted: readonly number[], measured: readonly number[]];

/** Three values of this mean whose 95% interval has this half width, in this order of deviations. */
function three(mean: number, halfWidth95: number, order: readonly number[]): number[] {
  const deviation = (halfWidth95 * Math.sqrt(3)) / 4.30265;
  return order.map((value) => mean + deviation * value);
}
const UP = [-1, 0, 1];
/** Not correlated with `UP`, and as widely spread. */
const BENT = [1, -2, 1].map((value) => value / Math.sqrt(3));

function judged([predicted, measured]: Pairs, tolerance: number) {
  const error = relativeError(predicted, measured);
  return error === null ? "cannot tell" : equivalence(error, tolerance);
}

describe("the error of pairs", () => {
  test("is that of the means, with Fieller's interval", () => {
    const error = relativeError([10, 12, 11, 15], [9, 12, 12, 12]);
    expect(error?.mean).toBeCloseTo(48 / 45 - 1, 12);
    // At both ends t of the differences p − ρ m is 2.3534, the 95% quantile of three degrees.
    for (const end of [error?.interval?.low, error?.interval?.high]) {
      const ratio = 1 + (end ?? Number.NaN);
      const differences = [10 - 9 * ratio, 12 - 12 * ratio, 11 - 12 * ratio, 15 - 12 * ratio];
      const mean = differences.reduce((sum, one) => sum + one, 0) / 4;
      const squares = differences.reduce((sum, one) => sum + (one - mean) ** 2, 0);
      expect(Math.abs(mean / Math.sqrt(squares / 3 / 4))).toBeCloseTo(2.35336, 4);
    }
  });

  test("has no interval of one pair, nor where the measured mean may be 0", () => {
    expect(relativeError([5], [4])).toEqual({
      mean: 0.25,
      interval: null,
      deviation: null,
      pairs: 1,
    });
    expect(relativeError([5, 5, 5], [0.1, 9, -8])?.interval).toBeNull();
    expect(judged([[5], [5]], 0.05)).toBe("cannot tell");
  });

  test("of nothing measured has a value only if nothing was predicted", () => {
    expect(relativeError([0, 0, 0], [0, 0, 0])?.interval).toEqual({ low: 0, high: 0 });
    expect(relativeError([1, 1, 1], [0, 0, 0])).toBeNull();
  });
});

describe("a verdict", () => {
  test.each([
    [247, 76, 213, 72],
    [270, 110, 270, 210],
  ])("of %d ± %d against %d ± %d, independent, cannot be told", (p, pHalf, m, mHalf) => {
    expect(judged([three(p, pHalf, UP), three(m, mHalf, BENT)], 0.05)).toBe("cannot tell");
  });

  test("can be told from the same figures if both sides rise and fall together", () => {
    expect(judged([three(247, 76, UP), three(213, 72, UP)], 0.05)).toBe("disagrees");
    expect(judged([three(215, 73, UP), three(213, 72, UP)], 0.05)).toBe("agrees");
  });

  test("needs the whole interval on one side of the tolerance's edge", () => {
    const at = (low: number, high: number) =>
      equivalence({ mean: 0, interval: { low, high }, deviation: 0, pairs: 3 }, 0.05);
    expect(at(-0.05, 0.05)).toBe("agrees");
    expect(at(-0.04, 0.051)).toBe("cannot tell");
    expect(at(-0.06, 0.06)).toBe("cannot tell");
    expect(at(0.051, 0.2)).toBe("disagrees");
    expect(at(-0.2, -0.051)).toBe("disagrees");
  });
});

/** Pairs whose true ratio is 1 + `error`: a common luck and one of each side, all multiplied. */
function* trials(error: number, pairs: number, count: number, own: number): Generator<Pairs> {
  const lucks = ["common", "predicted", "measured"].map((name) => {
    const block = new Float64Array(count * pairs);
    new RandomStream(`equivalence ${error} ${pairs}`, name).fillNormal(block);
    return block;
  });
  const lognormal = (sigma: number, normal: number) => Math.exp(sigma * normal - sigma ** 2 / 2);
  for (let trial = 0; trial < count; trial++) {
    const predicted: number[] = [];
    const measured: number[] = [];
    for (let i = trial * pairs; i < (trial + 1) * pairs; i++) {
      const common = 100 * lognormal(0.2, lucks[0][i]);
      predicted.push(common * (1 + error) * lognormal(own, lucks[1][i]));
      measured.push(common * lognormal(own, lucks[2][i]));
    }
    yield [predicted, measured];
  }
}

const TRIALS = 4000;
/** Three standard errors of a share of 5% above it. */
const MOST_WRONG = 0.05 + 3 * Math.sqrt((0.05 * 0.95) / TRIALS);

function shareOf(verdict: string, error: number, pairs: number, own: number): number {
  let found = 0;
  for (const pair of trials(error, pairs, TRIALS, own)) {
    if (judged(pair, 0.05) === verdict) found++;
  }
  return found / TRIALS;
}

describe("over 4000 trials with a known error", () => {
  test.each([3, 5, 10, 30])("%d pairs on the edge are wrong in at most one of twenty", (pairs) => {
    for (const own of [0.01, 0.03]) {
      for (const edge of [0.05, -0.05]) {
        expect(shareOf("agrees", edge, pairs, own)).toBeLessThan(MOST_WRONG);
        expect(shareOf("disagrees", edge, pairs, own)).toBeLessThan(MOST_WRONG);
      }
    }
  });

  test("an edge is not avoided either: wrong in about 5% each way, where noise is small", () => {
    expect(shareOf("agrees", 0.05, 10, 0.01)).toBeGreaterThan(0.035);
    expect(shareOf("disagrees", 0.05, 10, 0.01)).toBeGreaterThan(0.035);
  });

  test("no error agrees and a large one disagrees, once there are enough pairs", () => {
    expect(shareOf("agrees", 0, 10, 0.02)).toBeGreaterThan(0.99);
    expect(shareOf("disagrees", 0.2, 10, 0.02)).toBeGreaterThan(0.99);
    expect(shareOf("cannot tell", 0, 3, 0.1)).toBeGreaterThan(0.95);
  });

  test("as many pairs as are forecast settle it in nine of ten", () => {
    const spread = { mean: 0.02, interval: null, deviation: Math.SQRT2 * 0.03, pairs: 3 };
    const pairs = pairsToSettle(spread, 0.05, 100) ?? Number.NaN;
    expect(pairs).toBeGreaterThan(10);
    expect(shareOf("agrees", 0.02, pairs, 0.03)).toBeGreaterThan(0.87);
    expect(shareOf("agrees", 0.02, pairs - 6, 0.03)).toBeLessThan(0.87);
  });
});

test("an error on the tolerance's edge is settled by no number of pairs", () => {
  const edge = { mean: -0.05, interval: null, deviation: 0.01, pairs: 3 };
  expect(pairsToSettle(edge, 0.05, 1000)).toBeNull();
  expect(varianceRatio(edge, 0.05, 3)).toBe(Number.POSITIVE_INFINITY);
});
