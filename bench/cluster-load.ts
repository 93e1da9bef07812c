/** Clients that wait for their answers, one or several at a time, and what that took. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { monotonicUs } from "../cluster/time/clock.ts";
import { selectQuantile } from "../core/statistics/estimate.ts";

export interface Latency {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Rate {
  readonly perS: number;
  /** Processor time of client and of all servers, per request. */
  readonly clientUs: number;
  readonly serversUs: number;
}

const WARM_UP_CALLS = 200;
/** Linux counts processor time in hundredths of a second. */
const TICK_US = 10_000;

/** Sends one request at a time. */
export async function latencyOf(send: () => Promise<void>, seconds: number): Promise<Latency> {
  const took: number[] = [];
  for (let i = 0; i < WARM_UP_CALLS; i++) await send();
  for (const endUs = monotonicUs() + seconds * 1e6; monotonicUs() < endUs; ) {
    const startUs = monotonicUs();
    await send();
    took.push((monotonicUs() - startUs) / 1000);
  }
  const quantile = (q: number): number => selectQuantile(Float64Array.from(took), q);
  return { p50Ms: quantile(0.5), p99Ms: quantile(0.99) };
}

/** So many requests in flight all the time. */
export async function rateOf(
  send: () => Promise<void>,
  atOnce: number,
  seconds: number,
  pids: readonly number[],
): Promise<Rate> {
  let ended = 0;
  const startUs = monotonicUs();
  const endUs = startUs + seconds * 1e6;
  const serversBefore = pids.map(processorUs);
  const clientBefore = process.cpuUsage();
  const client = async (): Promise<void> => {
    for (; monotonicUs() < endUs; ended++) await send();
  };
  await Promise.all(Array.from({ length: atOnce }, client));
  const { user, system } = process.cpuUsage(clientBefore);
  const perS = (ended * 1e6) / (monotonicUs() - startUs);
  const serversUs = pids.reduce((sum, pid, i) => sum + processorUs(pid) - serversBefore[i], 0);
  return { perS, clientUs: (user + system) / ended, serversUs: serversUs / ended };
}

/** A process and all that it has started, as Linux tells it. */
export function withDescendants(pid: number): readonly number[] {
  if (!existsSync("/proc/self/stat")) return [pid];
  const parents = readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .map((name) => ({ pid: Number(name), parent: Number(statOf(name)?.[1]) }));
  const found = [pid];
  for (const one of found) {
    for (const other of parents) if (other.parent === one) found.push(other.pid);
  }
  return found;
}

/** Processor time that a process has had; NaN where the system does not tell. */
function processorUs(pid: number): number {
  const fields = statOf(pid);
  return fields === null ? Number.NaN : (Number(fields[11]) + Number(fields[12])) * TICK_US;
}

/** The fields after the name in /proc/PID/stat; null for a process that has ended. */
function statOf(pid: number | string): readonly string[] | null {
  try {
    return readFileSync(`/proc/${pid}/stat`, "utf8").split(") ").at(-1)?.split(" ") ?? null;
  } catch {
    return null;
  }
}
