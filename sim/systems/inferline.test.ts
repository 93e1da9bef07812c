/** InferLine's tuner from end to end: a step that can be followed, and bursts against two baselines. */
import { describe, expect, test } from "vitest";
import { RunLog } from "../../engine/dispatch/run-log.ts";
import { Sampler } from "../../engine/random/sampler.ts";
import { replayLog } from "../../engine/record/replay.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import type { ScenarioDocument } from "../../scenario/schema/scenario.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { SlidingCounts } from "../../schedulers/systems/inferline.ts";
import { replicationSeed, runReplication } from "../replication.ts";
import { fixedService, NO_INPUTS, scenarioOf } from "../scenario.test-support.ts";

const workload = { arrivals: "trace", file: "t.csv", column: "t" };

interface Phase {
  readonly untilS: number;
  readonly ratePerS: number;
}

/** Arrivals at even distances, µs. */
function even(phases: readonly Phase[]): number[] {
  let fromS = 0;
  return phases.flatMap(({ untilS, ratePerS }) => {
    const startS = fromS;
    fromS = untilS;
    const count = Math.round((untilS - startS) * ratePerS);
    return Array.from({ length: count }, (_, i) => Math.round((startS + i / ratePerS) * 1e6));
  });
}

/** A gamma renewal process in operational time. */
function gamma(phases: readonly Phase[], cv: number, seed: string): number[] {
  const sampler = new Sampler({ kind: "gamma", cv }, seed, "arrivals");
  const times: number[] = [];
  let nowS = 0;
  for (const { untilS, ratePerS } of phases) {
    for (;;) {
      const nextS = nowS + sampler.next() / ratePerS;
      if (nextS >= untilS) break;
      nowS = nextS;
      times.push(Math.round(nowS * 1e6));
    }
    nowS = untilS;
  }
  return times;
}

function run(document: ScenarioDocument, times: readonly number[]) {
  const log = new RunLog();
  const inputs = { ...NO_INPUTS, traces: { "t.csv": times } };
  const { summary } = runReplication(document, inputs, 0, { log });
  const at = (kind: string): number[] =>
    log.entries
      .filter((entry) => entry[0] === kind && Number(entry[2]) > 0)
      .map((entry) => Number(entry[2]) / 1e6);
  return { summary, log, orders: at("order"), releases: at("release") };
}

describe("a step from 14 to 40 per second and back", () => {
  // A replica serves 10 per second, and the plan has two at a utilisation of 0.7.
  const envelope = [
    { windowS: 1, ratePerS: 20 },
    { windowS: 10, ratePerS: 16 },
  ];
  const controller = { policy: "inferline", ratePerS: 14, replicas: { serve: 2 }, envelope };
  const document = scenarioOf({
    models: { server: fixedService(100) },
    cluster: { replicas: { serve: 12 } },
    scheduler: { preset: "inferline", batching: "none", controller },
    workload,
  });
  const phases = [
    { untilS: 60, ratePerS: 14 },
    { untilS: 90, ratePerS: 40 },
    { untilS: 150, ratePerS: 14 },
  ];
  const { orders, releases, log } = run(document, even(phases));

  test("orders replicas within one window of the step, and none before", () => {
    // 21 in a second exceed the planned 20 when 14 − 14 x + 40 x = 21: ⌈21 / 7⌉ = 3 replicas.
    expect(orders[0]).toBeGreaterThan(60.2);
    expect(orders[0]).toBeLessThan(60.35);
    // 40 in a second: ⌈40 / 7⌉ = 6.
    expect(orders).toHaveLength(4);
    expect(orders[3]).toBeLessThanOrEqual(61);
  });

  test("releases none before 15 s without a change, then down to the plan", () => {
    const changes = [...orders, ...releases].sort((a, b) => a - b);
    for (const atS of releases) {
      const before = changes.filter((other) => other < atS).at(-1) ?? 0;
      expect(atS - before).toBeGreaterThanOrEqual(15);
    }
    // The 30 s before contain no window with the higher rate from 120 s on: ⌈14 / 7⌉ = 2.
    expect(releases.filter((atS) => atS < 120)).toEqual([]);
    expect(releases).toHaveLength(4);
    expect(releases[0]).toBeLessThanOrEqual(125);
  });

  test("replays", () => {
    const system = compileSystem(document, NO_INPUTS);
    const seed = replicationSeed(document.run.seed, 0);
    const scheduler = createScheduler(document.scheduler, system, seed);
    expect(replayLog(system, scheduler, log).divergence).toBeNull();
  });
});

describe.each([1, 4])("gamma arrivals of cv %d whose rate triples for 40 s", (cv) => {
  const phases = [
    { untilS: 120, ratePerS: 60 },
    { untilS: 160, ratePerS: 180 },
    { untilS: 280, ratePerS: 60 },
  ];
  // Detection at 20 per second, then classification at 50: the slower one limits a unit of both.
  const shape = (replicas: Readonly<Record<string, number>>, scheduler: unknown) =>
    scenarioOf({
      pipelines: {
        p: {
          slo: { latencyMs: 500 },
          tasks: { detect: { model: "slow" }, classify: { model: "fast", after: ["detect"] } },
        },
      },
      models: { slow: fixedService(50), fast: fixedService(20) },
      cluster: {
        nodes: [{ name: "n", count: 400, devices: { gpu: 1 }, costPerHour: 1 }],
        replicas,
        provisioning: { delayS: 2 },
      },
      scheduler,
      workload,
    });
  const times = gamma(phases, cv, "1");

  test("cost less than peak provisioning and miss less than mean provisioning", () => {
    const counts = new SlidingCounts([500_000]);
    let peak = 0;
    for (const atUs of times) {
      counts.add(atUs);
      peak = Math.max(peak, counts.at(atUs)[0] / 0.5);
    }
    const mean = times.length / 280;
    const coarse = (ratePerS: number) => {
      const units = Math.ceil(ratePerS / 20);
      return run(shape({ detect: units, classify: units }, "fifo"), times).summary.metrics;
    };
    const controller = { policy: "inferline", ratePerS: 60, cv, utilization: cv === 1 ? 0.7 : 0.4 };
    const tuned = run(
      shape({ detect: 40, classify: 20 }, { preset: "inferline", batching: "none", controller }),
      times,
    );
    const [atPeak, atMean] = [coarse(peak), coarse(mean)];
    const cost = (metrics: typeof atPeak): number => metrics.costPerHour ?? Number.NaN;
    const missed = (metrics: typeof atPeak): number => 1 - (metrics.sloAttainmentRatio ?? 0);
    expect(cost(tuned.summary.metrics)).toBeLessThan(0.7 * cost(atPeak));
    expect(missed(tuned.summary.metrics)).toBeLessThan(missed(atMean) / 20);
    expect(tuned.summary.tasks.classify.replicasMean).toBeLessThan(
      tuned.summary.tasks.detect.replicasMean ?? Number.NaN,
    );
  });
});
