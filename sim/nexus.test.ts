/** Nexus in virtual time: its worked example on two devices, plans from heard rates, and goodput. */
import { describe, expect, test } from "vitest";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { Profile } from "../scenario/schema/profile.ts";
import { runReplication } from "./replication.ts";
import { replicate, scenarioOf } from "./scenario.test-support.ts";

/** Batches of 4, 8 and 16 in ms. Source: Nexus, SOSP 2019, table 2. */
const TABLE = { A: [50, 75, 100], B: [50, 90, 125], C: [60, 95, 125] };

const profileOf = (timesMs: readonly number[]): Profile =>
  ({
    batches: timesMs.map((ms, i) => ({ batch: [4, 8, 16][i], quantilesUs: [ms * 1000] })),
  }) as unknown as Profile;

const INPUTS = {
  traces: {},
  profiles: Object.fromEntries(
    Object.entries(TABLE).map(([name, times]) => [name, profileOf(times)]),
  ),
};

function example(ratePerS: number, control: object) {
  const names = Object.keys(TABLE);
  return scenarioOf({
    models: Object.fromEntries(names.map((name) => [name, { profile: name }])),
    pipelines: Object.fromEntries(
      names.map((name, i) => [
        name,
        {
          share: i === 0 ? 2 : 1,
          slo: { latencyMs: i === 0 ? 200 : 250 },
          tasks: { [name]: { model: name } },
        },
      ]),
    ),
    cluster: {
      nodes: [{ name: "host", devices: { gpu: { slots: 2, shared: true } } }],
      replicas: { A: 2, B: 2, C: 2 },
    },
    workload: { arrivals: "deterministic", ratePerS, durationS: 30 },
    scheduler: { preset: "nexus", controller: { policy: "nexus", ...control } },
  });
}

/** Which tasks each device served in a span of time, with their largest batches. */
function served(document: ReturnType<typeof example>, fromS: number, toS: number) {
  const { gantt, summary } = runReplication(document, INPUTS, 0, { ganttBars: 100_000 });
  const { replicas } = compileSystem(document, INPUTS);
  const devices = [new Map<string, number>(), new Map<string, number>()];
  for (const { replica, requests, startMs } of gantt) {
    if (startMs < fromS * 1000 || startMs >= toS * 1000) continue;
    const { slot } = replicas.find(({ name }) => name === replica) as { slot: number };
    const [task] = replica.split("-");
    devices[slot].set(task, Math.max(devices[slot].get(task) ?? 0, requests.length));
  }
  return { summary, devices: devices.map((found) => Object.fromEntries([...found].sort())) };
}

describe("the paper's example", () => {
  test("with expected rates, A and B share a device in batches of 8 and 4, and C has the other", () => {
    const { devices, summary } = served(example(128, { ratePerS: 128 }), 0, 30);
    expect(devices[0]).toEqual({ A: 8, B: 4 });
    expect(Object.keys(devices[1])).toEqual(["C"]);
    expect(summary.metrics.sloAttainmentRatio).toBeGreaterThan(0.9);
  });

  test("without them, every device serves all until rates were heard for 10 s", () => {
    const document = example(116, {});
    expect(served(document, 0, 10).devices.map((tasks) => Object.keys(tasks))).toEqual([
      ["A", "B", "C"],
      ["A", "B", "C"],
    ]);
    expect(served(document, 11, 30).devices.map((tasks) => Object.keys(tasks))).toEqual([
      ["A", "B"],
      ["C"],
    ]);
  });
});

describe("goodput", () => {
  const names = ["a", "b", "c", "d"];
  const scenario = (scheduler: unknown, ratePerS: number) =>
    scenarioOf({
      models: Object.fromEntries(
        names.map((name, i) => [
          name,
          {
            service: {
              distribution: "deterministic",
              meanMs: 8 + 4 * i,
              batch: { marginal: 0.15, max: 64 },
            },
          },
        ]),
      ),
      pipelines: Object.fromEntries(
        names.map((name) => [
          name,
          {
            slo: { latencyMs: 300 },
            tasks: { [name]: { model: name }, last: { model: "a", after: [name] } },
          },
        ]),
      ),
      cluster: {
        nodes: [
          { name: "host", devices: { gpu: { slots: 3, sharing: { kind: "processor-sharing" } } } },
        ],
        replicas: { a: 3, b: 3, c: 3, d: 3, last: 3 },
      },
      workload: { arrivals: "poisson", ratePerS, durationS: 20 },
      scheduler,
    });
  const goodput = (scheduler: unknown, ratePerS: number): number =>
    replicate(scenario(scheduler, ratePerS), 1)[0].metrics.goodputPerS as number;

  test("of pipelines that share a task is above that of fifo, with and without batches", () => {
    const batches = { policy: "size-or-timeout", maxBatch: 64, waitMs: 0 };
    const ratePerS = 400;
    const told = goodput({ preset: "nexus", controller: { policy: "nexus", ratePerS } }, ratePerS);
    const heard = goodput("nexus", ratePerS);
    for (const other of ["fifo", { preset: "fifo", batching: batches }]) {
      expect(Math.min(told, heard)).toBeGreaterThan(2 * goodput(other, ratePerS));
    }
  });
});
