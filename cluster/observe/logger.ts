/** Logs as lines of JSON, by pino and `LOG_LEVEL`; frequent events once a second, with a count. */
import {
  destination,
  type Level,
  levels,
  type Logger as PinoLogger,
  pino,
  stdTimeFunctions,
} from "pino";
import type { System } from "../../engine/system/system.ts";
import { LOG_FD } from "../processes/child-side.ts";
import type { RunningRequest, RunSink } from "./run-sink.ts";

export type Logger = Pick<PinoLogger, "debug" | "info" | "warn" | "error" | "isLevelEnabled">;

const DEFAULT_LEVEL = "info";

/** Writes a line before the call returns, so that the last lines of a dying process are kept. */
export function createLogger(name: string, level = process.env.LOG_LEVEL): Logger {
  const wanted = level?.toLowerCase() ?? DEFAULT_LEVEL;
  const known = wanted === "silent" || wanted in levels.values;
  const stream = destination({ dest: LOG_FD, sync: true });
  // A closed output must not end the process.
  stream.on("error", () => undefined);
  const logger = pino(
    {
      name,
      level: known ? (wanted as Level) : DEFAULT_LEVEL,
      timestamp: stdTimeFunctions.isoTime,
      base: { pid: process.pid },
      formatters: { level: (label) => ({ level: label }) },
    },
    stream,
  );
  if (!known) {
    const fields = { given: level, known: [...Object.keys(levels.values), "silent"] };
    logger.warn(fields, `LOG_LEVEL is no level: logging at ${DEFAULT_LEVEL}`);
  }
  return logger;
}

/** Takes the fields of an event that may be frequent. */
export type Seldom = (fields: object) => void;

/** Reports an event at once, then at most once in an interval, with its count and its latest fields. */
export function seldom(say: (count: number, fields: object) => void, everyMs = 1000): Seldom {
  let count = 0;
  let latest: object = {};
  let timer: NodeJS.Timeout | null = null;
  const flush = (): void => {
    timer = null;
    if (count === 0) return;
    say(count, latest);
    count = 0;
    timer = setTimeout(flush, everyMs).unref();
  };
  return (fields) => {
    count++;
    latest = fields;
    if (timer === null) flush();
  };
}

export type OperatorLog = ReturnType<typeof operatorLog>;

/** The gateway's log, of its runs, replicas and requests without a result: a sink of every run. */
export function operatorLog(logger: Logger, { replicas, pools, pipelines }: System) {
  const isDetailed = logger.isLevelEnabled("debug");
  const warns = (message: string): Seldom =>
    seldom((count, latest) => logger.warn({ count, ...latest }, message));
  const refused = warns("requests refused");
  const dropped = warns("requests dropped: the latencies of their SLOs had passed");
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
