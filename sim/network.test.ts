/** Shared links, bytes of edges and results, zones, and several gateways. Each by hand. */
import { describe, expect, test } from "vitest";
import { fixedService, replicate, runAt, scenarioOf, zScore } from "./scenario.test-support.ts";

/** 125 kB take 1 ms at 1 Gbit/s. */
const KB125 = 125_000;

const serving = (
  task: Record<string, unknown>,
  network: Record<string, unknown>,
  nodes: readonly Record<string, unknown>[] = [{ name: "host", devices: { cpu: 2 } }],
) => ({
  pipelines: { p: { tasks: { serve: { model: "server", ...task } } } },
  models: { server: fixedService(10) },
  cluster: { replicas: { serve: 2 }, network, nodes },
});

const spans = (bars: ReturnType<typeof runAt>["bars"]) =>
  bars.map(({ start, end }) => [start, end]);

describe("transfers on one link", () => {
  test("share it equally: two at once take twice as long each", () => {
    const private1 = runAt([0, 0], serving({ payloadBytes: KB125 }, { gbps: 1 }));
    expect(private1.bars.map(({ start }) => start)).toEqual([1, 1]);
    const fair = runAt([0, 0], serving({ payloadBytes: KB125 }, { gbps: 1, links: "fair" }));
    expect(fair.bars.map(({ start }) => start)).toEqual([2, 2]);
  });

  test("speed up again when another is through", () => {
    // The first is half through at 0.5, then both at half speed: it ends at 1.5, the other at 2.
    const sections = serving({ payloadBytes: KB125 }, { gbps: 1, links: "fair" });
    expect(spans(runAt([0, 0.5], sections).bars)).toEqual([
      [1.5, 11.5],
      [2, 12],
    ]);
  });

  test("do not share with those of another node, whose bandwidth may differ", () => {
    const nodes = [
      { name: "fast", devices: { cpu: 1 } },
      { name: "slow", devices: { cpu: 1 }, gbps: 0.25 },
    ];
    const sections = serving({ payloadBytes: KB125 }, { gbps: 1, links: "fair" }, nodes);
    expect(runAt([0, 0], sections).bars.map(({ start }) => start)).toEqual([1, 4]);
  });

  test("do not share with those the other way", () => {
    // The second request goes out, 10 to 11, while the first one's result comes back.
    const task = { payloadBytes: KB125, outputBytes: 2 * KB125 };
    const { summary, bars } = runAt([0, 10], serving(task, { gbps: 1, links: "fair" }));
    expect(bars.map(({ start }) => start)).toEqual([1, 11]);
    expect(summary.metrics.latencyMaxMs).toBe(1 + 10 + 2);
  });

  test("of results take their time on a private link too", () => {
    const { summary } = runAt([0], serving({ outputBytes: KB125 }, { gbps: 1, rttMs: 4 }));
    expect(summary.metrics.latencyMeanMs).toBe(4 + 10 + 1);
  });
});

test("a task is sent the bytes of those edges whose task ran", () => {
  const latencyMs = (probability: number) => {
    const tasks = {
      first: { model: "server" },
      maybe: { model: "server", after: ["first"], when: { probability } },
      last: {
        model: "server",
        after: ["first", "maybe"],
        payloadBytes: KB125,
        edgeBytes: { first: 2 * KB125, maybe: 4 * KB125 },
      },
    };
    const { summary } = runAt([0], {
      pipelines: { p: { tasks } },
      models: { server: fixedService(10) },
      cluster: { replicas: { first: 1, maybe: 1, last: 1 }, network: { gbps: 1 } },
    });
    return summary.metrics.latencyMeanMs;
  };
  expect(latencyMs(0)).toBe(10 + (1 + 2) + 10);
  expect(latencyMs(1)).toBe(10 + 10 + (1 + 2 + 4) + 10);
});

describe("zones", () => {
  const zones = [{ between: ["east", "west"], rttMs: 60 }];
  const nodes = [{ name: "host", devices: { cpu: 2 }, zone: "east" }];

  test("add their distance to the round trip between gateway and node", () => {
    const latencyMs = (zone: string) => {
      const sections = serving({}, { rttMs: 2, zones }, nodes);
      const cluster = { ...sections.cluster, gateway: { zone } };
      return runAt([0], { ...sections, cluster }).summary.metrics.latencyMeanMs;
    };
    expect(latencyMs("east")).toBe(2 + 10);
    expect(latencyMs("west")).toBe(2 + 60 + 10);
  });

  test("cost each task its own node's distance", () => {
    const { summary } = runAt([0], {
      pipelines: { p: { tasks: { a: { model: "m" }, b: { model: "m", after: ["a"] } } } },
      models: { m: fixedService(10) },
      cluster: {
        replicas: { a: 1, b: 1 },
        network: { zones },
        gateway: { zone: "west" },
        nodes: [
          { name: "far", devices: { cpu: 1 }, zone: "east" },
          { name: "near", devices: { cpu: 1 }, zone: "west" },
        ],
      },
    });
    expect(summary.metrics.latencyMeanMs).toBe(60 + 10 + 10);
  });
});

describe("several gateways", () => {
  /** A task that is always skipped: the requests see the gateways alone. */
  const alone = (gateway: Record<string, unknown>) => ({
    pipelines: { p: { tasks: { serve: { model: "server", when: { probability: 0 } } } } },
    cluster: { replicas: { serve: 1 }, gateway },
  });

  test("take requests in turn, each in a queue of its own", () => {
    const meanMs = (count: number) =>
      runAt([0, 0, 0, 0], alone({ arrivalUs: 1000, count })).summary.metrics.latencyMeanMs;
    expect(meanMs(1)).toBe((1 + 2 + 3 + 4) / 4);
    expect(meanMs(2)).toBe((1 + 1 + 2 + 2) / 4);
    expect(meanMs(4)).toBe(1);
  });

  test("are by hash each an M/D/1 of its share of the requests", () => {
    const document = scenarioOf({
      ...alone({ arrivalUs: 700, count: 2, assignment: "hash" }),
      workload: { arrivals: "poisson", ratePerS: 2000, requests: 40_000, warmupS: 2 },
    });
    const expected = 0.7 + (0.7 * 0.7) / (2 * (1 - 0.7));
    const runs = replicate(document, 20).map(({ metrics }) => metrics.latencyMeanMs ?? 0);
    expect(Math.abs(zScore(runs, expected))).toBeLessThan(3);
  });

  test("are by hash given to requests anew in each replication", () => {
    const document = scenarioOf({
      ...alone({ arrivalUs: 1000, count: 2, assignment: "hash" }),
      workload: { arrivals: "burst", requests: 40 },
    });
    const longest = replicate(document, 8).map(({ metrics }) => metrics.latencyMaxMs);
    expect(new Set(longest).size).toBeGreaterThan(1);
  });

  test("have a batch cost the gateway of its first request, there and back", () => {
    // Taken in at 1 by both, then each sends its own until 3, and takes its result from 13 to 17.
    const cluster = (count: number) => ({
      replicas: { serve: 2 },
      gateway: { arrivalUs: 1000, dispatchUs: 2000, completionUs: 4000, count },
    });
    const sections = { models: { server: fixedService(10) } };
    const two = runAt([0, 0], { ...sections, cluster: cluster(2) });
    expect(two.summary.metrics.latencyMeanMs).toBe(17);
    // One alone: the first is in at 1 and sent until 3; the second in at 4 and sent until 6.
    const one = runAt([0, 0], { ...sections, cluster: cluster(1) });
    expect(spans(one.bars)).toEqual([
      [3, 13],
      [6, 16],
    ]);
    expect(one.summary.metrics.latencyMaxMs).toBe(21);
  });
});
