/**
 * The real runs of one configuration on one deployment. A run that was not fit to be judged by is
 * set aside and run again, at most as often as runs were asked for; fitness never looks at the
 * outcome.
 */

import { type Deployment, startDeployment } from "../cluster/deploy/deployment.ts";
import { type MeasuredRun, measuredRun } from "../cluster/deploy/measured-run.ts";
import { unlessAborted } from "../cluster/processes/bounded-wait.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import type { LoadedInventory } from "../core/inventory/read-inventory.ts";
import { replicationSeed } from "../sim/replication.ts";
import type { PaceBurst } from "./pace.ts";
import type { PredictionPlan } from "./predict.ts";
import { runHealth, watchHost } from "./run-health.ts";

export interface RealRunPlan extends PredictionPlan {
  readonly repeats: number;
  /** Where the workers run. Default: here. */
  readonly inventory?: LoadedInventory | undefined;
  /** Contents of a run's requests: request i carries entry i mod length, in any pipeline. */
  readonly contents: (seed: string) => readonly RequestContents[];
  /** Measures the host's pace before the first run and after each. */
  readonly pace?: () => Promise<PaceBurst>;
  /** Called after each real run, healthy or not. */
  readonly onRun?: (run: RealRun, healthyRuns: number) => void;
  /** Called during a run with how many of its requests have ended. */
  readonly onProgress?: (ended: number) => void;
  /** Asked before each run but the first: whether there is time for it. Default: always. */
  readonly mayStart?: () => boolean;
  /** Aborted, it ends what goes on; runs that have ended are kept. */
  readonly signal?: AbortSignal | undefined;
}

export interface RealRun extends MeasuredRun {
  /** The replication whose arrivals and draws it had. */
  readonly replication: number;
}

interface RealRuns {
  readonly healthy: readonly RealRun[];
  readonly unhealthy: readonly RealRun[];
  /** Why there are fewer runs than asked for, though not for their health. */
  readonly cutShort?: "interrupted" | "the budget was spent";
  /** Bursts of the pace meter, in order; none without a meter. */
  readonly bursts: readonly PaceBurst[];
}

/** Rejects with Fault("interrupted") when the signal is aborted before any run has ended. */
export async function realRuns(plan: RealRunPlan): Promise<RealRuns> {
  const { document, inputs, backend, timeScale, repeats, signal, inventory } = plan;
  const healthy: RealRun[] = [];
  const unhealthy: RealRun[] = [];
  const bursts: PaceBurst[] = [];
  const measurePace = async (): Promise<void> => {
    if (plan.pace === undefined) return;
    bursts.push(await unlessAborted(signal, plan.pace()));
  };
  const seed = replicationSeed(document.run.seed, 0);
  const options = { document, inputs, backend, seed, timeScale, signal, inventory };
  const deployment = await startDeployment(options);
  try {
    await measurePace();
    while (healthy.length < repeats && unhealthy.length < repeats) {
      const ended = healthy.length + unhealthy.length;
      if (ended > 0 && plan.mayStart?.() === false) {
        return { healthy, unhealthy, bursts, cutShort: "the budget was spent" };
      }
      const replication = healthy.length;
      const run = await unlessAborted(signal, repeatedRun(plan, deployment, replication));
      const real: RealRun = { ...run, replication };
      (run.health.healthy ? healthy : unhealthy).push(real);
      plan.onRun?.(real, healthy.length);
      await measurePace();
    }
  } catch (error) {
    if (signal?.aborted !== true || healthy.length + unhealthy.length === 0) throw error;
    return { healthy, unhealthy, bursts, cutShort: "interrupted" };
  } finally {
    await deployment.stop();
  }
  return { healthy, unhealthy, bursts };
}

/** One run on a deployment of its own. `contents` are by the name of a pipeline. */
export async function singleRun(
  options: Parameters<typeof startDeployment>[0],
  contents: (pipeline: string) => readonly RequestContents[],
): Promise<MeasuredRun> {
  const deployment = await startDeployment(options);
  const { document, inputs, seed, signal, timeScale = 1 } = options;
  try {
    return await watchedRun(deployment, { document, inputs, seed, signal, contents }, timeScale);
  } finally {
    await deployment.stop();
  }
}

function repeatedRun(
  plan: RealRunPlan,
  deployment: Deployment,
  replication: number,
): Promise<MeasuredRun> {
  const { document, inputs, timeScale, signal } = plan;
  const seed = replicationSeed(document.run.seed, replication);
  const carried = plan.contents(seed);
  const contents = () => carried;
  const onProgress = ({ ended }: { readonly ended: number }) => plan.onProgress?.(ended);
  const options = { document, inputs, seed, contents, signal, onProgress };
  return watchedRun(deployment, options, timeScale);
}

/** A run, with an eye on what else the host does. */
async function watchedRun(
  deployment: Deployment,
  options: Parameters<typeof measuredRun>[1],
  timeScale: number,
): Promise<MeasuredRun> {
  const watch = watchHost(deployment.id);
  try {
    const run = await measuredRun(deployment, options);
    const host = await watch.stop();
    const latencyMs = (run.summary.metrics.latencyMeanMs ?? Number.NaN) * timeScale;
    return { ...run, health: runHealth(run.health, host, latencyMs) };
  } finally {
    watch.close();
  }
}
