/** "What if" beside a real cluster: its scenario, its measurements, and configurations for it. */
import type { GatewayStatus } from "../../library/browser.ts";
import { setReplicas } from "../measure/case-runs.ts";
import { type Deployed, replicasOf, type SchedulerDocument, tasksOf } from "../shared/api.ts";
import type { Client } from "../shared/client.ts";
import type { Sample } from "../shared/connection.ts";
import { mean } from "../shared/format.ts";
import { type Choices, policiesOf } from "./choices.ts";

const MOST_POINTS = 60;

/** Metrics of a real run at one load, in the units of the axis. */
export interface MeasuredPoint {
  readonly load: number;
  /** By metric, as results name them: `latencyP99Ms`, `sloAttainmentRatio`. */
  readonly metrics: Readonly<Record<string, number | null>>;
}

/** Measurements of the cluster as it runs now. */
export interface Measured {
  /** `detect 2 · plate 1 · fifo`: replicas that are up, and the scheduler. */
  readonly configuration: string;
  readonly points: readonly MeasuredPoint[];
}

/**
 * The latest samples of the server with answers, each at the rate of its answers. Leaves out those of
 * another configuration; a sample tells of the `windowS` seconds before it.
 */
export function measuredOf(samples: readonly Sample[]): Measured {
  const last = samples.at(-1);
  const configuration = last === undefined ? "" : configurationOf(last.status);
  const before = samples.findLast(({ status }) => configurationOf(status) !== configuration);
  const sinceS = before === undefined ? 0 : before.atS + before.status.windowS;
  const points = samples.slice(-MOST_POINTS).flatMap(({ atS, status: { all, replicas } }) => {
    const { completedPerS, ...latencies } = all;
    if (completedPerS === 0 || atS <= sinceS) return [];
    const busy = mean(replicas.map(({ utilizationRatio }) => utilizationRatio));
    return [{ load: completedPerS, metrics: { ...latencies, utilizationRatio: busy } }];
  });
  return { configuration, points };
}

function configurationOf(status: GatewayStatus): string {
  const counts = tasksOf(status).map((task) => {
    const up = replicasOf(status, task).filter(({ state }) => state === "up");
    return `${task} ${up.length}`;
  });
  return [...counts, status.scheduler].join(" · ");
}

/** A configuration for a real cluster. */
export interface ClusterChange {
  readonly replicas: Readonly<Record<string, number>>;
  readonly choices: Choices;
}

/**
 * Gives the cluster the replicas, and the scheduler where it was chosen. Rejects with the server's words;
 * where it has no room for the replicas, before anything is changed.
 */
export async function sendToCluster(
  client: Client,
  room: Deployed["room"],
  { replicas, choices }: ClusterChange,
): Promise<void> {
  for (const [task, count] of Object.entries(replicas)) {
    if (count <= room[task]) continue;
    throw new Error(
      `the cluster has room for ${room[task]} of ${task}, not for ${count}: ` +
        "`tandem cluster up --spare N` gives it more",
    );
  }
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
  await setReplicas(client, replicas);
}
