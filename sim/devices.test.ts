/** Replicas share a device's time, memory and power. Each case by hand. */
import { describe, expect, test } from "vitest";
import { runReplication } from "./replication.ts";
import { fixedService, NO_INPUTS, runAt, scenarioOf } from "./scenario.test-support.ts";

/** Two or more replicas of one task on one device slot. */
const onOneSlot = (device: Record<string, unknown>, replicas = 2) => ({
  models: { server: fixedService(10) },
  cluster: {
    replicas: { serve: replicas },
    nodes: [{ name: "host", devices: { gpu: { slots: 1, ...device } } }],
  },
});

const spans = (bars: ReturnType<typeof runAt>["bars"]) =>
  bars.map(({ start, end }) => [start, end]);

describe("replicas that share a device by time slices", () => {
  const slices = (quantumMs: number, switchUs: number) => ({
    sharing: { kind: "time-slice", quantumMs, switchUs },
  });

  test("take turns of a quantum, and each change of turns costs the switch", () => {
    // A 0-4, B 5-9, A 10-14, B 15-19, A 20-22 is through; B 23-25.
    const { bars } = runAt([0, 0], onOneSlot(slices(4, 1000)));
    expect(bars.map(({ end }) => end)).toEqual([22, 25]);
  });

  test("let the one that runs alone go on until a multiple of its quantum", () => {
    // A alone 0-5; B comes, so A's turn ends at 8 with 2 left. B 9-13, A 14-16, B 17-23.
    const { bars } = runAt([0, 5], onOneSlot(slices(4, 1000)));
    expect(spans(bars)).toEqual([
      [0, 16],
      [5, 23],
    ]);
  });

  test("pay no switch where the same replica runs again, even after a pause", () => {
    expect(spans(runAt([0, 0, 30], onOneSlot(slices(4, 1000), 1)).bars)).toEqual([
      [0, 10],
      [10, 20],
      [30, 40],
    ]);
    expect(spans(runAt([0, 30], onOneSlot(slices(4, 1000), 2)).bars)).toEqual([
      [0, 10],
      [30, 41],
    ]);
  });

  test("take turns in the order of coming", () => {
    // A 0-4, B 4-8, C (came at 1) 8-12, A 12-16, B 16-20, C 20-24, A 24-26, B 26-28, C 28-30.
    const { bars } = runAt([0, 0.5, 1], onOneSlot(slices(4, 0), 3));
    expect(bars.map(({ end }) => end)).toEqual([26, 28, 30]);
  });

  test("run slower, not in longer turns, when the node is slowed down", () => {
    // One core beside the card: while it is busy (until 30) both run at half speed.
    const sections = {
      pipelines: { p: { tasks: { serve: { model: "server" }, other: { model: "other" } } } },
      models: { server: fixedService(10), other: fixedService(15) },
      cluster: {
        replicas: { serve: 1, other: 1 },
        nodes: [
          {
            name: "host",
            contention: [1, 2],
            devices: { gpu: { slots: 1, ...slices(4, 0) }, cpu: 1 },
          },
        ],
      },
    };
    // serve does 10 in 20; then other has 15 - 10 = 5 left, alone.
    expect(runAt([0], sections).bars.map(({ end }) => end)).toEqual([20, 25]);
  });

  test("come as near to processor sharing as the quantum is short", () => {
    const run = (sharing: unknown) => {
      const document = scenarioOf({
        ...onOneSlot({ sharing }, 12),
        models: { server: { service: { distribution: "gamma", meanMs: 10, cv: 1.2 } } },
        workload: { arrivals: "poisson", ratePerS: 60, requests: 400 },
      });
      const { gantt } = runReplication(document, NO_INPUTS, 0, { ganttBars: 500 });
      return new Map(gantt.map(({ requests, endMs }) => [requests[0], endMs]));
    };
    const shared = run({ kind: "processor-sharing" });
    const sliced = run({ kind: "time-slice", quantumMs: 0.01 });
    const furthest = Math.max(...[...shared].map(([n, end]) => Math.abs(end - sliced.get(n)!)));
    expect(shared.size).toBe(400);
    expect(furthest).toBeLessThan(12 * 0.01 * 2);
    expect(run({ kind: "time-slice", quantumMs: 1000 })).not.toEqual(shared);
  });
});

describe("replicas that share a device's speed", () => {
  test("get equal parts of it: two run at half speed", () => {
    // A alone 0-4, then both at half until A's 6 left are done at 16; B has 4 left, alone.
    const { bars } = runAt([0, 4], onOneSlot({ sharing: { kind: "processor-sharing" } }));
    expect(spans(bars)).toEqual([
      [0, 16],
      [4, 20],
    ]);
  });

  test("slow down by a measured curve where there is one, and beyond its end in proportion", () => {
    const sharing = { kind: "processor-sharing", slowdown: [1, 1.5] };
    expect(spans(runAt([0, 4], onOneSlot({ sharing })).bars)).toEqual([
      [0, 13],
      [4, 17],
    ]);
    const three = runAt([0, 0, 0], onOneSlot({ sharing }, 3));
    expect(three.bars.map(({ end }) => end)).toEqual([22.5, 22.5, 22.5]);
  });

  test("do not slow down those of another slot", () => {
    const device = { slots: 2, sharing: { kind: "processor-sharing" } };
    const { bars } = runAt([0, 0, 0], onOneSlot(device, 4));
    // Replicas 1 and 3 are on the first slot, 2 on the second.
    expect(bars.map(({ end }) => end).sort()).toEqual([10, 20, 20]);
  });

  test("feel the node's contention besides", () => {
    const sections = onOneSlot({ sharing: { kind: "processor-sharing" } });
    const [node] = sections.cluster.nodes;
    const nodes = [{ ...node, contention: [1, 1.5] }];
    const { bars } = runAt([0, 0], { ...sections, cluster: { ...sections.cluster, nodes } });
    expect(bars.map(({ end }) => end)).toEqual([30, 30]);
  });

  test("do it without end: the mean depends on the mean service time alone (M/G/1-PS)", () => {
    const meanMs = (service: unknown) => {
      const document = scenarioOf({
        ...onOneSlot({ sharing: { kind: "processor-sharing" } }, 100),
        models: { server: { service } },
        workload: { arrivals: "poisson", ratePerS: 60, requests: 60_000, warmupS: 20 },
      });
      return runReplication(document, NO_INPUTS, 0).summary.metrics.latencyMeanMs ?? 0;
    };
    for (const service of [
      { distribution: "deterministic", meanMs: 10 },
      { distribution: "gamma", meanMs: 10, cv: 1.5 },
    ]) {
      expect(Math.abs(meanMs(service) / (10 / (1 - 0.6)) - 1)).toBeLessThan(0.05);
    }
  });
});

describe("models in a device's memory", () => {
  const model = (meanMs: number, memoryMb: number, loadMs: number, residency?: string) => ({
    ...(fixedService(meanMs) as object),
    memoryMb,
    loadMs,
    ...(residency === undefined ? {} : { residency }),
  });
  const host = (memoryMb: number, replicas: Record<string, number>) => ({
    replicas,
    nodes: [{ name: "host", devices: { gpu: { slots: 1, shared: true, memoryMb } } }],
  });
  const chain = (...models: string[]) => ({
    p: {
      tasks: Object.fromEntries(
        models.map((name, i) => [`t${i}`, { model: name, after: i === 0 ? [] : [`t${i - 1}`] }]),
      ),
    },
  });
  const coldStarts = ({ summary }: ReturnType<typeof runAt>) =>
    Object.values(summary.tasks).map((task) => task.coldStarts);

  test("are loaded by their first batch, before its service", () => {
    const run = runAt([0, 100], {
      models: { server: model(10, 1, 50) },
      cluster: { replicas: { serve: 1 } },
    });
    expect(spans(run.bars)).toEqual([
      [50, 60],
      [100, 110],
    ]);
    expect(run.summary.tasks.serve).toMatchObject({ coldStarts: 1, loadMeanMs: 50 });
    expect(run.summary.tasks.serve.serviceMeanMs).toBe(10);
  });

  test("cost nothing when they are always there", () => {
    const run = runAt([0], {
      models: { server: model(10, 1, 50, "always") },
      cluster: { replicas: { serve: 1 } },
    });
    expect(run.summary.metrics.latencyMeanMs).toBe(10);
  });

  test("are loaded for every batch when residency is per call", () => {
    const run = runAt([0, 100, 100], {
      models: { server: model(10, 1, 50, "per-call") },
      cluster: { replicas: { serve: 1 } },
    });
    expect(spans(run.bars)).toEqual([
      [50, 60],
      [150, 160],
      [210, 220],
    ]);
    expect(run.summary.tasks.serve.coldStarts).toBe(3);
  });

  test("evict each other where they do not both fit, and stay where they do", () => {
    const sections = (memoryMb: number) => ({
      pipelines: chain("a", "b"),
      models: { a: model(10, 60, 30), b: model(5, 60, 20) },
      cluster: host(memoryMb, { t0: 1, t1: 1 }),
    });
    const tight = runAt([0, 1000], sections(100));
    expect(coldStarts(tight)).toEqual([2, 2]);
    expect(tight.summary.metrics.latencyMaxMs).toBe(30 + 10 + 20 + 5);
    expect(tight.summary.metrics.latencyMeanMs).toBe(65);
    const wide = runAt([0, 1000], sections(120));
    expect(coldStarts(wide)).toEqual([1, 1]);
    expect(wide.summary.metrics.latencyMeanMs).toBe((65 + 15) / 2);
  });

  test("are evicted in the order in which they were last used", () => {
    // Room for two. First a, b, a again, then c in b's place; then a is there, b takes c's place.
    const run = runAt([0, 1000], {
      pipelines: chain("a", "b", "a", "c"),
      models: { a: model(10, 50, 30), b: model(10, 50, 30), c: model(10, 50, 30) },
      cluster: host(100, { t0: 1, t1: 1, t2: 1, t3: 1 }),
    });
    expect(coldStarts(run)).toEqual([1, 2, 0, 2]);
  });

  test("are shared by the replicas of a slot: the second waits for the load of the first", () => {
    const run = runAt([0, 20], {
      models: { server: model(10, 50, 30) },
      cluster: host(60, { serve: 2 }),
    });
    expect(spans(run.bars)).toEqual([
      [30, 40],
      [30, 40],
    ]);
    expect(run.summary.tasks.serve).toMatchObject({ coldStarts: 2, loadMeanMs: (30 + 10) / 2 });
  });

  /** Both are asked for at once, b first. */
  const parallel = (memoryMb: number) => ({
    pipelines: { p: { tasks: { a: { model: "a" }, b: { model: "b" } } } },
    models: { a: model(10, 60, 30), b: model(5, 60, 20) },
    cluster: host(memoryMb, { a: 1, b: 1 }),
  });

  test("are loaded one after the other, while what is loaded runs", () => {
    expect(spans(runAt([0], parallel(200)).bars)).toEqual([
      [20, 25],
      [50, 60],
    ]);
  });

  test("wait for room until a batch that runs has left", () => {
    expect(spans(runAt([0], parallel(100)).bars)).toEqual([
      [20, 25],
      [55, 65],
    ]);
  });

  test("leave its place to one that always stays", () => {
    const run = runAt([0, 1000], {
      pipelines: chain("a", "b", "c"),
      models: { a: model(10, 60, 30, "always"), b: model(5, 60, 20), c: model(5, 60, 20) },
      cluster: host(130, { t0: 1, t1: 1, t2: 1 }),
    });
    expect(coldStarts(run)).toEqual([0, 2, 2]);
    expect(spans(run.bars)[0]).toEqual([0, 10]);
  });

  test("do not starve: a load that waits for room holds back those that would take it", () => {
    const document = scenarioOf({
      pipelines: {
        often: { share: 0.98, tasks: { a: { model: "a" } } },
        seldom: { share: 0.02, tasks: { b: { model: "b" } } },
      },
      // Exponential, so that hardly ever all four of a's replicas end at once.
      models: {
        a: { ...model(10, 60, 30), service: { distribution: "exponential", meanMs: 10 } },
        b: model(5, 60, 20),
      },
      cluster: host(100, { a: 4, b: 1 }),
      workload: { arrivals: "closed", clients: 6, thinkMs: 0, durationS: 60 },
    });
    const { metrics, tasks } = runReplication(document, NO_INPUTS, 0).summary;
    expect(tasks.b.jobs).toBeGreaterThan(100);
    expect(metrics.latencyMaxMs).toBeLessThan(400);
  });
});

describe("energy", () => {
  const burst = (requests: number, node: Record<string, unknown>, replicas: number) => {
    const document = scenarioOf({
      models: { server: fixedService(10) },
      cluster: { replicas: { serve: replicas }, nodes: [{ name: "host", ...node }] },
      workload: { arrivals: "burst", requests },
    });
    return runReplication(document, NO_INPUTS, 0).summary.metrics;
  };
  const power = { idleWatts: 100, busyWatts: 300 };

  test("of a device is its idle watts always and its busy watts while a batch runs", () => {
    const gpu = { slots: 1, power };
    expect(burst(4, { devices: { gpu } }, 1).energyJoulesPerRequest).toBeCloseTo(300 * 0.01, 12);
    // A second slot without a replica only idles.
    const two = burst(4, { devices: { gpu: { slots: 2, power } } }, 1);
    expect(two.energyJoulesPerRequest).toBeCloseTo((300 + 100) * 0.01, 12);
  });

  test("of a node lies between its watts by the share of its slots that are busy", () => {
    // 20 ms: the first slot busy all along, the second half of the time.
    const { energyJoulesPerRequest } = burst(3, { power, devices: { cpu: 2 } }, 2);
    expect(energyJoulesPerRequest).toBeCloseTo((100 * 0.02 + 100 * (0.02 + 0.01)) / 3, 12);
  });

  test("counts a slot that several replicas share once", () => {
    const gpu = { slots: 1, power, sharing: { kind: "processor-sharing" } };
    const { energyJoulesPerRequest } = burst(2, { devices: { gpu } }, 2);
    expect(energyJoulesPerRequest).toBeCloseTo((300 * 0.02) / 2, 12);
  });

  test("counts the time that a slot is busy from its first batch to its last", () => {
    // a 0-20 beside c 0-5 and d 5-25.
    const document = scenarioOf({
      pipelines: {
        p: {
          tasks: { a: { model: "m" }, c: { model: "quick" }, d: { model: "m", after: ["c"] } },
        },
      },
      models: { m: fixedService(20), quick: fixedService(5) },
      cluster: {
        replicas: { a: 1, c: 1, d: 1 },
        nodes: [{ name: "host", devices: { gpu: { slots: 1, shared: true, power } } }],
      },
      workload: { arrivals: "burst", requests: 1 },
    });
    const { metrics } = runReplication(document, NO_INPUTS, 0).summary;
    expect(metrics.energyJoulesPerRequest).toBeCloseTo(300 * 0.025, 12);
  });

  test("is of the measured window alone", () => {
    const document = scenarioOf({
      models: { server: fixedService(10) },
      cluster: {
        replicas: { serve: 1 },
        nodes: [{ name: "host", devices: { gpu: { slots: 1, power } } }],
      },
      workload: { arrivals: "deterministic", ratePerS: 50, durationS: 12, warmupS: 2 },
    });
    const { metrics } = runReplication(document, NO_INPUTS, 0).summary;
    expect(metrics.energyJoulesPerRequest).toBeCloseTo(200 / 50, 1);
  });

  test("is no metric where no power is given, and power changes nothing else", () => {
    const without = burst(4, { devices: { gpu: 1 } }, 1);
    expect(without).not.toHaveProperty("energyJoulesPerRequest");
    const { energyJoulesPerRequest, ...others } = burst(4, { power, devices: { gpu: 1 } }, 1);
    expect(energyJoulesPerRequest).toBeGreaterThan(0);
    expect(others).toEqual(without);
  });
});
