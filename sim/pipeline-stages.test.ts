/** Pipelines over several devices in virtual time, against schedules by hand and queueing theory. */
import { describe, expect, test } from "vitest";
import { runReplication } from "./replication.ts";
import { NO_INPUTS, runAt, scenarioOf } from "./scenario.test-support.ts";

type Sections = Readonly<Record<string, unknown>>;

/** Models of 90 ms on one machine of so many devices, all of them one group unless `slots` says otherwise. */
function grouped(
  models: readonly string[],
  slots: readonly number[],
  lanes: number,
  more: Sections = {},
): Sections {
  return {
    pipelines: Object.fromEntries(
      models.map((name) => [name, { tasks: { [name]: { model: "m" } } }]),
    ),
    models: {
      m: {
        service: { distribution: "deterministic", meanMs: 90, batch: { max: 1 } },
        residency: "always",
        stageOverhead: 0,
      },
    },
    cluster: {
      nodes: [{ name: "host", devices: { gpu: { slots: Math.max(...slots), shared: true } } }],
      replicas: Object.fromEntries(models.map((name) => [name, lanes])),
      placement: models.map((task) => ({
        task,
        node: "host",
        device: "gpu",
        replicas: lanes,
        slots,
      })),
    },
    ...more,
  };
}

const spans = (arrivalsMs: readonly number[], sections: Sections): (readonly number[])[] =>
  runAt(arrivalsMs, sections).bars.map(({ start, end }) => [start, end]);

describe("a batch passes its group's devices in order", () => {
  test("alone it takes as long as on one device, and three are under way at once", () => {
    // Stages of 30 ms: one ends every 30 ms.
    expect(spans([0, 0, 0, 10], grouped(["a"], [1, 2, 3], 3))).toEqual([
      [0, 90],
      [30, 120],
      [60, 150],
      [90, 180],
    ]);
  });

  test("one at a time where only one may be under way", () => {
    expect(spans([0, 0], grouped(["a"], [1, 2, 3], 1))).toEqual([
      [0, 90],
      [90, 180],
    ]);
  });

  test("each stage adds its overhead", () => {
    const sections = grouped(["a"], [1, 2, 3], 3);
    const { m } = sections.models as Record<string, Sections>;
    // 90 ms × 1.3, and × 1.027 without one of its own.
    const models = { m: { ...m, stageOverhead: 0.1 } };
    expect(spans([0, 0], { ...sections, models })).toEqual([
      [0, 117],
      [39, 156],
    ]);
    const usual = { m: { ...m, stageOverhead: undefined } };
    expect(spans([0], { ...sections, models: usual })).toEqual([[0, 92.43]]);
    expect(spans([0], { ...grouped(["a"], [2], 1), models: usual })).toEqual([[0, 90]]);
  });

  test("a batch that is lost frees its stage, and those behind it go on", () => {
    const faults = {
      scheduled: [{ kind: "crash", replica: "a-1", atS: 0.04, forS: 100 }],
      detection: { intervalMs: 0, timeoutMs: 0, failures: 1 },
    };
    // The first is in its second stage at 40 ms and begins anew in the third lane, behind the second.
    expect(spans([0, 0], grouped(["a"], [1, 2, 3], 3, { faults })).sort()).toEqual([
      [30, 120],
      [60, 150],
    ]);
  });
});

/** Mean latency of Poisson arrivals at a server of constant time: Pollaczek and Khinchine. */
const fixedTimeMs = (ratePerS: number, serviceMs: number): number =>
  serviceMs +
  (((ratePerS * serviceMs) / 1000) * serviceMs) / (2 * (1 - (ratePerS * serviceMs) / 1000));

test("two models on one pipeline of two devices wait as an M/D/1 queue of one stage", () => {
  // Stages of equal times wait at the first alone: W of M/D/1 with 45 ms, then 45 ms more.
  const workload = { arrivals: "poisson", ratePerS: 16, requests: 40_000 };
  const lanes = 400;
  const document = scenarioOf(grouped(["a", "b"], [1, 2], lanes, { workload }));
  const { metrics } = runReplication(document, NO_INPUTS, 0).summary;
  const expected = fixedTimeMs(16, 45) + 45;
  expect(Math.abs((metrics.latencyMeanMs ?? 0) / expected - 1)).toBeLessThan(0.03);
});
