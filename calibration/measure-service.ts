/**
 * Service times of real models, at calibration by batch size, and between real runs, where they tell the host's pace.
 */
import { Fault } from "../core/fault.ts";
import { poolsOf } from "../core/placement.ts";
import type { Profile } from "../core/profile.ts";
import { RandomStream } from "../core/random/stream.ts";
import type { Estimate } from "../core/results.ts";
import type { ModelDocument, ScenarioDocument } from "../core/scenario/schema.ts";
import { estimate, meanOf, studentT975 } from "../core/statistics/estimate.ts";
import { percent } from "./host.ts";
import type { JobInput, ModelWorker } from "./model-worker.ts";

export interface ServiceTarget {
  readonly worker: Pick<ModelWorker, "model" | "call">;
  readonly batch: number;
  readonly inputs: readonly JobInput[];
}

export interface ServiceSamples {
  readonly batch: number;
  readonly samplesUs: readonly number[];
  readonly meanUs: number;
  readonly halfWidth95Us: number;
  /** Mean of each input, in their order; null where some were not called. */
  readonly inputMeansUs: readonly number[] | null;
}

interface MeasureOptions {
  /** Wanted half width of the mean's 95% interval, as a share of the mean. */
  readonly precision: number;
  /** Bound on the whole measurement, seconds. */
  readonly maxSeconds: number;
  readonly onProgress?: (done: number, total: number) => void;
}

const WARMUP_CALLS = 5;
/** Longest pause after a call, as a multiple of its time per job: a third of the time is busy. */
const LONGEST_PAUSE = 4;
const MIN_SAMPLES = 30;
/** Spread over this many rounds through the inputs, so that a passing slow spell is averaged out. */
const MIN_PER_INPUT = 4;

export async function measureService(
  targets: readonly ServiceTarget[],
  options: MeasureOptions,
): Promise<ServiceSamples[]> {
  const pauses = new RandomStream("calibration", "pauses");
  const samples = targets.map((): StratifiedSamples => new StratifiedSamples());
  for (const target of targets) {
    for (let i = 0; i < WARMUP_CALLS; i++) await callOnce(target, i);
  }
  const deadline = performance.now() + options.maxSeconds * 1000;
  for (let round = 0; performance.now() < deadline; round++) {
    const open = targets.filter((_, i) => !isPrecise(samples[i], options.precision));
    options.onProgress?.(targets.length - open.length, targets.length);
    if (open.length === 0) break;
    for (const [i, target] of targets.entries()) {
      if (isPrecise(samples[i], options.precision)) continue;
      const us = await callOnce(target, round);
      samples[i].add((round * target.batch) % target.inputs.length, us);
      await pauseAfter(us / target.batch, pauses);
    }
  }
  return targets.map((target, i) => {
    const { mean, halfWidth95 } = samples[i].estimate();
    return {
      batch: target.batch,
      samplesUs: samples[i].all,
      meanUs: mean,
      halfWidth95Us: halfWidth95,
      inputMeansUs: samples[i].inputMeans(target.inputs.length),
    };
  });
}

function isPrecise(samples: StratifiedSamples, precision: number): boolean {
  if (samples.all.length < MIN_SAMPLES || samples.leastPerInput() < MIN_PER_INPUT) return false;
  const { mean, halfWidth95 } = samples.estimate();
  return halfWidth95 <= precision * mean;
}

/** Leaves the processor in peace for a random while after a call that took so long for each job. */
async function pauseAfter(us: number, pauses: RandomStream): Promise<void> {
  const pauseMs = (pauses.uniform() * LONGEST_PAUSE * us) / 1000;
  await new Promise((resolve) => setTimeout(resolve, pauseMs));
}

/** One batch of consecutive inputs; returns its service time, µs. */
async function callOnce({ worker, batch, inputs }: ServiceTarget, round: number): Promise<number> {
  if (inputs.length === 0) {
    throw new Fault("invalid-input", `no input reaches model ${worker.model}`, {
      hint: "give inputs for which its condition holds, e.g. photographs with a car",
    });
  }
  const jobs = Array.from({ length: batch }, (_, i) => inputs[(round * batch + i) % inputs.length]);
  return (await worker.call(jobs)).serviceUs;
}

/**
 * Samples by input. A measurement goes through a fixed set of inputs in turn, so the difference between
 * inputs is known and no noise: the mean's uncertainty is that of each input's own mean.
 * Source: stratified sampling, Cochran, Sampling Techniques, 1977, section 5.3.
 */
export class StratifiedSamples {
  readonly all: number[] = [];
  readonly #byInput = new Map<number, number[]>();

  add(input: number, value: number): void {
    this.all.push(value);
    const own = this.#byInput.get(input);
    if (own === undefined) this.#byInput.set(input, [value]);
    else own.push(value);
  }

  leastPerInput(): number {
    return Math.min(...[...this.#byInput.values()].map((stratum) => stratum.length));
  }

  /** Means of inputs 0 to `count` − 1; null where one has no sample. */
  inputMeans(count: number): readonly number[] | null {
    const means = Array.from({ length: count }, (_, input) => {
      return meanOf(this.#byInput.get(input) ?? []);
    });
    return means.some(Number.isNaN) ? null : means;
  }

  /** Mean over the inputs with equal weight; of all samples alike until each input has two. */
  estimate(): Estimate {
    const strata = [...this.#byInput.values()];
    if (strata.length < 2 || strata.some((stratum) => stratum.length < 2)) {
      return estimate(this.all);
    }
    let sum = 0;
    let variance = 0;
    let freedom = 0;
    for (const stratum of strata) {
      const n = stratum.length;
      const mean = meanOf(stratum);
      const squares = stratum.reduce((total, value) => total + (value - mean) ** 2, 0);
      sum += mean;
      variance += squares / (n - 1) / n;
      freedom += n - 1;
    }
    const count = strata.length;
    return {
      mean: sum / count,
      halfWidth95: (studentT975(freedom) * Math.sqrt(variance)) / count,
    };
  }
}

export interface BusyWorker {
  readonly worker: ModelWorker;
  readonly inputs: readonly JobInput[];
}

interface Spent {
  us: number;
  calls: number;
}

/**
 * Slow-down of busy replicas on this host, with 1, 2, ... `workers.length` busy, each >= 1 and none
 * below the one before: each worker's mean time over its mean when it runs alone. The levels take
 * turns, so that a host that drifts slows them all alike. Every level, and every worker alone, runs
 * `seconds` in each of `rounds` rounds. Workers are taken in order: the first two make the level of
 * two.
 */
export async function measureContention(
  workers: readonly BusyWorker[],
  rounds: number,
  seconds: number,
): Promise<number[]> {
  const fresh = (): Spent[] => workers.map(() => ({ us: 0, calls: 0 }));
  const alone = fresh();
  const together = workers.map(fresh);
  for (let round = 0; round < rounds; round++) {
    for (const [i, worker] of workers.entries()) await keepBusy([worker], [alone[i]], seconds);
    for (let busy = 2; busy <= workers.length; busy++) {
      await keepBusy(workers.slice(0, busy), together[busy - 1], seconds);
    }
  }
  const curve = [1];
  for (let busy = 2; busy <= workers.length; busy++) {
    const ratios = workers
      .slice(0, busy)
      .map((_, i) => meanUs(together[busy - 1][i]) / meanUs(alone[i]));
    curve.push(Math.max(curve[curve.length - 1], meanOf(ratios)));
  }
  return curve;
}

function meanUs({ us, calls }: Spent): number {
  return us / calls;
}

/** All workers run for `seconds`, each at least once; what they spent is added up. */
async function keepBusy(
  workers: readonly BusyWorker[],
  spent: readonly Spent[],
  seconds: number,
): Promise<void> {
  const until = performance.now() + seconds * 1000;
  await Promise.all(
    workers.map(async ({ worker, inputs }, i) => {
      do {
        const { serviceUs } = await worker.call([inputs[spent[i].calls % inputs.length]]);
        spent[i].us += serviceUs;
        spent[i].calls++;
      } while (performance.now() < until);
    }),
  );
}

/** By model, in one burst between runs: its times over its calibrated ones, with the 95% half width. */
export type PaceBurst = Readonly<
  Record<string, { readonly mean: number; readonly halfWidth95: number }>
>;

export interface PaceTarget extends Pick<ServiceTarget, "worker" | "inputs"> {
  readonly model: string;
  readonly profile: Profile;
}

/** Length of a burst: 1 to 2% of a run of a minute or two. */
export const PACE_SECONDS = 1.5;
/** Least calls of each model; a slow model may take longer than its share of the burst. */
const LEAST_CALLS = 4;

/** The calibrated models' workers, with the inputs to call each on, by model name. */
export function paceTargets(
  { models }: ScenarioDocument,
  profiles: Readonly<Record<string, Profile>>,
  workers: ReadonlyMap<string, ModelWorker>,
  inputs: ReadonlyMap<string, readonly JobInput[]>,
): PaceTarget[] {
  return [...workers].flatMap(([model, worker]) => {
    const profile = profiles[profilePath(models[model]) ?? ""];
    return profile === undefined
      ? []
      : [{ model, worker, inputs: inputs.get(model) ?? [], profile }];
  });
}

/** Real models run on one kind of device, so the first of several stands for it. */
export function profilePath({ profile }: ModelDocument): string | undefined {
  return typeof profile === "string" ? profile : Object.values(profile ?? {})[0];
}

/** Measures a burst at each call; inputs have their turn from burst to burst. */
export function paceMeter(all: readonly PaceTarget[]): () => Promise<PaceBurst> {
  const targets = all.filter(({ inputs }) => inputs.length > 0);
  const pauses = new RandomStream("validation", "pauses");
  let round = 0;
  return async () => {
    const ratios = new Map<string, number[]>(targets.map(({ model }) => [model, []]));
    // Caches hold what ran before.
    for (const target of targets) await callOnce({ ...target, batch: 1 }, round);
    const endMs = performance.now() + PACE_SECONDS * 1000;
    for (let calls = 0; calls < LEAST_CALLS || performance.now() < endMs; calls++) {
      for (const target of targets) {
        const us = await callOnce({ ...target, batch: 1 }, round);
        ratios.get(target.model)?.push(us / calibratedUs(target, round));
        await pauseAfter(us, pauses);
      }
      round++;
      if (targets.length === 0) break;
    }
    return Object.fromEntries([...ratios].map(([model, values]) => [model, estimate(values)]));
  };
}

/** Time alone, without the factor of serving; that of the input itself, if calibration had the same set. */
function calibratedUs({ profile, inputs }: PaceTarget, round: number): number {
  const { inputMeansUs, batches, servingFactor = 1 } = profile;
  if (inputMeansUs?.length === inputs.length) return inputMeansUs[round % inputs.length];
  return batches[0].meanUs / servingFactor;
}

export interface PaceFinding {
  /** By task: its model's time alone, between these runs, over the calibrated one. */
  readonly pace: Readonly<Record<string, number>>;
  readonly note: string;
  /** Why an error may be the host's; null where the host was as at calibration. */
  readonly reason: string | null;
}

/** Null without any burst. `tolerance` is the least error that is judged. */
export function paceFinding(
  bursts: readonly PaceBurst[],
  document: ScenarioDocument,
  profiles: Readonly<Record<string, Profile>>,
  tolerance: number,
): PaceFinding | null {
  const tasks = weightedTasks(document, profiles).filter(({ model }) => model in (bursts[0] ?? {}));
  if (tasks.length === 0) return null;
  const pace = Object.fromEntries(
    tasks.map(({ task, model }) => [task, estimate(bursts.map((one) => one[model].mean)).mean]),
  );
  const times = Object.entries(pace).map(([task, ratio]) => `${task} ${ratio.toFixed(2)}`);
  return {
    pace,
    note: `between the runs models took, alone, ${times.join(", ")} × their calibrated time`,
    reason: reasonOf(
      bursts.map((burst) => overall(burst, tasks)),
      tolerance,
    ),
  };
}

interface WeightedTask {
  readonly task: string;
  readonly model: string;
  readonly weight: number;
}

function weightedTasks(
  { pipelines, models }: ScenarioDocument,
  profiles: Readonly<Record<string, Profile>>,
): WeightedTask[] {
  return Object.values(pipelines).flatMap(({ tasks }) =>
    poolsOf(tasks).flatMap(({ pool, task, model }) => {
      const { when } = tasks[task];
      const meanUs = profiles[profilePath(models[model]) ?? ""]?.batches[0].meanUs;
      return meanUs === undefined
        ? []
        : [{ task: pool, model, weight: meanUs * (when?.probability ?? 1) }];
    }),
  );
}

/** All models as one, each by the work that a request brings to it. */
function overall(burst: PaceBurst, tasks: readonly WeightedTask[]): PaceBurst[string] {
  const total = tasks.reduce((sum, { weight }) => sum + weight, 0);
  const shares = tasks.map(({ model, weight }) => ({ ...burst[model], share: weight / total }));
  return {
    mean: shares.reduce((sum, { mean, share }) => sum + share * mean, 0),
    halfWidth95: Math.hypot(...shares.map(({ halfWidth95, share }) => share * halfWidth95)),
  };
}

/**
 * A drift counts where it is beyond the tolerance and beyond its own uncertainty: of all bursts since
 * calibration, or of the later half since the earlier. A pace that goes up and down from run to run is
 * in the spread of the runs, and so in the interval of the error; the most distant two of many bursts
 * would differ on any host.
 */
function reasonOf(paces: readonly PaceBurst[string][], tolerance: number): string | null {
  const { mean, halfWidth95 } = together(paces);
  const drift = mean - 1;
  if (Math.abs(drift) > Math.max(tolerance, halfWidth95)) {
    const how = drift > 0 ? "slower" : "faster";
    return `the host ran models ${percent(Math.abs(drift))} ${how} than at calibration (limit ${percent(tolerance)}): calibrate again`;
  }
  const half = Math.floor(paces.length / 2);
  if (half === 0) return null;
  const [earlier, later] = [together(paces.slice(0, half)), together(paces.slice(-half))];
  const change = Math.abs(later.mean / earlier.mean - 1);
  if (change <= tolerance + Math.hypot(earlier.halfWidth95, later.halfWidth95)) return null;
  return `the host's pace changed by ${percent(change)} while the runs went on (limit ${percent(tolerance)})`;
}

/** Bursts as one; of a single one its own interval. */
function together(paces: readonly PaceBurst[string][]): PaceBurst[string] {
  return paces.length === 1 ? paces[0] : estimate(paces.map(({ mean }) => mean));
}
