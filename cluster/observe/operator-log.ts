/** The gateway's log: replicas that join or are lost, runs, and requests without a result. */
import type { System } from "../../core/system.ts";
import { type Logger, type Seldom, seldom } from "./logger.ts";
import type { RunningRequest, RunSink } from "./run-sink.ts";

export type OperatorLog = ReturnType<typeof operatorLog>;

/** A sink of every run, which hears besides of replicas and of the gateway. */
export function operatorLog(logger: Logger, { replicas, pools, pipelines }: System) {
  const isDetailed = logger.isLevelEnabled("debug");
  const warns = (message: string): Seldom =>
    seldom((count, latest) => logger.warn({ count, ...latest }, message));
  const refused = warns("requests refused");
  const dropped = warns("requests dropped: their latency goals had passed");
  const failed = warns("requests failed");
  const wasted = warns("batches failed");
  const fieldsOf = ({ pipeline, context }: RunningRequest): object => {
    const { requestId, traceparent } = context;
    return { pipeline: pipelines[pipeline].name, requestId, traceparent };
  };
  return {
    replicaChanged(replica: number, up: boolean, reason: string): void {
      const { name, pool } = replicas[replica];
      const fields = { replica: name, task: pools[pool].name, reason };
      if (up) logger.info(fields, "replica joined");
      else logger.warn(fields, "replica lost");
    },
    runStarted: (seed: string, scheduler: string): void =>
      logger.info({ seed, scheduler }, "run started"),
    /** The gateway refused a request before a run took it. */
    turnedAway: (reason: string): void => refused({ reason }),
    schedulerFailed: (reason: string): void =>
      logger.warn({ reason }, "the scheduler failed: fifo takes over"),
    draining: (inSystem: number): void =>
      logger.info({ inSystem }, "draining: taking no more requests"),
    ended(request, outcome, nowUs) {
      if (isDetailed) {
        const latencyMs = (nowUs - request.takenUs) / 1000;
        logger.debug({ ...fieldsOf(request), outcome, latencyMs }, "request ended");
      }
      if (outcome === "completed" || outcome === "cancelled") return;
      if (outcome === "refused") refused(fieldsOf(request));
      else if (outcome === "dropped") dropped(fieldsOf(request));
      else failed({ ...fieldsOf(request), error: request.error?.message });
    },
    wasted({ replica, requests }, reason) {
      const requestIds = requests.flatMap(({ context }) => context.requestId ?? []);
      wasted({ replica: replicas[replica].name, size: requests.length, reason, requestIds });
    },
    served({ replica, requests }, { serviceUs, hopUs }) {
      if (!isDetailed) return;
      const fields = { replica: replicas[replica].name, size: requests.length, serviceUs, hopUs };
      logger.debug(fields, "batch served");
    },
  } satisfies RunSink & Record<string, unknown>;
}
