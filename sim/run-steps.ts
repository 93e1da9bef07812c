/** One run from its description to its figures, at once or in steps. */
import { arrivalSource, givenWarmupS } from "../engine/arrivals/arrival-source.ts";
import { QueryStream } from "../engine/arrivals/sources.ts";
import type { GanttBar } from "../engine/metrics/figures.ts";
import { mlperfMetrics } from "../engine/metrics/mlperf.ts";
import type { RequestRows } from "../engine/metrics/recorder.ts";
import { type Asked, type RunSummary, summarize } from "../engine/metrics/summary.ts";
import type { Run } from "../engine/run.ts";
import { sizeSource } from "../engine/service/service.ts";
import { Simulation, type SimulationInput, type SimulationOutput } from "./simulation.ts";

type SimulationOptions = Pick<
  SimulationInput,
  "ganttBars" | "latencySink" | "log" | "workSeed" | "trace" | "maxEvents" | "maxJobs"
>;

/** `latencySink`: a `OneRunSeries` gives the figures intervals. `workSeed`: the same arrivals and branches, other times. */
export interface RunOptions extends SimulationOptions, Partial<Asked> {
  /** Gets a row for each request, warm-up included. */
  readonly requests?: RequestRows | null;
  /** Calls the scheduler's code; a user's own gets guards around it. */
  readonly running?: <T>(work: () => T) => T;
}

export interface RunResult {
  readonly summary: RunSummary;
  readonly gantt: readonly GanttBar[];
  readonly events: number;
}

/** Some hundredths of a second. */
const EVENTS_A_STEP = 100_000;

/** In steps of about so many events, asked for anew before each. */
export function* runSteps(
  run: Run,
  options: RunOptions = {},
  eventsAStep = () => EVENTS_A_STEP,
): Generator<undefined, RunResult, void> {
  const { system, workload, traceUs, traceSizes, scheduler, seed, maxDrainUs } = run;
  const { curve = false, shares, requests = null, running = (work) => work(), ...rest } = options;
  const arrivals = arrivalSource(workload, seed, traceUs);
  const simulation = new Simulation({
    ...rest,
    system,
    scheduler,
    arrivals,
    seed,
    sizes: sizeSource(workload, seed, traceSizes),
    requests,
    warmupUs: Math.round(givenWarmupS(workload) * 1e6),
    ...(workload.client === undefined ? {} : { client: workload.client }),
    ...(maxDrainUs === undefined ? {} : { maxDrainUs }),
  });
  while (!running(() => simulation.advance(eventsAStep()))) yield;
  const { recorder, events, stopped } = simulation.output();
  requests?.flush();
  const summary = summarize(recorder, { curve, shares });
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
      return "some requests never ended: no replica that they need comes back, or the scheduler starts them on none";
  }
}
