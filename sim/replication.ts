/** One replication of one configuration: document in, metrics out. Synchronous and pure. */
import { arrivalSource } from "../core/arrivals/arrival-source.ts";
import { QueryStream } from "../core/arrivals/closed-loop.ts";
import { givenWarmupS } from "../core/arrivals/extent.ts";
import { compileSystem, type MeasuredInputs, traceSizesOf } from "../core/compile.ts";
import { mlperfMetrics } from "../core/metrics/mlperf.ts";
import type { LatencySink, RequestRows } from "../core/metrics/recorder.ts";
import { type RunSummary, summarize } from "../core/metrics/summary.ts";
import type { GanttBar } from "../core/results.ts";
import type { RunLog } from "../core/run-log.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { sizeSource } from "../core/service.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import type { OwnSchedulers } from "../schedulers/own-scheduler.ts";
import { openSimulation, type SimulationOutput } from "./simulation.ts";

/** Measured data and traces that a scenario names, by path as written in it. */
export interface SimulationInputs extends MeasuredInputs {
  readonly traces: Readonly<Record<string, readonly number[]>>;
  /** The scheduler files, loaded. Not plain data: processes and threads load them anew. */
  readonly own?: OwnSchedulers | undefined;
}

export interface ReplicationOptions {
  readonly curve?: boolean;
  readonly ganttBars?: number;
  /** Hears every latency that counts; a `OneRunSeries` gives the figures intervals. */
  readonly latencySink?: LatencySink;
  readonly log?: RunLog;
  /** Another seed for the requests' shares of work: the same arrivals and branches, other times. */
  readonly workSeed?: string;
  readonly maxEvents?: number;
  readonly maxJobs?: number;
  /** Gets a row for each request, warm-up included. */
  readonly requests?: RequestRows | null;
}

export interface ReplicationResult {
  readonly summary: RunSummary;
  readonly gantt: readonly GanttBar[];
  readonly events: number;
}

/** The seed text of a replication: what every named stream of that run is derived from. */
export function replicationSeed(seed: number, replication: number): string {
  return `${seed}/${replication}`;
}

/** A replication that goes on as far as its caller asks. */
export interface OpenReplication {
  /** Goes on for `events` events and a few more; whether the run has ended. */
  advance(events: number): boolean;
  /** Call it once, after the end. */
  result(): ReplicationResult;
}

export function runReplication(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  replication: number,
  options: ReplicationOptions = {},
): ReplicationResult {
  const run = openReplication(document, inputs, replication, options);
  run.advance(Number.POSITIVE_INFINITY);
  return run.result();
}

export function openReplication(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  replication: number,
  options: ReplicationOptions = {},
): OpenReplication {
  const { workload, run } = document;
  const seed = replicationSeed(run.seed, replication);
  const system = compileSystem(document, inputs);
  const traceUs = workload.arrivals === "trace" ? (inputs.traces[workload.file] ?? null) : null;
  const arrivals = arrivalSource(workload, seed, traceUs);
  const sizes = sizeSource(workload, seed, traceSizesOf(workload, inputs));
  const scheduler = createScheduler(document.scheduler, system, seed, inputs.own);
  const simulation = openSimulation({
    system,
    scheduler,
    arrivals,
    seed,
    warmupUs: Math.round(givenWarmupS(workload) * 1e6),
    ...(sizes === null ? {} : { sizes }),
    ...(workload.client === undefined ? {} : { client: workload.client }),
    ...(run.maxDrainS === undefined ? {} : { maxDrainUs: run.maxDrainS * 1e6 }),
    ...(options.ganttBars === undefined ? {} : { ganttBars: options.ganttBars }),
    ...(options.workSeed === undefined ? {} : { workSeed: options.workSeed }),
    ...(options.latencySink === undefined ? {} : { latencySink: options.latencySink }),
    ...(options.log === undefined ? {} : { log: options.log }),
    ...(options.maxJobs === undefined ? {} : { maxJobs: options.maxJobs }),
    ...(options.maxEvents === undefined ? {} : { maxEvents: options.maxEvents }),
    ...(options.requests == null ? {} : { requests: options.requests }),
  });
  const result = (): ReplicationResult => {
    const { recorder, events, stopped } = simulation.output();
    options.requests?.flush();
    const summary = summarize(recorder, { curve: options.curve ?? false });
    const notes = [...summary.notes];
    if (stopped !== null) notes.push(stopNote(stopped, events));
    const { ceiling } = scheduler.admission;
    if (ceiling !== undefined && recorder.outcomes.refused > 0) notes.push(ceilingNote(ceiling));
    const queries = arrivals instanceof QueryStream ? arrivals.latencies : null;
    const reported = mlperfMetrics(workload, summary.metrics, queries);
    const metrics = Object.assign({}, summary.metrics, reported);
    return {
      summary: Object.assign({}, summary, { metrics, notes }),
      gantt: recorder.bars,
      events,
    };
  };
  return { advance: (events) => simulation.advance(events), result };
}

function ceilingNote(requests: number): string {
  const most = requests.toLocaleString("en-US");
  return `requests were refused that came while ${most} were in the system, the bound of any run`;
}

/** The same words for every replication, so that they are said once. */
function stopNote(stopped: NonNullable<SimulationOutput["stopped"]>, events: number): string {
  switch (stopped) {
    case "max-events":
      return `stopped after ${events} events, before every request had ended`;
    case "max-drain":
      return "stopped long after the last arrival, before every request had ended";
    case "crowded":
      return "stopped with more jobs in the system than memory is for, before every request had ended";
    case "dead":
      return "some requests never ended: no replica that they need comes back";
  }
}
