/** The answer to `GET /status`: replicas, pipelines and scheduler at this moment. */
import { OUTCOMES } from "../../core/dispatch/driver.ts";
import { monotonicUs } from "../time/monotonic.ts";
import type { GatewayCounts } from "./gateway-counts.ts";

/** A gateway's requests and replicas at one moment. */
export interface GatewayState {
  /** Requests without an answer. */
  readonly inSystem: number;
  /** By pool: jobs that wait in its own queue, then in each of its replicas'. */
  readonly waiting: readonly (readonly number[])[];
  readonly replicas: readonly {
    readonly name: string;
    readonly state: "up" | "draining" | "down";
    readonly losses: number;
    /** False: room for a replica that can be added. */
    readonly there: boolean;
  }[];
}

/** Quantiles, rates and utilisation cover the last so many seconds. */
const WINDOW_S = 10;

export interface ReplicaStatus {
  readonly name: string;
  readonly task: string;
  readonly node: string;
  readonly state: "up" | "draining" | "down";
  readonly inFlight: number;
  /** Jobs in a queue of its own; null where the task has one queue for all its replicas. */
  readonly queue: number | null;
  /** Since the gateway's start. */
  readonly batches: number;
  readonly jobs: number;
  readonly busyS: number;
  readonly losses: number;
  /** Share of the window in which it computed, and jobs in a batch; null without any. */
  readonly utilizationRatio: number;
  readonly batchSizeMean: number | null;
  /** Mean of its service times in the window; null without any. */
  readonly serviceP50Ms: number | null;
  readonly serviceP99Ms: number | null;
}

export interface PipelineStatus {
  readonly name: string;
  readonly inFlight: number;
  readonly completed: number;
  /** Requests without a result since the gateway's start, by reason. */
  readonly failures: Readonly<Record<string, number>>;
  /** In the window. */
  readonly completedPerS: number;
  readonly failedPerS: number;
  readonly latencyP50Ms: number | null;
  readonly latencyP99Ms: number | null;
}

interface TaskStatus {
  readonly name: string;
  /** Jobs in the queue that its replicas share. */
  readonly queue: number;
}

export interface GatewayStatus {
  /** By the gateway's monotonic clock: differences of two answers are rates. */
  readonly atMs: number;
  readonly scheduler: string;
  readonly windowS: number;
  readonly replicas: readonly ReplicaStatus[];
  readonly tasks: readonly TaskStatus[];
  readonly pipelines: readonly PipelineStatus[];
}

export function gatewayStatus(
  counts: GatewayCounts,
  state: GatewayState,
  scheduler: string,
): GatewayStatus {
  const nowUs = monotonicUs();
  const sinceUs = nowUs - WINDOW_S * 1e6;
  const completed = OUTCOMES.indexOf("completed");
  const queues = replicaQueues(counts, state);
  return {
    atMs: nowUs / 1000,
    scheduler,
    windowS: WINDOW_S,
    replicas: counts.replicas.flatMap((replica, i) => {
      if (!state.replicas[i].there) return [];
      const { name, task, node, inFlight, batches, jobs, busyS } = replica;
      const [p50, p99] = replica.recent.quantilesSince(sinceUs, [0.5, 0.99]) ?? [null, null];
      const lately = replica.batchesLately.total(nowUs, WINDOW_S);
      const status: ReplicaStatus = {
        ...{ name, task, node, inFlight, queue: queues[i], batches, jobs, busyS },
        state: state.replicas[i].state,
        losses: state.replicas[i].losses,
        utilizationRatio: Math.min(1, replica.busyLately.total(nowUs, WINDOW_S) / WINDOW_S),
        batchSizeMean: lately === 0 ? null : replica.jobsLately.total(nowUs, WINDOW_S) / lately,
        serviceP50Ms: p50,
        serviceP99Ms: p99,
      };
      return [status];
    }),
    tasks: counts.tasks.map(({ name }, pool) => ({ name, queue: state.waiting[pool][0] })),
    pipelines: counts.pipelines.map((pipeline) => {
      const { name, inFlight, outcomes, recent } = pipeline;
      const [p50, p99] = recent.quantilesSince(sinceUs, [0.5, 0.99]) ?? [null, null];
      const failures = OUTCOMES.flatMap((reason, i) =>
        i === completed || outcomes[i] === 0 ? [] : [[reason, outcomes[i]] as const],
      );
      return {
        ...{ name, inFlight, completed: outcomes[completed] },
        failures: Object.fromEntries(failures),
        completedPerS: pipeline.completedLately.total(nowUs, WINDOW_S) / WINDOW_S,
        failedPerS: pipeline.failedLately.total(nowUs, WINDOW_S) / WINDOW_S,
        latencyP50Ms: p50,
        latencyP99Ms: p99,
      };
    }),
  };
}

/** By replica, in the system's order: pools have their replicas one after another. */
function replicaQueues(
  { tasks, replicas }: GatewayCounts,
  { waiting }: GatewayState,
): readonly (number | null)[] {
  return waiting.flatMap(([, ...own], pool) => {
    if (own.length > 0) return own;
    return replicas.filter(({ task }) => task === tasks[pool].name).map(() => null);
  });
}
