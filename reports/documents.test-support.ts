/** Made-up but plausible result documents for tests of the reports; nothing was measured. */

import type { LatencyCurve, Metrics } from "../engine/metrics/figures.ts";
import type { Estimate } from "../engine/statistics/estimate.ts";
import type { ConfigurationResult, ResultsDocument } from "../results/documents.ts";
import type {
  MetricJudgement,
  ValidationDocument,
  ValidationResult,
} from "../results/validation.ts";

const SCHEDULERS = ["fifo", "join-shortest-queue", "power-of-two"] as const;
const FACTORS = [1.25, 1, 1.1] as const;
const SERVICE_S = 0.1;

/** A small deterministic spread in [-1, 1] so that documents are the same on every run. */
function jitter(seed: number): number {
  return Math.sin(seed * 12.9898) * 0.999;
}

function estimate(mean: number, relative: number): Estimate {
  return { mean, halfWidth95: mean * relative };
}

/** An M/M/1-like curve: exponential above a floor, scaled to the wanted mean. */
export function curve(meanMs: number, floorMs = 60): LatencyCurve {
  const share = Array.from({ length: 101 }, (_, i) => Math.min(i / 100, 0.999));
  const rest = Math.max(meanMs - floorMs, 5);
  return { share, latencyMs: share.map((p) => floorMs - rest * Math.log(1 - p)) };
}

function metricsOf(scheduler: number, replicas: number, ratePerS: number): Metrics {
  const load = (ratePerS * SERVICE_S) / replicas;
  const over = load >= 1;
  const wait = over
    ? (1 - 1 / load) * 300_000
    : (FACTORS[scheduler] as number) * ((40 * load) / (1 - load));
  const mean = 100 + wait;
  const spread = over ? 0.02 : 0.015 + load * 0.08;
  const served = Math.min(ratePerS, replicas / SERVICE_S);
  return {
    latencyMeanMs: estimate(mean, spread),
    latencyP50Ms: estimate(mean * (over ? 1 : 0.85), spread),
    latencyP95Ms: estimate(mean * (over ? 1.9 : 2.2), spread * 1.5),
    latencyP99Ms: estimate(mean * (over ? 1.98 : 3.1), spread * 2.2),
    queueWaitMeanMs: estimate(wait, spread),
    throughputPerS: estimate(served, 0.004),
    goodputPerS: estimate(over ? served * 0.02 : served * 0.997, 0.01),
    utilizationRatio: estimate(Math.min(load, 1), over ? 0 : 0.01),
    sloAttainmentRatio: estimate(over ? 0.02 : mean * 3.1 < 500 ? 0.995 : 0.97, 0.002),
    costPerHour: { mean: 2.5 * Math.ceil(replicas / 4) + replicas * 0.1, halfWidth95: 0 },
  };
}

function configuration(scheduler: number, replicas: number, ratePerS: number): ConfigurationResult {
  const metrics = metricsOf(scheduler, replicas, ratePerS);
  const { mean, halfWidth95 } = metrics.sloAttainmentRatio as Estimate;
  return {
    id: `${SCHEDULERS[scheduler]}-${replicas}-${ratePerS}`,
    parameters: {
      scheduler: SCHEDULERS[scheduler] as string,
      "cluster.replicas.detect": replicas,
      "workload.ratePerS": ratePerS,
    },
    replications: 10,
    requests: ratePerS * 6000,
    metrics,
    slo: mean - halfWidth95 >= 0.99 ? "meets" : mean + halfWidth95 < 0.99 ? "misses" : "unclear",
    tasks: {
      detect: {
        replicasMean: { mean: replicas, halfWidth95: 0 },
        queueWaitMeanMs: metrics.queueWaitMeanMs as Estimate,
        serviceMeanMs: estimate(62, 0.01),
        batchSizeMean: estimate(1.8, 0.02),
        utilizationRatio: metrics.utilizationRatio as Estimate,
      },
      plate: {
        replicasMean: { mean: 2, halfWidth95: 0 },
        queueWaitMeanMs: estimate(4.2, 0.1),
        serviceMeanMs: estimate(38, 0.01),
      },
    },
    digest: "b2c1d0",
    latencyCurve: curve((metrics.latencyMeanMs as Estimate).mean),
  };
}

/** 3 schedulers × 4 shapes × 3 loads; the small shapes are overloaded under the high loads. */
export function sweepDocument(): ResultsDocument {
  const configurations: ConfigurationResult[] = [];
  for (const scheduler of [0, 1, 2]) {
    for (const replicas of [1, 2, 4, 8]) {
      for (const rate of [8, 16, 32]) configurations.push(configuration(scheduler, replicas, rate));
    }
  }
  return {
    schema: "tandem/results@1",
    scenario: { name: "image-analysis", digest: "3f9a12c4d5e6" },
    seed: 1,
    command: "tandem simulate scenarios/image-analysis.yaml --seed 1 --out out/image-analysis",
    slo: { latencyMs: 500, percentile: 99 },
    configurations,
  };
}

/** One configuration, one replication, nothing swept, no curve and no bars. */
export function singleDocument(): ResultsDocument {
  const { latencyCurve: _, slo: __, ...only } = configuration(0, 4, 8);
  const metrics = Object.fromEntries(
    Object.entries(only.metrics).map(([k, v]) => [k, { mean: v.mean, halfWidth95: Number.NaN }]),
  );
  const { slo: ___, ...document } = sweepDocument();
  const one = { ...only, id: "base", parameters: {}, replications: 1, metrics };
  return { ...document, configurations: [one] };
}

const LATE: MetricJudgement = {
  verdict: "cannot tell",
  interval90: null,
  reason: "only 2 of 5 runs were fit to be judged by",
  settledBy: { runs: 12, secondsPerRun: 250 },
};

function validated(index: number): ValidationResult {
  const scheduler = index % 3;
  const base = configuration(scheduler, [2, 4, 8][Math.floor(index / 3) % 3] as number, 16);
  const error = 0.06 * jitter(index + 1) + (index === 4 ? 0.2 : 0);
  const names = ["latencyMeanMs", "latencyP95Ms", "throughputPerS"] as const;
  const measured: Record<string, Estimate> = {};
  const spread: Record<string, { minimum: number; maximum: number }> = {};
  const errors: Record<string, number> = {};
  const judgements: Record<string, MetricJudgement> = {};
  const late = index === 7;
  for (const [k, name] of names.entries()) {
    const predicted = (base.metrics[name] as Estimate).mean;
    errors[name] = k === 2 ? error / 20 : error * (1 + k * 0.4);
    const mean = predicted / (1 + errors[name]);
    measured[name] = estimate(mean, 0.02 + 0.01 * k);
    spread[name] = { minimum: mean * 0.97, maximum: mean * 1.04 };
    const interval90 = { low: errors[name] - 0.02, high: errors[name] + 0.02 };
    const verdict = index === 4 && k < 2 ? "disagrees" : "agrees";
    judgements[name] = late ? LATE : { verdict, interval90 };
  }
  return {
    ...base,
    predicted: base.metrics,
    measured: {
      metrics: measured,
      spread,
      tasks: base.tasks,
      repeats: 5,
      backend: index % 2 === 0 ? "onnx" : "replay",
      latencyCurve: curve((measured.latencyMeanMs as Estimate).mean, 58),
      health: {
        healthy: !late,
        lateArrivalRatio: late ? 0.08 : 0.001,
        latenessP99Ms: late ? 35 : 0.8,
        eventLoopDelayP99Ms: 1.4,
        reasons: late ? ["8.0 % of arrivals were more than 5 ms late (limit 1 %)"] : [],
      },
    },
    error: errors,
    tolerance: { latencyMeanMs: 0.1, latencyP95Ms: 0.15, throughputPerS: 0.1 },
    judgements,
    verdict: late ? "cannot tell" : index === 4 ? "disagrees" : "agrees",
  };
}

/** `count` validated configurations; the fifth disagrees, the eighth cannot tell. */
export function validationDocument(count = 9): ValidationDocument {
  const { configurations: _, ...document } = sweepDocument();
  return {
    ...document,
    schema: "tandem/validation@3",
    kind: "validation",
    command: "tandem validate scenarios/image-analysis.yaml --seed 1 --out out/image-analysis",
    configurations: Array.from({ length: count }, (_, index) => validated(index)),
  };
}
