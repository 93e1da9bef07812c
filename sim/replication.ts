/** One replication of one configuration: document in, metrics out, at once or in steps. Pure. */
import { arrivalSource } from "../core/arrivals/arrival-source.ts";
import { QueryStream } from "../core/arrivals/closed-loop.ts";
import { givenWarmupS } from "../core/arrivals/extent.ts";
import { compileSystem, type MeasuredInputs, traceSizesOf } from "../core/compile.ts";
import { finished } from "../core/iterables.ts";
import { mlperfMetrics } from "../core/metrics/mlperf.ts";
import type { RequestRows } from "../core/metrics/recorder.ts";
import { type RunSummary, summarize } from "../core/metrics/summary.ts";
import type { GanttBar } from "../core/results.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { sizeSource } from "../core/service.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import type { OwnSchedulers } from "../schedulers/own-scheduler.ts";
import { Simulation, type SimulationInput, type SimulationOutput } from "./simulation.ts";

/** Measured data and traces that a scenario names, by path as written in it. */
export interface SimulationInputs extends MeasuredInputs {
  readonly traces: Readonly<Record<string, readonly number[]>>;
  /** The scheduler files, loaded. Not plain data: processes and threads load them anew. */
  readonly own?: OwnSchedulers | undefined;
}

type RunOptions = Pick<
  SimulationInput,
  "ganttBars" | "latencySink" | "log" | "workSeed" | "maxEvents" | "maxJobs"
>;

/** `latencySink`: a `OneRunSeries` gives the figures intervals. `workSeed`: the same arrivals and branches, other times. */
interface ReplicationOptions extends RunOptions {
  readonly curve?: boolean;
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

export function runReplication(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  replication: number,
  options: ReplicationOptions = {},
): ReplicationResult {
  return finished(
    replicationSteps(document, inputs, replication, options, Number.POSITIVE_INFINITY),
  );
}

/** Some hundredths of a second. */
const EVENTS_A_STEP = 100_000;

/** The same in steps of about so many events. */
export function* replicationSteps(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  replication: number,
  options: ReplicationOptions = {},
  eventsAStep = EVENTS_A_STEP,
): Generator<undefined, ReplicationResult, void> {
  const { workload, run } = document;
  const seed = replicationSeed(run.seed, replication);
  const system = compileSystem(document, inputs);
  const traceUs = workload.arrivals === "trace" ? (inputs.traces[workload.file] ?? null) : null;
  const arrivals = arrivalSource(workload, seed, traceUs);
  const sizes = sizeSource(workload, seed, traceSizesOf(workload, inputs));
  const scheduler = createScheduler(document.scheduler, system, seed, inputs.own);
  const { curve = false, requests = null, ...rest } = options;
  const simulation = new Simulation({
    ...rest,
    ...{ system, scheduler, arrivals, seed, sizes, requests },
    warmupUs: Math.round(givenWarmupS(workload) * 1e6),
    ...(workload.client === undefined ? {} : { client: workload.client }),
    ...(run.maxDrainS === undefined ? {} : { maxDrainUs: run.maxDrainS * 1e6 }),
  });
  while (!simulation.advance(eventsAStep)) yield;
  const { recorder, events, stopped } = simulation.output();
  requests?.flush();
  const summary = summarize(recorder, { curve });
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
