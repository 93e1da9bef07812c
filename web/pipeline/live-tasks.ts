/** The tasks of a running deployment: how busy, how long the queue, which share of requests they get. */
import type { GatewayStatus } from "../../library/browser.ts";
import type { Sample } from "../shared/connection.ts";
import { meanOf, queueOf, replicasOf } from "../shared/tasks.ts";

export interface LiveTask {
  readonly up: number;
  readonly replicas: number;
  /** Mean of the replicas that are up, 0 to 1. */
  readonly utilizationRatio: number;
  readonly queue: number;
  readonly inFlight: number;
  readonly serviceP50Ms: number | null;
  readonly batchSizeMean: number | null;
  /** Jobs a second in the window of the samples; null while there is one sample only. */
  readonly jobsPerS: number | null;
}

/** Seconds over which rates are counted. */
const WINDOW_S = 10;

export function liveTask(
  samples: readonly Sample[],
  status: GatewayStatus,
  task: string,
): LiveTask {
  const own = replicasOf(status, task);
  const up = own.filter(({ state }) => state === "up");
  return {
    up: up.length,
    replicas: own.length,
    utilizationRatio: meanOf(up.map(({ utilizationRatio }) => utilizationRatio)) ?? 0,
    queue: queueOf(status, task),
    inFlight: own.reduce((sum, { inFlight }) => sum + inFlight, 0),
    serviceP50Ms: meanOf(up.map(({ serviceP50Ms }) => serviceP50Ms)),
    batchSizeMean: meanOf(up.map(({ batchSizeMean }) => batchSizeMean)),
    jobsPerS: jobsPerS(samples, task),
  };
}

function jobsPerS(samples: readonly Sample[], task: string): number | null {
  const last = samples.at(-1);
  const first = samples.find(({ atS }) => atS >= (last?.atS ?? 0) - WINDOW_S);
  if (last === undefined || first === undefined || first === last) return null;
  const seconds = (last.status.atMs - first.status.atMs) / 1000;
  // A replica that is gone takes its count along.
  return Math.max(0, jobsOf(last.status, task) - jobsOf(first.status, task)) / seconds;
}

function jobsOf(status: GatewayStatus, task: string): number {
  return replicasOf(status, task).reduce((sum, { jobs }) => sum + jobs, 0);
}
