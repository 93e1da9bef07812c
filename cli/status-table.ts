/** What is up, as text: tables of pipelines and replicas, as wide as the terminal. */

import type { ClusterState, ClusterStatus } from "../cluster/deploy/state.ts";
import type { GatewayStatus, PipelineStatus, ReplicaStatus } from "../cluster/observe/status.ts";
import { type Cell, tableOfWidth } from "./table-of-width.ts";

/** In order of what is left out last when the terminal is narrow. */
const REPLICA_COLUMNS = [
  ...["replica", "state", "busy", "p50 ms", "p99 ms", "queue", "running"],
  ...["batch", "losses", "pid", "node"],
] as const;

const PIPELINE_COLUMNS = [
  ...["pipeline", "done/s", "p50 ms", "p99 ms", "failed/s", "in flight", "done", "failed"],
] as const;

export function statusText(status: ClusterStatus | null, width: number): string {
  if (status === null) return "no cluster is up in this folder";
  const { state, alive, now } = status;
  const head = headText(state, width);
  if (!alive) return `${head}\n\nthe gateway does not answer`;
  if (now === null) return `${head}\n\nthe gateway tells its state to admins only: --token-file`;
  return [
    head,
    `scheduler ${now.scheduler}; rates and quantiles of the last ${now.windowS} s`,
    "",
    tableOfWidth(PIPELINE_COLUMNS, now.pipelines.map(pipelineCells), width),
    "",
    tableOfWidth(REPLICA_COLUMNS, now.replicas.map(replicaCells(state)), width),
    ...sharedQueues(now),
  ].join("\n");
}

function headText({ scenario, backend, gateway, startedAt }: ClusterState, width: number): string {
  const parts = [
    `${scenario} on the ${backend} backend`,
    `gRPC ${gateway.grpc}`,
    `REST ${gateway.http}`,
    `gateway pid ${gateway.pid}`,
    `up since ${startedAt.slice(0, 19).replace("T", " ")}`,
  ];
  const lines: string[] = [];
  for (const part of parts) {
    const last = lines.at(-1);
    if (last === undefined || last.length + 3 + part.length > width) lines.push(part);
    else lines[lines.length - 1] = `${last} · ${part}`;
  }
  return lines.join("\n");
}

function pipelineCells(pipeline: PipelineStatus): readonly Cell[] {
  const { name, completedPerS, failedPerS, inFlight, completed, failures } = pipeline;
  const failed = Object.values(failures).reduce((sum, count) => sum + count, 0);
  return [
    { text: name },
    { text: completedPerS.toFixed(1), numeric: true },
    ms(pipeline.latencyP50Ms),
    ms(pipeline.latencyP99Ms),
    { text: failedPerS.toFixed(1), numeric: true },
    { text: String(inFlight), numeric: true },
    { text: String(completed), numeric: true },
    { text: String(failed), numeric: true },
  ];
}

function replicaCells({ workers }: ClusterState): (replica: ReplicaStatus) => readonly Cell[] {
  const pids = new Map(workers.map(({ replica, pid }) => [replica, pid]));
  return (replica) => [
    { text: replica.name },
    { text: replica.state },
    { text: `${(100 * replica.utilizationRatio).toFixed(0)}%`, numeric: true },
    ms(replica.serviceP50Ms),
    ms(replica.serviceP99Ms),
    { text: replica.queue === null ? "shared" : String(replica.queue), numeric: true },
    { text: String(replica.inFlight), numeric: true },
    { text: replica.batchSizeMean?.toFixed(1) ?? "—", numeric: true },
    { text: String(replica.losses), numeric: true },
    { text: String(pids.get(replica.name) ?? "—"), numeric: true },
    { text: replica.node },
  ];
}

function sharedQueues({ tasks, replicas }: GatewayStatus): readonly string[] {
  const shared = tasks.filter(({ name }) =>
    replicas.some(({ task, queue }) => task === name && queue === null),
  );
  if (shared.length === 0) return [];
  return [
    "",
    `waiting in shared queues: ${shared.map(({ name, queue }) => `${name} ${queue}`).join(", ")}`,
  ];
}

function ms(value: number | null): Cell {
  return { text: value === null ? "—" : value.toFixed(value < 100 ? 1 : 0), numeric: true };
}
