/** "What if" beside a real cluster: its scenario, its measurements, and configurations for it. */
import type { KeptScenario } from "../../library/browser.ts";
import { setReplicas } from "../measure/case-runs.ts";
import type { Deployed, SchedulerDocument } from "../shared/api.ts";
import type { Client } from "../shared/client.ts";
import type { Sample } from "../shared/connection.ts";
import { type Choices, policiesOf } from "./choices.ts";
import type { MeasuredPoint } from "./result-charts.tsx";

/** The deployment's scenario as the simulator takes it. */
export function scenarioOf({ document, profiles, overheadProfile }: Deployed): KeptScenario {
  const kept = { document, profiles, ...(overheadProfile == null ? {} : { overheadProfile }) };
  return kept as unknown as KeptScenario;
}

const MOST_POINTS = 60;

/**
 * The latest samples of the server with answers, each at the rate of its answers. All pipelines together
 * have no quantiles, so there are none of deployments with several.
 */
export function measuredOf(samples: readonly Sample[]): readonly MeasuredPoint[] {
  return samples.slice(-MOST_POINTS).flatMap(({ status: { pipelines, replicas } }) => {
    const [own, ...others] = pipelines;
    if (own === undefined || others.length > 0 || own.completedPerS === 0) return [];
    const { completedPerS, latencyP50Ms, latencyP99Ms } = own;
    const busy = replicas.reduce((sum, one) => sum + one.utilizationRatio, 0) / replicas.length;
    const metrics = {
      ...(latencyP50Ms === null ? {} : { latencyP50Ms }),
      ...(latencyP99Ms === null ? {} : { latencyP99Ms }),
      utilizationRatio: busy,
    };
    return [{ load: completedPerS, metrics }];
  });
}

/** A configuration for a real cluster. */
export interface ClusterChange {
  readonly replicas: Readonly<Record<string, number>>;
  readonly choices: Choices;
}

/** Gives the cluster the replicas, and the scheduler where it was chosen. Rejects with the server's words. */
export async function sendToCluster(
  client: Client,
  { replicas, choices }: ClusterChange,
): Promise<void> {
  const policies = Object.entries(policiesOf(choices)).map(([path, choice]) => [
    path.replace("scheduler.", ""),
    choice,
  ]);
  if (choices.scheduler !== undefined || policies.length > 0) {
    const { scheduler: now } = await client.json<{ scheduler: SchedulerDocument }>("/v1/scheduler");
    const base = choices.scheduler ?? now;
    const own = typeof base === "string" ? { preset: base } : base;
    const scheduler = policies.length === 0 ? base : { ...own, ...Object.fromEntries(policies) };
    await client.json("/v1/scheduler", { method: "PUT", body: { scheduler } });
  }
  await setReplicas(client, replicas, new AbortController().signal);
}
