/** Replications of one configuration: document in, metrics out, at once or in steps; its load, and its warm-up. Pure. */
import { isSpanned } from "../engine/arrivals/arrival-source.ts";
import { finished } from "../engine/basics/iterables.ts";
import { type Batches, BatchSeries, mser5 } from "../engine/metrics/one-run.ts";
import type { Run } from "../engine/run.ts";
import { offeredRatePerS } from "../engine/stability/judge-stability.ts";
import { type OfferedLoad, offeredLoad } from "../engine/stability/offered-load.ts";
import { meanOf } from "../engine/statistics/estimate.ts";
import { reachableShare } from "../engine/system/faults.ts";
import { membersOf } from "../engine/system/system.ts";
import { type DrawnRun, drawsOf } from "../results/input-effects.ts";
import type { ServingCapacity } from "../scenario/checks/checks.ts";
import { compileSystem, type MeasuredInputs } from "../scenario/compile/compile.ts";
import { drawnInputs } from "../scenario/compile/input-draws.ts";
import { traceSizesOf } from "../scenario/compile/trace-rows.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { createScheduler, traitsOf } from "../schedulers/create-scheduler.ts";
import type { OwnSchedulers } from "../schedulers/own-scheduler.ts";
import { type RunOptions, type RunResult, runSteps } from "./run-steps.ts";

/** Measured data and traces that a scenario names, by path as written in it. */
export interface SimulationInputs extends MeasuredInputs {
  readonly traces: Readonly<Record<string, readonly number[]>>;
  /** The scheduler files, loaded. Not plain data: processes and threads load them anew. */
  readonly own?: OwnSchedulers | undefined;
}

/** The seed text of a replication: what every named stream of that run is derived from. */
export function replicationSeed(seed: number, replication: number): string {
  return `${seed}/${replication}`;
}

export function runReplication(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  replication: number,
  options: RunOptions = {},
): RunResult {
  return finished(replicationSteps(document, inputs, replication, options));
}

/** A configuration without its scheduler and seed: compiled once for all its replications. */
type Compiled = Omit<Run, "scheduler" | "seed">;

const COMPILED = new WeakMap<MeasuredInputs, WeakMap<ScenarioDocument, Compiled>>();

/** Slow replicas keep their pace in the system, so such a system is made anew for each run. */
function compiled(document: ScenarioDocument, inputs: SimulationInputs): Compiled {
  const ofInputs = COMPILED.get(inputs) ?? new WeakMap<ScenarioDocument, Compiled>();
  const known = ofInputs.get(document);
  if (known !== undefined) return known;
  COMPILED.set(inputs, ofInputs);
  const { workload, run } = document;
  const made: Compiled = {
    system: compileSystem(document, inputs),
    workload,
    traceUs: workload.arrivals === "trace" ? (inputs.traces[workload.file] ?? null) : null,
    traceSizes: traceSizesOf(workload, inputs),
    maxDrainUs: run.maxDrainS === undefined ? undefined : run.maxDrainS * 1e6,
  };
  const isShareable = (made.system.faults?.slowable.size ?? 0) === 0;
  if (isShareable) ofInputs.set(document, made);
  return made;
}

/** The same in steps of about so many events. */
export function* replicationSteps(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  replication: number,
  options: RunOptions = {},
  eventsAStep?: () => number,
): Generator<undefined, RunResult, void> {
  const run = compiled(document, inputs);
  const seed = replicationSeed(document.run.seed, replication);
  const running = inputs.own?.running;
  const make = () => createScheduler(document.scheduler, run.system, seed, inputs.own);
  const scheduler = running === undefined ? make() : running(make);
  const guarded = running === undefined ? options : { ...options, running };
  return yield* runSteps({ ...run, scheduler, seed }, guarded, eventsAStep);
}

/**
 * How far the share of time for which replicas of each pool could be reached is above what it is expected to be; nothing
 * where some of that is not known beforehand.
 */
export function availabilityControls(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  { tasks }: Pick<RunResult["summary"], "tasks">,
): readonly number[] {
  const { warmupS, durationS } = document.workload as { warmupS: unknown; durationS?: number };
  if (typeof warmupS !== "number" || durationS === undefined) return [];
  if ((document.faults?.random ?? []).length === 0) return [];
  const { system } = compiled(document, inputs);
  if (traitsOf(document.scheduler, system, inputs.own).scales) return [];
  const controls = system.pools.flatMap((pool) => {
    const shares = membersOf(pool).map((replica) =>
      reachableShare(system.faults, replica, warmupS * 1e6, durationS * 1e6),
    );
    if (shares.includes(null)) return [null];
    const expected = meanOf(shares as number[]);
    return expected === 1 ? [] : [tasks[pool.name].availabilityRatio - expected];
  });
  return controls.includes(null) ? [] : (controls as number[]);
}

/** The replication again, with each of its draws of measured inputs; none where their doubt is not known. */
export function* drawnSteps(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  replication: number,
  eventsAStep?: () => number,
): Generator<undefined, readonly DrawnRun[], void> {
  const drawn: DrawnRun[] = [];
  for (const draw of drawsOf(document, inputs, replication)) {
    const { inputs: own, logFactors } = drawnInputs(inputs, draw);
    const { summary } = yield* replicationSteps(document, own, replication, {}, eventsAStep);
    const { metrics, tasks, pipelines } = summary;
    drawn.push({ replication, logFactors, figures: { metrics, tasks, pipelines } });
  }
  return drawn;
}

/** Null where the arrival rate is not given beforehand, or the traffic equations do not reach. */
export function configurationLoad(
  document: ScenarioDocument,
  inputs: SimulationInputs,
): OfferedLoad | null {
  const { workload } = document;
  const traceUs = workload.arrivals === "trace" ? (inputs.traces[workload.file] ?? null) : null;
  const ratePerS = offeredRatePerS(workload, traceUs);
  if (ratePerS === undefined) return null;
  return loadAt(document, inputs, ratePerS);
}

/** Null where the traffic equations do not reach. */
export function servingCapacity(
  document: ScenarioDocument,
  inputs: MeasuredInputs & Pick<SimulationInputs, "own">,
): ServingCapacity | null {
  // Every station's load is proportional to the rate.
  const load = loadAt(document, inputs, 1);
  return load === null ? null : { perS: 1 / load.ratio, station: load.station };
}

function loadAt(
  document: ScenarioDocument,
  inputs: MeasuredInputs & Pick<SimulationInputs, "own">,
  ratePerS: number,
): OfferedLoad | null {
  const system = compileSystem(document, inputs);
  const seed = replicationSeed(document.run.seed, 0);
  const scheduler = createScheduler(document.scheduler, system, seed, inputs.own);
  return offeredLoad(system, scheduler, ratePerS);
}

export interface WarmUp {
  /** To the arrival of the last request that is left out. */
  readonly seconds: number;
  /** False: no steady state shows in the run's first half, so the run is too short. */
  readonly settled: boolean;
}

const MOST_PILOTS = 5;

/**
 * `warmupS: auto`: pilot replications without a warm-up, their latencies averaged batch by batch,
 * truncated by MSER-5. Averaging first takes the noise out of single runs: Hoad, Robinson & Davies,
 * "Automating warm-up length estimation", Journal of the Operational Research Society 61(9), 2010.
 * Pilots are the first replications, at most five; results are made of them again, from its end on.
 */
export function* detectWarmUp(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  eventsAStep?: () => number,
): Generator<undefined, WarmUp, void> {
  if (!isSpanned(document.workload)) return { seconds: 0, settled: true };
  const workload = { ...document.workload, warmupS: 0 };
  const count = Math.min(MOST_PILOTS, document.run.replications);
  const pilots: Batches[] = [];
  for (let replication = 0; replication < count; replication++) {
    const series = new BatchSeries();
    const latencySink = {
      add: (latencyUs: number, nowUs: number) => series.add(latencyUs, nowUs - latencyUs),
    };
    const own = { ...document, workload };
    yield* replicationSteps(own, inputs, replication, { latencySink }, eventsAStep);
    pilots.push(series.batches());
  }
  const { means, endsUs } = averaged(pilots);
  const cut = mser5(means);
  if (cut === null) return { seconds: 0, settled: false };
  // The next millisecond: who arrived at that instant is left out as well.
  const seconds = cut.values === 0 ? 0 : (Math.floor(endsUs[cut.values - 1] / 1000) + 1) / 1000;
  return { seconds, settled: cut.settled };
}

/** A scenario whose warm-up is known, and what was found where it was to be found. */
export interface WarmedUp {
  readonly document: ScenarioDocument;
  readonly warmUp?: WarmUp;
}

/** A scenario whose warm-up is to be found, with the one that was; else the scenario as it is. */
export function* withWarmUp(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  eventsAStep?: () => number,
): Generator<undefined, WarmedUp, void> {
  if (document.workload.warmupS !== "auto") return { document };
  const warmUp = yield* detectWarmUp(document, inputs, eventsAStep);
  const workload = { ...document.workload, warmupS: warmUp.seconds };
  return { document: { ...document, workload } as ScenarioDocument, warmUp };
}

/** Batch by batch, all batches as large as the largest; as many as the shortest run has. */
function averaged(pilots: readonly Batches[]): Omit<Batches, "size"> {
  const size = Math.max(...pilots.map((one) => one.size));
  const count = Math.min(...pilots.map((one) => Math.floor((one.means.length * one.size) / size)));
  const means = new Float64Array(count);
  const endsUs = new Float64Array(count);
  for (const pilot of pilots) {
    const together = size / pilot.size;
    for (let batch = 0; batch < count; batch++) {
      const first = batch * together;
      const sum = pilot.means.subarray(first, first + together).reduce((all, one) => all + one, 0);
      means[batch] += sum / together;
      endsUs[batch] += pilot.endsUs[first + together - 1];
    }
  }
  const mean = (sum: number): number => sum / pilots.length;
  return { means: means.map(mean), endsUs: endsUs.map(mean) };
}
