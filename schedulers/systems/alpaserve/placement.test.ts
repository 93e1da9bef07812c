/** Placement by simulation: the paper's example against theory, and searches against every placement. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { Sampler } from "../../../engine/random/sampler.ts";
import {
  beamPlacement,
  estimate,
  type Group,
  greedyPlacement,
  type Placement,
  type Sampled,
} from "./placement.ts";

/** Two models of 13.4 GB and 396 ms on two devices of 14 GB. Source: AlpaServe, OSDI 2023, section 3.1. */
const TIME_US = 396_000;
const MODELS = 2;

/** A group of so many devices, each a stage of both models; a stage costs `overhead` of the whole. */
const groupOf =
  (overhead: number) =>
  (size: number): Group => {
    const stageUs = size === 1 ? TIME_US : (TIME_US * (1 + overhead * size)) / size;
    return {
      roomMb: 14_000,
      memoryMb: Array(MODELS).fill(13_400 / size),
      stagesUs: Array(MODELS).fill(Array(size).fill(stageUs)),
    };
  };

/** Models on both devices apart and on their one group; the one that serves more, or sooner. */
function bestPartition(group: (size: number) => Group, sample: readonly Sampled[]) {
  const [apart, whole] = [1, 2].map((size) => {
    const groups = Array.from({ length: 2 / size }, () => group(size));
    return { size, ...estimate(groups, beamPlacement(groups, sample), sample) };
  });
  const isWorse = whole.served < apart.served || whole.meanUs >= apart.meanUs;
  const { size, placement } = isWorse ? apart : whole;
  return { size, placement };
}

/** Gamma arrivals of each model, 3 requests a second in all. */
function arrivals(ratio: readonly [number, number], cv: number, requests: number): Sampled[] {
  const rates = ratio.map((part) => (3 * part) / (ratio[0] + ratio[1]));
  return rates
    .flatMap((rate, model) => {
      const gaps = new Sampler({ kind: "gamma", cv }, "1", `model/${model}`);
      let atUs = 0;
      return Array.from({ length: Math.round((requests * rate) / 3) }, (): Sampled => {
        atUs += (gaps.next() / rate) * 1e6;
        return { atUs, model, goalUs: Number.POSITIVE_INFINITY };
      });
    })
    .sort((a, b) => a.atUs - b.atUs);
}

/** Mean latency of Poisson arrivals at a server of constant time: Pollaczek and Khinchine. */
function fixedTimeMs(ratePerS: number, serviceMs: number): number {
  const load = (ratePerS * serviceMs) / 1000;
  return serviceMs + (load * serviceMs) / (2 * (1 - load));
}

describe("the example of two models on two devices", () => {
  const REPLICATED: Placement = [[0], [1]];
  const meanMs = (size: number, placement: Placement, sample: readonly Sampled[]): number => {
    const groups = Array.from({ length: 2 / size }, () => groupOf(0)(size));
    return estimate(groups, placement, sample).meanUs / 1000;
  };

  test("is estimated as theory says for Poisson arrivals, on either placement", () => {
    for (const [ratio, simpleMs] of [
      [[1, 1], fixedTimeMs(1.5, 396)],
      [[2, 8], 0.2 * fixedTimeMs(0.6, 396) + 0.8 * fixedTimeMs(2.4, 396)],
    ] as const) {
      const sample = arrivals(ratio, 1, 400_000);
      expect(Math.abs(meanMs(1, REPLICATED, sample) / simpleMs - 1)).toBeLessThan(0.05);
      // Two stages of 198 ms: a request waits at the first only.
      const splitMs = 198 + fixedTimeMs(3, 198);
      expect(Math.abs(meanMs(2, [[0, 1]], sample) / splitMs - 1)).toBeLessThan(0.02);
    }
  });

  test.each([
    [[1, 1], 1, 1.15, 1.45],
    [[2, 8], 1, 4, 8],
    [[1, 1], 3, 1.6, 2.5],
    [[2, 8], 3, 2, 20],
  ] as const)(
    "rates %j, cv %d: models split over both devices win, by %d to %d",
    (ratio, cv, low, high) => {
      const sample = arrivals(ratio, cv, 60_000);
      expect(bestPartition(groupOf(0.009), sample)).toEqual({ size: 2, placement: [[0, 1]] });
      const gain = meanMs(1, REPLICATED, sample) / meanMs(2, [[0, 1]], sample);
      expect(gain).toBeGreaterThan(low);
      expect(gain).toBeLessThan(high);
    },
  );

  test("stages that cost much, and calm equal rates, let whole models win", () => {
    const steady = Array.from({ length: 2000 }, (_, i): Sampled => {
      return { atUs: i * 250_000, model: i % 2, goalUs: Number.POSITIVE_INFINITY };
    });
    expect(bestPartition(groupOf(0.1), steady)).toEqual({ size: 1, placement: REPLICATED });
  });
});

/** All placements of models on groups, those without room left out. */
function* allPlacements(groups: readonly Group[], group = 0): Generator<Placement> {
  if (group === groups.length) {
    yield [];
    return;
  }
  const { roomMb, memoryMb, stagesUs } = groups[group];
  const models = [...memoryMb.keys()];
  for (let mask = 0; mask < 2 ** models.length; mask++) {
    const own = models.filter((model) => (mask >> model) & 1);
    if (own.some((model) => stagesUs[model] === null)) continue;
    if (own.reduce((sum, model) => sum + memoryMb[model], 0) > roomMb) continue;
    for (const rest of allPlacements(groups, group + 1)) yield [own, ...rest];
  }
}

describe("against every placement", () => {
  const problems = fc
    .record({
      timesMs: fc.array(fc.integer({ min: 5, max: 60 }), { minLength: 3, maxLength: 3 }),
      sizes: fc.array(fc.integer({ min: 1, max: 3 }), { minLength: 3, maxLength: 3 }),
      rooms: fc.array(fc.integer({ min: 2, max: 5 }), { minLength: 2, maxLength: 2 }),
      gaps: fc.array(fc.tuple(fc.nat(30), fc.nat(2)), { minLength: 40, maxLength: 80 }),
    })
    .map(({ timesMs, sizes, rooms, gaps }) => {
      const groups = rooms.map(
        (roomMb): Group => ({ roomMb, memoryMb: sizes, stagesUs: timesMs.map((ms) => [ms * 1e3]) }),
      );
      let atUs = 0;
      const sample = gaps.map(([gapMs, model]): Sampled => {
        atUs += gapMs * 1000;
        return { atUs, model, goalUs: 100_000 };
      });
      return { groups, sample };
    });
  const mostOf = (groups: readonly Group[], sample: readonly Sampled[]): number =>
    Math.max(...[...allPlacements(groups)].map((one) => estimate(groups, one, sample).served));

  test("the searches keep within memory and never claim more than the best; beam has it nearly always", () => {
    let best = 0;
    let near = 0;
    let count = 0;
    fc.assert(
      fc.property(problems, ({ groups, sample }) => {
        const most = mostOf(groups, sample);
        const all = new Set([...allPlacements(groups)].map((one) => one.join(";")));
        for (const search of [greedyPlacement, beamPlacement]) {
          const found = search(groups, sample);
          expect(all.has(found.join(";"))).toBe(true);
          expect(estimate(groups, found, sample).served).toBeLessThanOrEqual(most);
        }
        count++;
        if (estimate(groups, beamPlacement(groups, sample), sample).served === most) best++;
        if (estimate(groups, greedyPlacement(groups, sample), sample).served >= 0.8 * most) near++;
      }),
      { numRuns: 60 },
    );
    expect(best / count).toBeGreaterThan(0.9);
    expect(near / count).toBeGreaterThan(0.9);
  });
});

test("a group that cannot host a model, or has no room for it, is never given it", () => {
  const groups: Group[] = [
    { roomMb: 10, memoryMb: [10, 4], stagesUs: [[1000], null] },
    { roomMb: 4, memoryMb: [10, 4], stagesUs: [[1000], [1000]] },
  ];
  const sample = [0, 1, 0, 1].map((model, i) => ({ atUs: i * 100, model, goalUs: 1e6 }));
  for (const search of [greedyPlacement, beamPlacement]) {
    expect(search(groups, sample)).toEqual([[0], [1]]);
  }
  expect(greedyPlacement(groups, [])).toEqual([[0], [1]]);
});
