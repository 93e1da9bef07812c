/** Faults whose course can be worked out by hand: one crash, one partition, one slow span. */
import { describe, expect, test } from "vitest";
import { RunLog } from "../../engine/dispatch/run-log.ts";
import { runReplication } from "../replication.ts";
import { fixedService, NO_INPUTS, runAt, scenarioOf } from "../scenario.test-support.ts";

/** Noticed 5 ms after the fault. */
const PROMPT = { intervalMs: 0, timeoutMs: 5, failures: 1 };
/** Noticed after every fault here is over. */
const BLIND = { intervalMs: 0, timeoutMs: 10_000, failures: 1 };

const crash = (atS: number, forS?: number) => ({ kind: "crash", replica: "serve-1", atS, forS });
const partition = (atS: number, forS: number) => ({ ...crash(atS, forS), kind: "partition" });

/** Replicas that take 10 ms a request, in a cluster where this happens. */
const cluster = (replicas: number, detection: unknown, ...scheduled: unknown[]) => ({
  models: { server: fixedService(10) },
  cluster: { replicas: { serve: replicas } },
  faults: { detection, scheduled },
});

describe("a crash", () => {
  test("loses its batch, which runs again from scratch once the replica is repaired", () => {
    const { summary, bars } = runAt([0, 20, 28], cluster(1, PROMPT, crash(0.025, 0.02)));
    expect(bars).toEqual([
      { start: 0, end: 10, replica: "serve-1", requests: "0" },
      { start: 45, end: 55, replica: "serve-1", requests: "1" },
      { start: 55, end: 65, replica: "serve-1", requests: "2" },
    ]);
    expect(summary.metrics.latencyMaxMs).toBe(37);
    // The measured window ends with the last arrival, at 28 ms.
    expect(summary.metrics.availabilityRatio).toBeCloseTo(25 / 28, 12);
    expect(summary.metrics.unfinishedRatio).toBe(0);
    expect(summary.tasks.serve.retries).toBe(1);
    // Waits: 0; 0, and 15 from the loss that is noticed at 30 ms until 45 ms; 27. Four stays, three requests.
    expect(summary.metrics.queueWaitMeanMs).toBeCloseTo((0 + 0 + 15 + 27) / 3, 12);
    expect(summary.tasks.serve).toMatchObject({ jobs: 4, queueWaitMeanMs: (0 + 0 + 15 + 27) / 4 });
    // Half a batch, 20..25, was work for nothing, but it was work.
    expect(summary.metrics.utilizationRatio).toBeCloseTo(15 / 28, 12);
    // One request was there at 25 ms; no more than one is there again at 55 ms.
    expect(summary.metrics.recoveryMeanMs).toBe(30);
  });

  test("that is not noticed goes on getting work, which is tried elsewhere after it is", () => {
    const late = { ...PROMPT, timeoutMs: 30 };
    const { bars, summary } = runAt([10, 12, 40], cluster(2, late, crash(0.005)));
    expect(bars).toEqual([
      { start: 12, end: 22, replica: "serve-2", requests: "1" },
      { start: 35, end: 45, replica: "serve-2", requests: "0" },
      { start: 45, end: 55, replica: "serve-2", requests: "2" },
    ]);
    expect(summary.metrics.dropRatio).toBe(0);
  });

  test("is noticed at the latest when the replica is back", () => {
    const { bars } = runAt([10], cluster(2, BLIND, crash(0.005, 0.01)));
    expect(bars).toEqual([{ start: 15, end: 25, replica: "serve-2", requests: "0" }]);
  });

  test("of a replica without work, over before anybody notices, changes nothing", () => {
    const { bars } = runAt([20], cluster(2, BLIND, crash(0.005, 0.01)));
    expect(bars).toEqual([{ start: 20, end: 30, replica: "serve-1", requests: "0" }]);
  });

  test("takes nothing from a batch that ends at that instant", () => {
    const { bars } = runAt([0], cluster(1, PROMPT, crash(0.01, 1)));
    expect(bars).toEqual([{ start: 0, end: 10, replica: "serve-1", requests: "0" }]);
  });

  test("for good is work to its last moment, and no replica works more than all the time", () => {
    const workload = { arrivals: "burst", requests: 2 };
    const lost = scenarioOf({ ...cluster(1, PROMPT, crash(0.015)), workload });
    const { summary } = runReplication(lost, NO_INPUTS, 0);
    // A request ends at 10 ms; the other is lost at 15 ms, with the run's last work.
    expect(summary.metrics.utilizationRatio).toBe(1);
    expect(summary.metrics.unfinishedRatio).toBe(0.5);
  });

  test("lets a request fail that has been lost three times", () => {
    const crashes = [0.005, 0.02, 0.035].map((atS) => crash(atS, 0.01));
    const { summary } = runAt([0, 60], cluster(1, PROMPT, ...crashes));
    expect(summary.metrics.dropRatio).toBe(0.5);
    expect(summary.tasks.serve.retries).toBe(2);
  });

  test("of a node takes all its replicas, and health checks find it after their time", () => {
    const { bars } = runAt([1, 2], {
      models: { server: fixedService(10) },
      cluster: {
        nodes: [{ name: "n", count: 2, devices: { slot: 1 } }],
        replicas: { serve: 2 },
      },
      faults: {
        // Checks at 10 and 20 ms fail; the second has waited for 4 ms at 24 ms.
        detection: { intervalMs: 10, timeoutMs: 4, failures: 2 },
        scheduled: [{ kind: "crash", node: "n-1", atS: 0.003 }],
      },
    });
    expect(bars).toEqual([
      { start: 2, end: 12, replica: "serve-2", requests: "1" },
      { start: 24, end: 34, replica: "serve-2", requests: "0" },
    ]);
  });

  test("of two causes lasts until both are over", () => {
    const both = cluster(1, PROMPT, crash(0.01, 0.02), crash(0.015, 0.03));
    const { bars, summary } = runAt([20], both);
    expect(bars).toEqual([{ start: 45, end: 55, replica: "serve-1", requests: "0" }]);
    expect(summary.tasks.serve.retries).toBe(0);
  });
});

describe("a partition", () => {
  test("holds back the answer of what runs, and what is sent, until it heals", () => {
    const { bars, summary } = runAt([0, 12], cluster(1, BLIND, partition(0.005, 0.02)));
    expect(bars).toEqual([
      { start: 0, end: 10, replica: "serve-1", requests: "0" },
      { start: 25, end: 35, replica: "serve-1", requests: "1" },
    ]);
    expect(summary.metrics.latencyMaxMs).toBe(25);
    const idle = runAt([10], cluster(1, BLIND, partition(0.005, 0.02)));
    expect(idle.bars).toMatchObject([{ start: 25, end: 35 }]);
  });

  test("that is noticed has the work done again elsewhere", () => {
    const { bars } = runAt([0, 1, 30], cluster(2, PROMPT, partition(0.005, 0.02)));
    expect(bars).toEqual([
      { start: 0, end: 10, replica: "serve-1", requests: "0" },
      { start: 1, end: 11, replica: "serve-2", requests: "1" },
      { start: 11, end: 21, replica: "serve-2", requests: "0" },
      { start: 30, end: 40, replica: "serve-2", requests: "2" },
    ]);
  });
});

test("a slow span lengthens what starts in it, and no policy knows", () => {
  const slow = { kind: "slow", replica: "serve-1", atS: 0.01, forS: 0.02, factor: 3 };
  const more = { ...slow, atS: 0.02, factor: 2 };
  const { bars } = runAt([1, 12, 50], cluster(1, PROMPT, slow));
  expect(bars.map(({ start, end }) => [start, end])).toEqual([
    [1, 11],
    [12, 42],
    [50, 60],
  ]);
  const both = runAt([21], cluster(1, PROMPT, slow, more));
  expect(both.bars).toMatchObject([{ start: 21, end: 81 }]);
});

test("with a network, too, a crash takes its batch off the device at once", () => {
  const sections = cluster(1, PROMPT, crash(0.005, 0.001));
  const network = { rttMs: 2 };
  const { bars } = runAt([0], { ...sections, cluster: { ...sections.cluster, network } });
  // Service from 1 to 5; repaired, noticed and sent again at 6, there at 7.
  expect(bars).toEqual([{ start: 7, end: 17, replica: "serve-1", requests: "0" }]);
});

test("clients that try again meet the cluster as it has become meanwhile", () => {
  const workload = {
    arrivals: "trace",
    file: "times.csv",
    column: "t",
    client: { timeoutMs: 20, retries: 1, backoffMs: 100 },
  };
  const { bars } = runAt([10], { ...cluster(1, PROMPT, crash(0.005, 0.06)), workload });
  // Given up at 30 ms; repaired at 65 ms; tried again at 130 ms.
  expect(bars.at(-1)).toMatchObject({ start: 130, end: 140 });
});

test("a held chain goes on with what is whole", () => {
  const tasks = { a: { model: "server" }, b: { model: "server", after: ["a"] } };
  const { bars } = runAt([0, 0, 0], {
    pipelines: { p: { discipline: "pipeline-held", tasks } },
    models: { server: fixedService(10) },
    cluster: { replicas: { a: 2, b: 2 } },
    faults: {
      detection: PROMPT,
      scheduled: [{ kind: "crash", replica: "b-1", atS: 0.012 }],
    },
  });
  expect(bars.filter(({ requests }) => requests === "0").at(-1)).toMatchObject({
    replica: "b-2",
    start: 20,
  });
  expect(bars.at(-1)).toMatchObject({ replica: "b-2", requests: "2" });
});

describe("random faults", () => {
  const random = (mtbfS: number, uptime: unknown, mttrS: number, repair: unknown) => ({
    detection: { intervalMs: 0, timeoutMs: 0, failures: 1 },
    random: [{ kind: "crash", replica: "serve-1", mtbfS, mttrS, uptime, repair }],
  });
  const always = { distribution: "deterministic" };

  test("without spread come and go at multiples of their times", () => {
    const models = { server: fixedService(10) };
    // Up until 20 ms and from 30 to 50, down until 30 and 60.
    const { bars } = runAt([15, 45], { models, faults: random(0.02, always, 0.01, always) });
    expect(bars.map(({ start, end }) => [start, end])).toEqual([
      [30, 40],
      [60, 70],
    ]);
  });

  test("last as long as their distribution says", () => {
    const gamma = { distribution: "gamma", cv: 0.5 };
    const log = new RunLog();
    const document = scenarioOf({
      workload: { arrivals: "deterministic", ratePerS: 1, durationS: 500 },
      faults: random(0.1, always, 0.1, gamma),
    });
    runReplication(document, NO_INPUTS, 0, { log });
    const instants = (kind: string): number[] =>
      log.entries.flatMap((entry) => (entry[0] === kind ? [Number(entry[2])] : []));
    const lost = instants("lose");
    const downS = instants("join")
      .slice(1)
      .map((us, i) => (us - lost[i]) / 1e6);
    expect(downS.length).toBeGreaterThan(2000);
    const mean = downS.reduce((sum, s) => sum + s, 0) / downS.length;
    const variance = downS.reduce((sum, s) => sum + (s - mean) ** 2, 0) / downS.length;
    // Three standard errors of 2500: of the mean, and of the variance at a kurtosis of 4.5.
    expect(Math.abs(mean / 0.1 - 1)).toBeLessThan(0.03);
    expect(Math.abs(variance / 0.0025 - 1)).toBeLessThan(0.12);
  });
});

test("faults stop once there is nobody left to meet them", () => {
  const document = scenarioOf({
    workload: { arrivals: "poisson", ratePerS: 10, requests: 20 },
    faults: { random: [{ kind: "crash", task: "serve", mtbfS: 1, mttrS: 0.01 }] },
  });
  expect(runReplication(document, NO_INPUTS, 0).events).toBeLessThan(200);
});

describe("a cluster that is dead for good", () => {
  test("ends the run, labelled, with what never ended counted", () => {
    const { summary } = runAt([0, 20, 30, 40], cluster(1, PROMPT, crash(0.025)));
    expect(summary.notes).toEqual([
      "some requests never ended: no replica that they need comes back, or the scheduler starts them on none",
    ]);
    expect(summary.metrics.unfinishedRatio).toBe(0.75);
  });

  test("has its pipeline miss its SLO with what never ended", () => {
    const slo = { latencyMs: 100, percentile: 50 };
    const document = scenarioOf({
      pipelines: {
        p: { slo, share: 0.5, tasks: { serve: { model: "server" } } },
        q: { slo, share: 0.5, tasks: { other: { model: "server" } } },
      },
      models: { server: fixedService(10) },
      cluster: { replicas: { serve: 1, other: 1 } },
      workload: { arrivals: "deterministic", ratePerS: 10, requests: 200 },
      faults: { scheduled: [crash(5)] },
    });
    const { metrics, pipelines } = runReplication(document, NO_INPUTS, 0).summary;
    const of = (name: string) => pipelines[name].requests * pipelines[name].sloAttainmentRatio;
    expect(pipelines.p.requests + pipelines.q.requests).toBe(200);
    expect(of("p") + of("q")).toBeCloseTo(200 * (metrics.sloAttainmentRatio as number), 6);
    expect(pipelines.p.sloAttainmentRatio).toBeLessThan(0.35);
    expect(pipelines.q.sloAttainmentRatio).toBe(1);
  });

  test("ends it too when something else goes on breaking", () => {
    const document = scenarioOf({
      pipelines: { p: { tasks: { serve: { model: "server" }, other: { model: "server" } } } },
      cluster: { replicas: { serve: 1, other: 1 } },
      workload: { arrivals: "poisson", ratePerS: 10, durationS: 10 },
      faults: {
        scheduled: [crash(5)],
        random: [{ kind: "crash", task: "other", mtbfS: 100, mttrS: 10 }],
      },
    });
    const { summary, events } = runReplication(document, NO_INPUTS, 0);
    expect(summary.notes).toEqual([
      "stopped long after the last arrival, before every request had ended",
    ]);
    expect(summary.metrics.unfinishedRatio).toBeGreaterThan(0.3);
    expect(events).toBeLessThan(100_000);
  });
});
