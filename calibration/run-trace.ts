/**
 * The trace of a real run, from its log: what each request met, by which the simulator is fed the run's own history, and
 * the path that it took, by which both are compared.
 */
import { type LogEntry, RunLog } from "../engine/dispatch/run-log.ts";
import type { System } from "../engine/system/system.ts";
import type { RequestTrace, TracedJob } from "../sim/request-trace.ts";
import { servedBatches, workedBatches } from "./in-place.ts";

/** A job by its request, in order of arrival, and its task. */
type Member = readonly [request: number, task: number];

/** Follows the slots of requests, which are used again, through the entries of a log in order. */
class Slots {
  readonly #shift: number;
  readonly #requests = new Map<number, number>();
  count = 0;

  constructor({ pipelines }: Pick<System, "pipelines">) {
    this.#shift = Math.ceil(Math.log2(Math.max(...pipelines.map(({ tasks }) => tasks.length))));
  }

  arrive(slot: number): void {
    this.#requests.set(slot, this.count++);
  }

  request(slot: number): number {
    return this.#requests.get(slot) ?? -1;
  }

  member(job: number): Member {
    return [this.request(job >> this.#shift), job & ((1 << this.#shift) - 1)];
  }
}

/** Of a run whose clients do not try again, without language models and variants. Throws Fault("invalid-input") where it is no log. */
export function requestTrace(system: System, log: string): RequestTrace {
  const slots = new Slots(system);
  const trace: TracedJob[][] = [];
  const running = new Map<number, readonly Member[]>();
  const batches: (readonly Member[])[] = [];
  for (const [kind, first, ...rest] of RunLog.parse(log).entries) {
    if (kind === "arrive") {
      slots.arrive(first);
      trace.push([]);
    } else if (kind === "holds") {
      const [task, answer] = rest;
      trace[slots.request(first)]?.push({ task, holds: answer !== 0 });
    } else if (kind === "start") {
      running.set(
        first,
        rest.slice(1).map((job) => slots.member(job)),
      );
    } else if (kind === "served") {
      const members = running.get(first);
      if (members !== undefined) batches.push(members);
    }
  }
  const served = servedBatches(log).map((batch, i) => ({ ...batch, members: batches[i] }));
  for (const { replica, jobs, workUs, members } of workedBatches(system, served)) {
    const { meanUs, quantilesUs } = system.replicas[replica].service;
    const share = workUs / meanUs[jobs];
    const variate = quantilesUs === null ? share : -share;
    for (const [request, task] of members) trace[request]?.push({ task, variate });
  }
  return trace;
}

/** By request in order of arrival: the replicas and sizes of the batches that it was in, by task. */
export function pathsOf(system: System, entries: readonly LogEntry[]): readonly string[] {
  const slots = new Slots(system);
  const paths: string[][] = [];
  for (const [kind, first, ...rest] of entries) {
    if (kind === "arrive") {
      slots.arrive(first);
      paths.push([]);
    } else if (kind === "start") {
      const jobs = rest.slice(1);
      for (const [request, task] of jobs.map((job) => slots.member(job)))
        paths[request]?.push(`${task} on ${first} of ${jobs.length}`);
    }
  }
  return paths.map((path) => path.sort().join());
}
