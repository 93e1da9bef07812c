/**
 * The real runs of one configuration on one deployment. A run that was not fit to be judged by is
 * set aside and run again, at most as often as runs were asked for; fitness never looks at the
 * outcome.
 */

import { type Deployment, startDeployment } from "../cluster/deployment.ts";
import { type MeasuredRun, measuredRun } from "../cluster/measured-run.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import type { BackendName } from "../core/scenario/schema/run.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { replicationSeed, type SimulationInputs } from "../sim/replication.ts";
import type { PaceBurst, PaceMeter } from "./pace.ts";
import { runHealth, watchHost } from "./run-health.ts";

export interface RealRunPlan {
  readonly document: ScenarioDocument;
  readonly inputs: SimulationInputs;
  readonly backend: BackendName;
  readonly repeats: number;
  readonly timeScale: number;
  /** What a run's requests carry: request i entry i mod length, whichever pipeline it is of. */
  readonly contents: (seed: string) => readonly RequestContents[];
  /** Measures the host's pace before the first run and after each. */
  readonly pace?: PaceMeter;
  /** Called after each real run, healthy or not. */
  readonly onRun?: (run: RealRun, healthyRuns: number) => void;
  readonly signal?: AbortSignal;
}

export interface RealRun extends MeasuredRun {
  /** The replication whose arrivals and draws it had. */
  readonly replication: number;
}

export interface RealRuns {
  readonly healthy: readonly RealRun[];
  readonly unhealthy: readonly RealRun[];
  /** Of the host's pace, in order; none without a meter. */
  readonly bursts: readonly PaceBurst[];
}

export async function realRuns(plan: RealRunPlan): Promise<RealRuns> {
  const { document, inputs, backend, timeScale, repeats } = plan;
  const healthy: RealRun[] = [];
  const unhealthy: RealRun[] = [];
  const bursts: PaceBurst[] = [];
  const measurePace = async (): Promise<void> => {
    if (plan.pace !== undefined) bursts.push(await plan.pace.measure());
  };
  const seed = replicationSeed(document.run.seed, 0);
  const deployment = await startDeployment({ document, inputs, backend, seed, timeScale });
  try {
    await measurePace();
    while (healthy.length < repeats && unhealthy.length < repeats) {
      if (plan.signal?.aborted === true) break;
      const replication = healthy.length;
      const run = await watchedRun(plan, deployment, replication);
      const real: RealRun = { ...run, replication };
      (run.health.healthy ? healthy : unhealthy).push(real);
      plan.onRun?.(real, healthy.length);
      await measurePace();
    }
  } finally {
    await deployment.stop();
  }
  return { healthy, unhealthy, bursts };
}

/** A run, with an eye on what else the host does. */
async function watchedRun(
  plan: RealRunPlan,
  deployment: Deployment,
  replication: number,
): Promise<MeasuredRun> {
  const { document, inputs, timeScale } = plan;
  const seed = replicationSeed(document.run.seed, replication);
  const carried = plan.contents(seed);
  const contents = () => carried;
  const workers = deployment.workers.map(({ pid }) => pid);
  const pids = [...new Set([process.pid, deployment.gateway.pid, ...workers])];
  const watch = watchHost(pids);
  try {
    const run = await measuredRun(deployment, { document, inputs, seed, contents, timeScale });
    const host = await watch.stop(run.load.cpuUs);
    const latencyMs = (run.summary.metrics.latencyMeanMs ?? Number.NaN) * timeScale;
    return { ...run, health: runHealth(run.health, host, latencyMs) };
  } finally {
    watch.close();
  }
}
