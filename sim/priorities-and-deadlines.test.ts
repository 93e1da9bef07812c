/** Several pipelines on shared replicas, their priorities, and deadlines of single requests. */
import { describe, expect, test } from "vitest";
import type { RunSummary } from "../engine/metrics/summary.ts";
import { runReplication } from "./replication.ts";
import { NO_INPUTS, replicate, scenarioOf, zScore } from "./scenario.test-support.ts";

const REPLICATIONS = 20;
const MEAN = 10;

/** Two pipelines of one exponential server: `urgent` has a share of the requests. */
const shared = (urgentShare: number, scheduler: unknown, ratePerS = 70) =>
  scenarioOf({
    pipelines: {
      urgent: {
        share: urgentShare,
        priority: 5,
        slo: { latencyMs: 30 },
        tasks: { serve: { model: "server" } },
      },
      patient: { share: 1 - urgentShare, tasks: { serve: { model: "server" } } },
    },
    workload: { arrivals: "poisson", ratePerS, requests: 30_000, warmupS: 20 },
    scheduler,
  });

const latencies = (runs: readonly RunSummary[], pipeline: string): number[] =>
  runs.map(({ pipelines }) => pipelines[pipeline].latencyMeanMs);

describe("two pipelines on one pool", () => {
  test("are served as one stream under fifo: both wait as an M/M/1 does", () => {
    const runs = replicate(shared(0.3, "fifo"), REPLICATIONS);
    for (const pipeline of ["urgent", "patient"]) {
      expect(Math.abs(zScore(latencies(runs, pipeline), MEAN / 0.3)), pipeline).toBeLessThan(3);
    }
    // The latencies of an M/M/1 are exponential.
    const met = runs.map((run) => run.pipelines.urgent.sloAttainmentRatio);
    expect(Math.abs(zScore(met, 1 - Math.exp(-0.9)))).toBeLessThan(3);
    const [{ pipelines, tasks, requests }] = runs;
    expect(pipelines.patient.sloAttainmentRatio).toBeUndefined();
    expect(pipelines.urgent.requests + pipelines.patient.requests).toBe(tasks.serve.jobs);
    expect(Math.abs(pipelines.urgent.requests / requests - 0.3)).toBeLessThan(0.03);
  });

  test("may have one batch in common", () => {
    const document = scenarioOf({
      pipelines: {
        p: { tasks: { serve: { model: "server" } } },
        q: { tasks: { serve: { model: "server" } } },
      },
      workload: { arrivals: "burst", requests: 8 },
      scheduler: { batching: { policy: "size-or-timeout", maxBatch: 8, waitMs: 1 } },
    });
    const { gantt, summary } = runReplication(document, NO_INPUTS, 0, { ganttBars: 10 });
    expect(gantt.map(({ batch }) => batch)).toEqual([8]);
    const counts = ["p", "q"].map((name) => summary.pipelines[name].requests);
    expect(Math.min(...counts)).toBeGreaterThan(0);
    expect(counts[0] + counts[1]).toBe(8);
  });

  test("wait by Cobham's formula under priorities, without interruption", () => {
    const runs = replicate(shared(0.4, "priority"), REPLICATIONS);
    const [high, all] = [0.4 * 0.7, 0.7];
    // Work under way that an arrival finds: ρ E[S²] / 2 E[S], which is ρ E[S] for exponential service.
    const residual = all * MEAN;
    const urgent = MEAN + residual / (1 - high);
    const patient = MEAN + residual / ((1 - high) * (1 - all));
    expect(Math.abs(zScore(latencies(runs, "urgent"), urgent))).toBeLessThan(3);
    expect(Math.abs(zScore(latencies(runs, "patient"), patient))).toBeLessThan(3);
  });

  test("in overload the urgent one keeps its latency, and the patient one starves", () => {
    const [run] = replicate(shared(0.4, "priority", 150), 1);
    expect(run.pipelines.urgent.latencyMeanMs).toBeLessThan(60);
    expect(run.pipelines.patient.latencyMeanMs).toBeGreaterThan(5000);
  });

  test("the same requests are served whatever their priority: only the order differs", () => {
    const [byOrder, byPriority] = ["fifo", "priority"].map(
      (scheduler) => replicate(shared(0.4, scheduler), 1)[0],
    );
    expect(byPriority.pipelines.urgent.requests).toBe(byOrder.pipelines.urgent.requests);
    // Conservation of work: no order that ignores service times changes the mean over all requests much.
    const ratio = (byPriority.metrics.latencyMeanMs ?? 0) / (byOrder.metrics.latencyMeanMs ?? 1);
    expect(Math.abs(ratio - 1)).toBeLessThan(0.02);
  });
});

describe("deadlines of single requests", () => {
  const withDeadlines = (deadlineMs: unknown, scheduler: unknown, ratePerS = 70) =>
    scenarioOf({
      pipelines: { p: { deadlineMs, tasks: { serve: { model: "server" } } } },
      workload: { arrivals: "poisson", ratePerS, requests: 20_000, warmupS: 20 },
      scheduler,
    });

  test("are what attainment is judged by: P(latency < deadline) of two exponentials", () => {
    const document = withDeadlines({ distribution: "exponential", mean: 50 }, "fifo");
    const met = replicate(document, REPLICATIONS).map((run) => run.metrics.sloAttainmentRatio ?? 0);
    // M/M/1 latencies are exponential with rate µ − λ = 30/s; deadlines with 20/s.
    expect(Math.abs(zScore(met, 30 / (30 + 20)))).toBeLessThan(3);
  });

  test("move no other draw", () => {
    const digest = (deadlineMs: unknown) =>
      replicate(withDeadlines(deadlineMs, "fifo"), 1)[0].digest;
    expect(digest({ distribution: "lognormal", mean: 50, cv: 2 })).toBe(digest(undefined));
  });

  test("let earliest deadline first meet more of them than first come, first served", () => {
    const half = { distribution: "empirical", samples: [60, 400] };
    const [fifo, edf] = ["fifo", "edf"].map(
      (scheduler) => replicate(withDeadlines(half, scheduler, 85), 1)[0].metrics,
    );
    const gain = (edf.sloAttainmentRatio ?? 0) - (fifo.sloAttainmentRatio ?? 1);
    expect(gain).toBeGreaterThan(0.1);
  });

  test("are what drop-late drops by", () => {
    const half = { distribution: "empirical", samples: [1, 1e9] };
    const scheduler = { admission: "drop-late" };
    const [{ metrics }] = replicate(withDeadlines(half, scheduler, 150), 1);
    // Those of 1 ms are dropped but for the few that find the server free; the others, 75/s, are all served.
    expect(metrics.dropRatio).toBeGreaterThan(0.35);
    expect(metrics.dropRatio).toBeLessThan(0.5);
    expect(metrics.latencyMaxMs).toBeGreaterThan(50);
  });
});
