/** "What if" beside a real cluster: its scenario, its measurements, and configurations for it. */
import { setReplicas } from "../measure/case-runs.ts";
import type { SchedulerDocument } from "../shared/api.ts";
import type { Client } from "../shared/client.ts";
import type { Sample } from "../shared/connection.ts";
import { type Choices, policiesOf } from "./choices.ts";
import type { MeasuredPoint } from "./result-charts.tsx";

const MOST_POINTS = 60;

/** The latest samples of the server with answers, each at the rate of its answers. */
export function measuredOf(samples: readonly Sample[]): readonly MeasuredPoint[] {
  return samples.slice(-MOST_POINTS).flatMap(({ status: { all, replicas } }) => {
    const { completedPerS, ...latencies } = all;
    if (completedPerS === 0) return [];
    const busy = replicas.reduce((sum, one) => sum + one.utilizationRatio, 0) / replicas.length;
    return [{ load: completedPerS, metrics: { ...latencies, utilizationRatio: busy } }];
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
