/** The answer to `GET /status`: replicas, pipelines and scheduler at this moment. */
import { OUTCOMES } from "../../core/dispatch/driver.ts";
import type { GatewayStatus, ReplicaStatus } from "../../core/gateway-status.ts";
import { monotonicUs } from "../time/monotonic.ts";
import type { GatewayCounts, WindowSum } from "./gateway-counts.ts";

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

export function gatewayStatus(
  counts: GatewayCounts,
  state: GatewayState,
  scheduler: string,
): GatewayStatus {
  const nowUs = monotonicUs();
  const sinceUs = nowUs - WINDOW_S * 1e6;
  const completed = OUTCOMES.indexOf("completed");
  const queues = replicaQueues(counts, state);
  const { recent, pipelines } = counts;
  const [allP50, allP95, allP99] = recent.quantilesSince(sinceUs, [0.5, 0.95, 0.99]);
  return {
    atMs: nowUs / 1000,
    scheduler,
    windowS: WINDOW_S,
    replicas: counts.replicas.flatMap((replica, i) => {
      if (!state.replicas[i].there) return [];
      const { name, task, node, inFlight, batches, jobs, busyS } = replica;
      const [p50, p99] = replica.recent.quantilesSince(sinceUs, [0.5, 0.99]);
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
    all: {
      completedPerS: perS(
        pipelines.map(({ completedLately }) => completedLately),
        nowUs,
      ),
      ...{ latencyP50Ms: allP50, latencyP95Ms: allP95, latencyP99Ms: allP99 },
    },
    pipelines: pipelines.map((pipeline) => {
      const { name, inFlight, outcomes, recent } = pipeline;
      const [p50, p99] = recent.quantilesSince(sinceUs, [0.5, 0.99]);
      const failures = OUTCOMES.flatMap((reason, i) =>
        i === completed || outcomes[i] === 0 ? [] : [[reason, outcomes[i]] as const],
      );
      return {
        ...{ name, inFlight, completed: outcomes[completed] },
        failures: Object.fromEntries(failures),
        completedPerS: perS([pipeline.completedLately], nowUs),
        failedPerS: perS([pipeline.failedLately], nowUs),
        latencyP50Ms: p50,
        latencyP99Ms: p99,
      };
    }),
  };
}

function perS(sums: readonly WindowSum[], nowUs: number): number {
  return sums.reduce((total, sum) => total + sum.total(nowUs, WINDOW_S), 0) / WINDOW_S;
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
