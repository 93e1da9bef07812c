/** What `GET /status` answers: the state of replicas, pipelines and scheduler at this moment. */
import { OUTCOMES } from "../../core/dispatch/driver.ts";
import type { GatewayState } from "../gateway/gateway.ts";
import { monotonicUs } from "../monotonic.ts";
import type { GatewayCounts } from "./gateway-counts.ts";

/** Quantiles and utilisation are of the last so many seconds. */
export const WINDOW_S = 10;

export interface ReplicaStatus {
  readonly name: string;
  readonly task: string;
  readonly state: "up" | "draining" | "down";
  readonly inFlight: number;
  /** Jobs in a queue of its own; null where the task has one queue for all its replicas. */
  readonly queue: number | null;
  /** Since the gateway's start. */
  readonly batches: number;
  readonly jobs: number;
  readonly busyS: number;
  readonly losses: number;
  /** Of its service times in the window; null without any. */
  readonly serviceP50Ms: number | null;
  readonly serviceP99Ms: number | null;
}

export interface PipelineStatus {
  readonly name: string;
  readonly inFlight: number;
  readonly completed: number;
  /** Requests without a result since the gateway's start, by reason. */
  readonly failures: Readonly<Record<string, number>>;
  readonly latencyP50Ms: number | null;
  readonly latencyP99Ms: number | null;
}

export interface TaskStatus {
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
    replicas: counts.replicas.map(({ name, task, inFlight, batches, jobs, busyS, recent }, i) => {
      const [p50, p99] = recent.quantilesSince(sinceUs, [0.5, 0.99]) ?? [null, null];
      return {
        ...{ name, task, inFlight, queue: queues[i], batches, jobs, busyS },
        state: state.replicas[i].state,
        losses: state.replicas[i].losses,
        serviceP50Ms: p50,
        serviceP99Ms: p99,
      };
    }),
    tasks: counts.tasks.map(({ name }, pool) => ({ name, queue: state.waiting[pool][0] })),
    pipelines: counts.pipelines.map(({ name, inFlight, outcomes, recent }) => {
      const [p50, p99] = recent.quantilesSince(sinceUs, [0.5, 0.99]) ?? [null, null];
      const failures = OUTCOMES.flatMap((reason, i) =>
        i === completed || outcomes[i] === 0 ? [] : [[reason, outcomes[i]] as const],
      );
      return {
        ...{ name, inFlight, completed: outcomes[completed] },
        failures: Object.fromEntries(failures),
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
