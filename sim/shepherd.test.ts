/** SHEPHERD's Flex in virtual time: its lower bound for others, and goodput over its model table. */
import { describe, expect, test } from "vitest";
import { replicate, runAt, scenarioOf } from "./scenario.test-support.ts";

const batched = (preset: string) =>
  preset === "shepherd"
    ? preset
    : { preset, batching: { policy: "size-or-timeout", maxBatch: 128, waitMs: 0 } };

test("a pre-empted job waits anew from then on: its service in vain is no wait", () => {
  const { summary } = runAt([0, 1, 1, 1, 1, 4], {
    pipelines: { p: { slo: { latencyMs: 30 }, tasks: { serve: { model: "server" } } } },
    models: {
      server: {
        stoppable: true,
        service: { distribution: "deterministic", meanMs: 10, batch: { marginal: 0, max: 256 } },
      },
    },
    scheduler: "shepherd",
  });
  // The first is pre-empted at 1 ms and starts again at once, with four others; the last waits until 11 ms.
  expect(summary.tasks.serve).toMatchObject({ jobs: 7, queueWaitMeanMs: 7 / 7 });
  expect(summary.metrics.queueWaitMeanMs).toBeCloseTo(7 / 6, 12);
});

describe("theorem 5.1: without pre-emption one early request costs any number of later ones", () => {
  const goodOf = (preset: string, later: number): number => {
    const { summary } = runAt([0, ...Array.from({ length: later }, () => 1)], {
      pipelines: { p: { slo: { latencyMs: 15 }, tasks: { serve: { model: "server" } } } },
      models: {
        server: {
          stoppable: true,
          service: { distribution: "deterministic", meanMs: 10, batch: { marginal: 0, max: 256 } },
        },
      },
      scheduler: batched(preset),
    });
    return (summary.metrics.sloAttainmentRatio as number) * (later + 1);
  };

  test.each([4, 16, 100])(
    "%i later requests: fifo and edf serve one in time, shepherd all",
    (later) => {
      expect(goodOf("fifo", later)).toBeCloseTo(1, 9);
      expect(goodOf("edf", later)).toBeCloseTo(1, 9);
      expect(goodOf("shepherd", later)).toBeCloseTo(later + 1, 9);
    },
  );
});

/** α and β in ms, a batch of b takes α b + β. Source: SHEPHERD, NSDI 2023, table 4, without BERT. */
const TABLE = {
  RN18: [0.22, 3.74],
  RN34: [0.38, 5.78],
  RN50: [0.75, 7.96],
  RN101: [1.25, 13.57],
  RN152: [1.77, 18.98],
  RS50: [1.18, 15.39],
  RS101: [1.91, 29.21],
  RS200: [3.35, 45.43],
  RS269: [4.37, 74.2],
  DN121: [0.69, 19.96],
  DN161: [1.74, 23.1],
  DN169: [0.83, 27.47],
  DN201: [1.12, 32.33],
  GN: [0.25, 8.41],
  I3: [0.96, 11.77],
  RCNN: [2.59, 14.9],
};

/** Models that share two devices, each with a goal of 250 ms. */
function tableScenario(scheduler: unknown, workload: unknown) {
  const models = Object.entries(TABLE).map(([name, [slopeMs, fixedMs]]) => {
    const meanMs = slopeMs + fixedMs;
    const batch = { marginal: slopeMs / meanMs, max: 128 };
    return [
      name,
      {
        residency: "always",
        stoppable: true,
        service: { distribution: "deterministic", meanMs, batch },
      },
    ];
  });
  return scenarioOf({
    models: Object.fromEntries(models),
    pipelines: Object.fromEntries(
      Object.keys(TABLE).map((name) => [
        name,
        { slo: { latencyMs: 250 }, tasks: { [name]: { model: name } } },
      ]),
    ),
    cluster: {
      nodes: [
        { name: "host", devices: { gpu: { slots: 2, sharing: { kind: "processor-sharing" } } } },
      ],
      replicas: Object.fromEntries(Object.keys(TABLE).map((name) => [name, 2])),
    },
    workload,
    scheduler,
  });
}

/** Requests in time per second. */
function goodput(scheduler: unknown, workload: unknown): number {
  const [{ metrics }] = replicate(tableScenario(scheduler, workload), 1);
  return metrics.goodputPerS as number;
}

test("goodput over the paper's models under bursts is above that of fifo, edf and clockwork", () => {
  const workload = {
    arrivals: "mmpp",
    states: [
      { ratePerS: 100, meanS: 1 },
      { ratePerS: 1500, meanS: 0.4 },
    ],
    durationS: 15,
  };
  const ours = goodput("shepherd", workload);
  const dropping = { ...(batched("edf") as object), shedding: "expected-late" };
  for (const other of [batched("fifo"), batched("edf"), dropping, "clockwork"]) {
    expect(ours, JSON.stringify(other)).toBeGreaterThan(1.5 * goodput(other, workload));
  }
});
