/** Clients that give up and try again, through the public scenario. */
import { describe, expect, test } from "vitest";
import { RunLog } from "../engine/dispatch/run-log.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { runReplication } from "./replication.ts";
import { fixedService, NO_INPUTS, replicate, runAt, scenarioOf } from "./scenario.test-support.ts";

const trace = (client: unknown) => ({
  workload: { arrivals: "trace", file: "times.csv", column: "t", client },
});

/** One server of exactly 10 ms. */
const SERVER = { models: { server: fixedService(10) } };

/** When each attempt reached the gateway. */
function attemptsUs(document: ScenarioDocument): number[] {
  const log = new RunLog();
  runReplication(document, NO_INPUTS, 0, { log });
  return log.entries.flatMap(([kind, , , us]) => (kind === "arrive" ? [us] : []));
}

test("time-outs of attempts that are over are not waited for, nor kept", () => {
  const document = scenarioOf({
    ...SERVER,
    workload: {
      arrivals: "deterministic",
      ratePerS: 50,
      requests: 10_000,
      client: { timeoutMs: 1e6, retries: 3 },
    },
  });
  // An arrival and an end for each, and the few time-outs that are left when all have ended.
  expect(runReplication(document, NO_INPUTS, 0).events).toBeLessThan(22_000);
});

describe("a client with a time-out", () => {
  test("gets answers in time as before", () => {
    const { summary, bars } = runAt([0, 5], { ...SERVER, ...trace({ timeoutMs: 15, retries: 3 }) });
    expect(bars.map(({ start, requests }) => [start, requests])).toEqual([
      [0, "0"],
      [10, "1"],
    ]);
    expect(summary.metrics).toMatchObject({
      latencyMaxMs: 15,
      timeoutRatio: 0,
      attemptsPerRequest: 1,
    });
  });

  test("gives up without retries: its waiting job is taken out of the queue", () => {
    const { summary, bars } = runAt([0, 1, 2], { ...SERVER, ...trace({ timeoutMs: 12 }) });
    // The second would end at 20, but is given up at 13, in service; the third, given up at 14, never starts.
    expect(bars.map(({ start }) => start)).toEqual([0, 10]);
    expect(summary.metrics.timeoutRatio).toBeCloseTo(2 / 3, 12);
    expect(summary.metrics.latencyMaxMs).toBe(10);
  });

  test("is served all the same where the cluster does not notice", () => {
    const client = { timeoutMs: 12, cancels: false };
    const { summary, bars } = runAt([0, 1, 2], { ...SERVER, ...trace(client) });
    expect(bars.map(({ start }) => start)).toEqual([0, 10, 20]);
    expect(summary.metrics.timeoutRatio).toBeCloseTo(2 / 3, 12);
  });

  test("leaves an attempt behind that waits for its batch, which still runs", () => {
    const scheduler = { batching: { policy: "size-or-timeout", maxBatch: 2, waitMs: 20 } };
    const client = { timeoutMs: 12, cancels: false };
    const { bars } = runAt([0], { ...SERVER, scheduler, ...trace(client) });
    expect(bars.map(({ start }) => start)).toEqual([20]);
  });

  test("tries again after pauses that grow, up to a limit", () => {
    const pauses = { retries: 3, backoffMs: 2, backoffFactor: 3, maxBackoffMs: 10 };
    const workload = { arrivals: "burst", requests: 1, client: { timeoutMs: 4, ...pauses } };
    const document = scenarioOf({ models: { server: fixedService(100) }, workload });
    // Each time-out of 4 ms, and pauses of 2, 6 and 10 ms.
    expect(attemptsUs(document)).toEqual([0, 6000, 16_000, 30_000]);
  });

  test("gives each attempt the same work", () => {
    const client = { timeoutMs: 5, retries: 1, backoffMs: 0 };
    const document = scenarioOf({ cluster: { replicas: { serve: 2 } }, ...trace(client) });
    const inputs = { ...NO_INPUTS, traces: { "times.csv": [0, 1e6, 2e6, 3e6, 4e6, 5e6] } };
    const { gantt } = runReplication(document, inputs, 3, { ganttBars: 100 });
    const times = gantt.map(({ startMs, endMs }) => Math.round((endMs - startMs) * 1000));
    const late = times.filter((us) => us > 5000);
    expect(late.length).toBeGreaterThan(0);
    // A request that takes longer than 5 ms is tried again, and takes as long again.
    for (const us of late) expect(late.filter((other) => other === us)).toHaveLength(2);
  });

  test("tries again when it is refused", () => {
    const scheduler = { admission: { policy: "bounded", maxInSystem: 1 } };
    const client = { timeoutMs: 100, retries: 1, backoffMs: 15 };
    const { summary } = runAt([0, 1], { ...SERVER, scheduler, ...trace(client) });
    expect(summary.metrics).toMatchObject({
      dropRatio: 0,
      latencyMaxMs: 25,
      attemptsPerRequest: 1.5,
    });
  });

  test("ends as its last attempt did", () => {
    const scheduler = { admission: { policy: "bounded", maxInSystem: 1 } };
    const client = { timeoutMs: 100, retries: 2, backoffMs: 1, backoffFactor: 1 };
    const { summary } = runAt([0, 1], { ...SERVER, scheduler, ...trace(client) });
    expect(summary.metrics).toMatchObject({
      dropRatio: 0.5,
      timeoutRatio: 0,
      attemptsPerRequest: 2,
    });
  });

  test("spreads its pauses by jitter, the same for any scheduler", () => {
    const client = { timeoutMs: 2, retries: 3, backoffMs: 40, jitter: 1, cancels: false };
    const runs = [1, 4].map((replicas) => {
      const cluster = { replicas: { serve: replicas } };
      const workload = { arrivals: "burst", requests: 6, client };
      return attemptsUs(scenarioOf({ ...SERVER, cluster, workload }));
    });
    expect(runs[0]).toEqual(runs[1]);
    // 6 × 4 attempts; the first six together, the others each at a time of their own.
    expect(new Set(runs[0]).size).toBe(19);
  });

  test("waits through network and gateway; what times out on its way is cancelled on arrival", () => {
    const cluster = { replicas: { serve: 1 }, network: { clientRttMs: 20 } };
    const given = runAt([0, 100], { ...SERVER, cluster, ...trace({ timeoutMs: 5, retries: 1 }) });
    expect(given.summary.metrics.timeoutRatio).toBe(1);
    expect(given.bars).toEqual([]);
    // Served from 10 to 20, but the answer comes at 30: an answer on the way is none.
    const late = runAt([0], { ...SERVER, cluster, ...trace({ timeoutMs: 25 }) });
    expect(late.bars).toHaveLength(1);
    expect(late.summary.metrics.timeoutRatio).toBe(1);
    const served = runAt([0], { ...SERVER, cluster, ...trace({ timeoutMs: 30 }) });
    expect(served.summary.metrics).toMatchObject({ timeoutRatio: 0, latencyMaxMs: 30 });
  });

  test("whose answer is on the way gives up nobody else's request", () => {
    // The first is served from 10 to 20, and given up at 25; from 21 on the second has its slot.
    const scaled = { ...(fixedService(1) as object), inputScaling: { reference: 1 } };
    const document = scenarioOf({
      models: { server: scaled },
      cluster: { replicas: { serve: 1 }, network: { clientRttMs: 20 } },
      workload: {
        arrivals: "trace",
        file: "t.csv",
        column: "t",
        sizeColumn: "n",
        client: { timeoutMs: 25 },
      },
    });
    const inputs = {
      ...NO_INPUTS,
      traces: { "t.csv": [0, 21_000] },
      traceColumns: { "t.csv": { n: [10, 1] } },
    };
    const { summary } = runReplication(document, inputs, 0);
    expect(summary.metrics).toMatchObject({ timeoutRatio: 0.5, latencyMaxMs: 21 });
  });

  test("in a closed loop goes on to its next request", () => {
    const client = { timeoutMs: 4, retries: 1, backoffMs: 1 };
    const workload = { arrivals: "closed", clients: 1, requests: 5, client };
    const [{ metrics, requests }] = replicate(scenarioOf({ ...SERVER, workload }), 1);
    expect(requests).toBe(5);
    expect(metrics).toMatchObject({ timeoutRatio: 1, attemptsPerRequest: 2 });
  });
});

describe("a storm of retries", () => {
  /** A pool of four at 70%, that a spike of five seconds overloads; measured from 35 seconds after it. */
  function afterSpike(client: Readonly<Record<string, unknown>>, ordering = "fifo") {
    const rates = [
      { atS: 0, ratePerS: 280 },
      { atS: 30, ratePerS: 280 },
      { atS: 30, ratePerS: 800 },
      { atS: 35, ratePerS: 800 },
      { atS: 35, ratePerS: 280 },
    ];
    const document = scenarioOf({
      cluster: { replicas: { serve: 4 } },
      scheduler: { ordering },
      workload: {
        arrivals: "ramp",
        rates,
        durationS: 130,
        warmupS: 70,
        client: { timeoutMs: 500, cancels: false, ...client },
      },
    });
    return replicate(document, 1)[0].metrics;
  }

  test("keeps a pool down long after the overload that began it", () => {
    const { timeoutRatio, utilizationRatio, goodputPerS } = afterSpike({ retries: 3 });
    expect(timeoutRatio).toBeGreaterThan(0.9);
    expect(utilizationRatio).toBeGreaterThan(0.99);
    expect(goodputPerS).toBeLessThan(28);
  });

  test("is no more than the overload without retries", () => {
    const { timeoutRatio, goodputPerS } = afterSpike({ retries: 0 });
    expect(timeoutRatio).toBe(0);
    expect(goodputPerS).toBeGreaterThan(260);
  });

  test("is held down by a budget", () => {
    const budget = { retries: 3, retryBudget: { ratio: 0.1 } };
    expect(afterSpike(budget).timeoutRatio).toBe(0);
  });

  test("goes on under fifo even where the cluster drops what nobody waits for, not under lifo", () => {
    // First come, first served, all that is started has waited nearly as long as its client does.
    const client = { retries: 3, cancels: true };
    expect(afterSpike(client).timeoutRatio).toBeGreaterThan(0.5);
    expect(afterSpike(client, "lifo").timeoutRatio).toBeLessThan(0.01);
  });
});
