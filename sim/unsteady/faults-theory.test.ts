/** Random faults against closed forms, over twenty replications. */
import { describe, expect, test } from "vitest";
import { availabilityControls } from "../replication.ts";
import {
  fixedService,
  NO_INPUTS,
  replicate,
  scenarioOf,
  zScore,
} from "../scenario.test-support.ts";

const REPLICATIONS = 20;
const PROMPT = { intervalMs: 0, timeoutMs: 0, failures: 1 };

function expectMean(sample: readonly number[], theory: number): void {
  const z = zScore(sample, theory);
  expect(Math.abs(z), `${sample} against ${theory}, z = ${z}`).toBeLessThan(3);
  const mean = sample.reduce((sum, value) => sum + value, 0) / sample.length;
  expect(Math.abs(mean / theory - 1), `${mean} for ${theory}`).toBeLessThan(0.02);
}

describe("availability is mtbf / (mtbf + mttr), whatever the distributions", () => {
  test.each([
    ["exponential", { distribution: "exponential" }, { distribution: "exponential" }],
    [
      "lognormal and deterministic",
      { distribution: "lognormal", cv: 1.5 },
      { distribution: "deterministic" },
    ],
    [
      "deterministic and gamma",
      { distribution: "deterministic" },
      { distribution: "gamma", cv: 0.5 },
    ],
  ])("%s", (_, uptime, repair) => {
    const document = scenarioOf({
      cluster: { replicas: { serve: 3 } },
      workload: { arrivals: "deterministic", ratePerS: 0.02, durationS: 30_000, warmupS: 300 },
      faults: {
        detection: PROMPT,
        random: [{ kind: "crash", task: "serve", mtbfS: 20, mttrS: 5, uptime, repair }],
      },
    });
    const runs = replicate(document, REPLICATIONS);
    const availability = runs.map((run) => run.tasks.serve.availabilityRatio);
    expectMean(availability, 20 / 25);
    expect(runs.map((run) => run.metrics.availabilityRatio)).toEqual(availability);
  });

  test("and a node's machines fail each on its own, with all that is on them", () => {
    const document = scenarioOf({
      cluster: { nodes: [{ name: "n", count: 2, devices: { slot: 2 } }], replicas: { serve: 4 } },
      workload: { arrivals: "deterministic", ratePerS: 0.05, durationS: 30_000 },
      faults: { random: [{ kind: "partition", node: "n", mtbfS: 30, mttrS: 10 }] },
    });
    const runs = replicate(document, REPLICATIONS);
    expectMean(
      runs.map((run) => run.tasks.serve.availabilityRatio),
      0.75,
    );
  });
});

test("of a span after a whole start is more, as the chain of two states has it", () => {
  const base = {
    cluster: { nodes: [{ name: "n", count: 2, devices: { slot: 1 } }], replicas: { serve: 2 } },
    workload: { arrivals: "deterministic", ratePerS: 1, durationS: 12, warmupS: 2 },
  };
  const broken = { kind: "crash", node: "n", mtbfS: 20, mttrS: 10 };
  const document = scenarioOf({ ...base, faults: { detection: PROMPT, random: [broken] } });
  const runs = replicate(document, 100 * REPLICATIONS);
  const controls = runs.map((run) => availabilityControls(document, NO_INPUTS, run));
  expect(controls[0]).toHaveLength(1);
  const z = zScore(
    controls.map(([one]) => one),
    0,
  );
  expect(Math.abs(z), `z = ${z}`).toBeLessThan(3);
  // In the long run two thirds are up, in this span more than three quarters.
  const expected = runs[0].tasks.serve.availabilityRatio - controls[0][0];
  expect(expected).toBeCloseTo(
    2 / 3 + (1 / 3) * (20 / 3 / 10) * (Math.exp(-0.3) - Math.exp(-1.8)),
    9,
  );

  const others = [
    [{ ...broken, repair: { distribution: "deterministic" } }],
    [broken, { ...broken, kind: "partition" }],
  ];
  for (const random of others) {
    const unknown = scenarioOf({ ...base, faults: { detection: PROMPT, random } });
    expect(availabilityControls(unknown, NO_INPUTS, runs[0])).toEqual([]);
  }
  const slow = scenarioOf({
    ...base,
    faults: { random: [{ ...broken, kind: "slow", factor: 2 }] },
  });
  expect(availabilityControls(slow, NO_INPUTS, runs[0])).toEqual([]);
});

/**
 * One client whose requests take S, without pause, on one replica that breaks at rate x. An
 * attempt ends after (1 − p)/x on average with p = e^(−xS); a failed one costs a repair of mean D.
 * Unlimited repeats take (1/x + D)(e^(xS) − 1): Gaver, JRSS B 24(1), 1962, "preemptive repeat
 * identical". Here a job is tried three times, so there are at most 1 + q + q² attempts, q = 1 − p.
 */
describe("a job that starts again from scratch", () => {
  const [meanMs, mtbfS, mttrS] = [500, 2, 0.8];
  const document = scenarioOf({
    models: { server: fixedService(meanMs) },
    workload: { arrivals: "closed", clients: 1, durationS: 4000, warmupS: 20 },
    faults: {
      detection: PROMPT,
      random: [{ kind: "crash", replica: "serve-1", mtbfS, mttrS }],
    },
  });
  const runs = replicate(document, REPLICATIONS);
  const q = 1 - Math.exp(-meanMs / 1000 / mtbfS);
  const cycleS = q * (mtbfS + mttrS) * (1 + q + q * q);

  test("takes its client as long as the formula says", () => {
    const ended = runs.map(({ metrics: { throughputPerS = 0, dropRatio = 0 } }) => {
      return throughputPerS / (1 - dropRatio);
    });
    expectMean(ended, 1 / cycleS);
  });

  test("fails with the probability of three losses in a row", () => {
    const z = zScore(
      runs.map((run) => run.metrics.dropRatio ?? 0),
      q ** 3,
    );
    expect(Math.abs(z)).toBeLessThan(3);
  });

  test("keeps its replica busy as long as it is up", () => {
    for (const { metrics } of runs) {
      expect(metrics.utilizationRatio).toBeCloseTo(metrics.availabilityRatio as number, 3);
    }
  });
});
