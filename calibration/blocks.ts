/**
 * Real models are validated in blocks of load, with the pipeline in place under light load between them. How long a
 * block is, how many there are, and what is found in one.
 */
import type { RequestContents } from "../cluster/protocol/messages.ts";
import { isSpanned } from "../engine/arrivals/arrival-source.ts";
import { RandomStream } from "../engine/random/stream.ts";
import { curveThrough } from "../engine/service/slow-down.ts";
import { meanOf, sumOf } from "../engine/statistics/estimate.ts";
import type { Bracket } from "../results/validation.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { knownTimes } from "../scenario/compile/in-place.ts";
import { poolsOf } from "../scenario/compile/placement.ts";
import type { Profile } from "../scenario/schema/profile.ts";
import type { ModelDocument, ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import { disturbance, watchHost } from "./host.ts";
import {
  type InPlacePlan,
  inPlaceRound,
  servedBatches,
  workByModel,
  workedBatches,
} from "./in-place.ts";
import { type Block, judgeBlocks, offBeyond } from "./judge-blocks.ts";
import { hostPace, judgeNeighbours } from "./judge-profiles.ts";
import {
  AloneTimes,
  type BusyWorker,
  contentionRound,
  type Level,
  type ServiceTarget,
} from "./measure-service.ts";
import { messageCosts } from "./message-costs.ts";
import { runHere } from "./own-processes.ts";
import { PaceProbe } from "./pace-probe.ts";
import { messagesUs, pacedMessages } from "./paced-messages.ts";
import { type PredictionPlan, predict } from "./predict.ts";
import type { MeasuredBracket, RealRun } from "./real-runs.ts";

/**
 * A verdict is looked for after so many blocks, and at the end. The looks up to n of N blocks spend (n / N)² of the error
 * of a one-sided test, and the last one has the rest, wherever the budget ends. Their errors add up.
 * Source: Kim & DeMets, Biometrika 74(1), 1987, ρ = 2.
 */
const LOOKS = [5, 10, 15, 25];
const ERROR = 0.05;

/** Enough for a quantile of 95%. */
const BLOCK_REQUESTS = 120;
/** The host's pace wanders within seconds: as much of the time is spent under load as between blocks. */
const LEAST_BLOCK_S = 10;

/** After how many blocks a verdict is looked for: once, where the user says how many runs. */
export function looksOf(repeats: number): readonly number[] {
  return repeats < LOOKS[0] ? LOOKS : [repeats];
}

/** The error of the tests after so many blocks: between two looks that of the next, and at the end all that is left. */
export function lookError(blocks: number, looks: readonly number[], isEnd: boolean): number {
  const last = looks[looks.length - 1];
  const spentBy = (end: number): number => ERROR * (end / last) ** 2;
  const next = looks.find((end) => blocks <= end) ?? last;
  const before = looks.filter((end) => end < last && (isEnd ? end <= blocks : end < next));
  const left = isEnd || next === last ? ERROR : spentBy(next);
  return left - spentBy(Math.max(0, ...before));
}

/**
 * The document of one block: its own load for as long as takes some hundred requests. It starts empty on both sides, so
 * it needs no warm-up. A load that has a beginning and an end is run whole.
 */
export function blockDocument(document: ScenarioDocument): ScenarioDocument {
  const { workload } = document;
  if (!isSpanned(workload) || !("ratePerS" in workload)) return document;
  const { requests: _, durationS = Number.POSITIVE_INFINITY, ...process } = workload;
  const wantedS = Math.max(LEAST_BLOCK_S, Math.ceil(BLOCK_REQUESTS / workload.ratePerS));
  return {
    ...document,
    workload: { ...process, durationS: Math.min(durationS, wantedS), warmupS: 0 },
  };
}

/** The path of a model's profile; the first of several kinds of device stands for all. */
export function profilePath({ profile }: ModelDocument): string | undefined {
  return typeof profile === "string" ? profile : Object.values(profile ?? {})[0];
}

/** By model, those that have one. */
export function profilesByModel(
  { models }: Pick<ScenarioDocument, "models">,
  profiles: SimulationInputs["profiles"],
): Readonly<Record<string, Profile>> {
  return Object.fromEntries(
    Object.entries(models).flatMap(([name, model]) => {
      const profile = profiles[profilePath(model) ?? ""];
      return profile === undefined ? [] : [[name, profile]];
    }),
  );
}

/** Mean time in place of a single job by model, µs. */
export function knownMeansUs(
  document: ScenarioDocument,
  inputs: SimulationInputs,
): ReadonlyMap<string, number> {
  const byModel = Object.entries(profilesByModel(document, inputs.profiles));
  return new Map(
    byModel.map(([name, profile]) => [
      name,
      knownTimes(profile)[0]?.mean ?? profile.batches[0].meanUs,
    ]),
  );
}

/** A bracket in which the host was disturbed is measured again so often. */
const MOST_BRACKETS_AGAIN = 2;

interface BracketPlan extends InPlacePlan {
  /** By the name of a pipeline. */
  readonly contents: Readonly<Record<string, readonly RequestContents[]>>;
  /** A worker of each model, which nothing else calls. */
  readonly idle: readonly ServiceTarget[];
  /** Two workers on the deployment's machine; fewer where none slow each other down. */
  readonly busy: readonly BusyWorker[];
  /** Whether all that is measured runs below this process. */
  readonly isLocal: boolean;
}

export async function measureBracket(
  deployment: Parameters<typeof inPlaceRound>[0],
  plan: BracketPlan,
  seed: string,
): Promise<MeasuredBracket> {
  const { document, inputs, idle, busy, isLocal } = plan;
  const haveNeighbours = busy.length > 1 && compileSystem(document, inputs).replicas.length > 1;
  for (let again = MOST_BRACKETS_AGAIN; ; again--) {
    const watch = watchHost(runHere(document, deployment.backend, deployment.id));
    try {
      const pace = new PaceProbe();
      await pace.beats();
      const levels = await levelsAlone(idle, pace, seed);
      const { log } = await inPlaceRound(deployment, plan, seed);
      const [, slowdown] = haveNeighbours ? await contentionRound(busy) : [];
      await pace.beats();
      if (disturbance(await watch.stop(), isLocal) !== null && again > 0) continue;
      const workUs: MeasuredBracket["workUs"] = (known) => {
        const { overheadProfile } = slowedInputs(inputs, known);
        return workByModel(document, inputs, overheadProfile?.contention, log);
      };
      const around = { atS: 0, probeUs: pace.meanUs(), levels, workUs };
      return { ...around, ...(slowdown === undefined ? {} : { slowdown }) };
    } finally {
      watch.close();
    }
  }
}

async function levelsAlone(
  idle: readonly ServiceTarget[],
  pace: PaceProbe,
  seed: string,
): Promise<NonNullable<Bracket["levels"]>> {
  const pauses = new RandomStream(seed, "pauses");
  const levels: Record<string, Level> = {};
  for (const target of idle) {
    const alone = new AloneTimes(target, pauses);
    await alone.round(pace);
    const [level] = alone.levels();
    if (level !== null) levels[target.worker.model] = level;
  }
  return levels;
}

/** The inputs with so much slow-down of two busy workers by each other; undefined: as they are. */
function slowedInputs(inputs: SimulationInputs, slowdown: number | undefined): SimulationInputs {
  const { overheadProfile } = inputs;
  if (overheadProfile === undefined || slowdown === undefined) return inputs;
  const contention = curveThrough(overheadProfile.contention, slowdown);
  return { ...inputs, overheadProfile: { ...overheadProfile, contention } };
}

/** By model, the time in place in these brackets over that of the stored profile. */
function factorsOf(
  { document, inputs }: PredictionPlan,
  brackets: readonly Bracket[],
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    [...knownMeansUs(document, inputs)].flatMap(([model, meanUs]) => {
      const found = brackets.flatMap(({ workUs }) => workUs[model] ?? []);
      return found.length === 0 ? [] : [[model, meanOf(found) / meanUs]];
    }),
  );
}

function byPool(
  { pipelines }: ScenarioDocument,
  byModel: Readonly<Record<string, number>>,
): Readonly<Record<string, number>> {
  return Object.fromEntries(
    Object.values(pipelines).flatMap(({ tasks }) =>
      poolsOf(tasks).flatMap(({ pool, model }) =>
        byModel[model] === undefined ? [] : [[pool, byModel[model]]],
      ),
    ),
  );
}

interface BlockRun extends Pick<RealRun, "replication" | "beside" | "summary" | "log"> {
  readonly overheads: Parameters<typeof messageCosts>[0];
}

/** Bounds and doubts that the blocks of a validation are judged with. */
interface JudgedWith {
  readonly tolerance: Readonly<Record<string, number>>;
  /** The error of each one-sided test: this look's share. */
  readonly error: number;
  readonly unfit: string | null;
}

/** Blocks, brackets and their judgement, by the slow-down that calibration and brackets know together. */
export function judgeRuns(
  plan: PredictionPlan,
  runs: readonly BlockRun[],
  measured: readonly MeasuredBracket[],
  by: JudgedWith,
) {
  const { document, inputs } = plan;
  const { overheadProfile } = inputs;
  const neighbours = judgeNeighbours(measured, overheadProfile, offBeyond(by.tolerance));
  const brackets = measured.map(
    (one): Bracket => ({ ...one, workUs: one.workUs(neighbours?.known) }),
  );
  const profiles = profilesByModel(document, inputs.profiles);
  const beside = {
    brackets,
    paceBeside: hostPace(brackets, profiles),
    slowdown: neighbours?.known,
  };
  const blocks = runs.map((run) => blockOf(plan, run, beside));
  const paces = blocks.map(({ pace }) => pace);
  const doubt = overheadProfile?.provenance.doubts?.[0] ?? null;
  const judgement = judgeBlocks(blocks, brackets, { ...by, profiles, neighbours, doubt });
  return { blocks, brackets, judgement, paces };
}

/** By pool, what the stored times are multiplied by; empty where nobody knows the host's pace. */
type Pace = Readonly<Record<string, number>>;

interface BesideBlocks {
  readonly brackets: readonly Bracket[];
  readonly paceBeside: ReturnType<typeof hostPace>;
  readonly slowdown: number | undefined;
}

/** A run beside its predictions: that from the stored profiles is at the host's pace now. */
function blockOf(
  plan: PredictionPlan,
  run: BlockRun,
  { brackets, paceBeside, slowdown }: BesideBlocks,
): Block & { readonly pace: Pace } {
  const beside = run.beside.map((place) => brackets[place]);
  const pace = byPool(plan.document, paceBeside(beside));
  const factors = byPool(plan.document, factorsOf(plan, beside));
  const messages = messagesOf(plan.inputs, run);
  const moved = messages === null ? 1 : messages.measuredUs / messages.predictedUs;
  const inputs = pacedMessages(plan.inputs, moved);
  const slowed = { ...plan, inputs: slowedInputs(inputs, slowdown) };
  const { replication } = run;
  const service = serviceOf(slowed, run, factors);
  return {
    pace,
    predicted: predict(plan, replication, pace).summary.metrics,
    informed: predict(slowed, replication, factors).summary.metrics,
    asStored: predict({ ...plan, inputs }, replication, factors).summary.metrics,
    asServed: predict(slowed, replication, servedFactors(plan.document, factors, service)).summary
      .metrics,
    measured: run.summary.metrics,
    service,
    messages,
  };
}

function messagesOf(
  { overheadProfile }: SimulationInputs,
  { overheads }: Pick<BlockRun, "overheads">,
): Block["messages"] {
  const predictedUs = overheadProfile === undefined ? 0 : messagesUs(overheadProfile);
  const isKnown = predictedUs > 0 && overheads.clientRoundTripUs.length > 0;
  return isKnown ? { predictedUs, measuredUs: messagesUs(messageCosts(overheads)) } : null;
}

/** The brackets' factors of each pool, moved to the work that the block itself had. */
function servedFactors(
  document: ScenarioDocument,
  factors: Readonly<Record<string, number>>,
  service: Block["service"],
): Readonly<Record<string, number>> {
  const ratios = Object.entries(service).map(
    ([model, { predictedUs, measuredUs }]) => [model, measuredUs / predictedUs] as const,
  );
  return Object.fromEntries(
    Object.entries(byPool(document, Object.fromEntries(ratios))).map(([pool, ratio]) => [
      pool,
      (factors[pool] ?? 1) * ratio,
    ]),
  );
}

/** Work under load by model, beside that predicted for the same batches. */
function serviceOf(
  { document, inputs }: PredictionPlan,
  { log }: Pick<RealRun, "log">,
  factors: Readonly<Record<string, number>>,
): Block["service"] {
  const system = compileSystem(document, inputs);
  const worked = workedBatches(system, servedBatches(log));
  const models = [...new Set(system.pools.map(({ model }) => model))];
  return Object.fromEntries(
    models.flatMap((model) => {
      const own = worked.filter(({ pool }) => system.pools[pool].model === model);
      if (own.length === 0) return [];
      const expectedUs = own.map(({ replica, pool, jobs }) => {
        const { meanUs } = system.replicas[replica].service;
        return meanUs[jobs] * (factors[system.pools[pool].name] ?? 1);
      });
      const measuredUs = sumOf(own.map(({ workUs }) => workUs));
      return [[model, { predictedUs: sumOf(expectedUs), measuredUs }]];
    }),
  );
}
