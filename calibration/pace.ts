/**
 * The pace of the host while real runs go on: between them each model is called alone for a moment, on
 * the inputs of calibration, and its times are compared with the calibrated ones. Predictions stay as
 * they are; a host that has become slower or faster is noticed and named, as then the error is not
 * the simulator's.
 */
import { poolsOf } from "../core/placement.ts";
import type { Profile } from "../core/profile.ts";
import { RandomStream } from "../core/random/stream.ts";
import type { ModelDocument, ScenarioDocument } from "../core/scenario/schema.ts";
import { estimate } from "../core/statistics/estimate.ts";
import { percent } from "./host.ts";
import { callOnce, pauseAfter, type ServiceTarget } from "./measure-service.ts";
import type { JobInput, ModelWorker } from "./model-worker.ts";

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
