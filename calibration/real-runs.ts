/**
 * The real runs of one configuration on one deployment, and whether the host left them alone. A run that was not fit to
 * be judged by is set aside and run again, at most as often as runs were asked for; fitness never looks at the outcome.
 */
import { type Deployment, startDeployment } from "../cluster/deploy/deployment.ts";
import { type MeasuredRun, measuredRun } from "../cluster/deploy/measured-run.ts";
import { unlessAborted } from "../cluster/processes/child.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import type { Stalls } from "../cluster/time/stall-watch.ts";
import type { Bracket, HealthSummary } from "../results/validation.ts";
import type { LoadedInventory } from "../scenario/inventory/read-inventory.ts";
import { replicationSeed } from "../sim/replication.ts";
import { type HostDuringRun, loadReasons, percent, stalledShare, watchHost } from "./host.ts";
import { LEAST_RUNS } from "./judge.ts";
import { runHere } from "./own-processes.ts";
import type { PredictionPlan } from "./predict.ts";

/** A bracket whose times of service hold the slow-down of that moment. */
export interface MeasuredBracket extends Omit<Bracket, "workUs"> {
  /** Mean work of a job in place, by model, µs, where two busy workers slow each other down by so much. */
  readonly workUs: (slowdown: number | undefined) => Bracket["workUs"];
}

export interface RealRunPlan extends PredictionPlan {
  readonly repeats: number;
  readonly inventory?: LoadedInventory | undefined;
  /** Contents of a run's requests: request i carries entry i mod length, in any pipeline. */
  readonly contents: (seed: string) => readonly RequestContents[];
  /** Measures models in place and the host's pace, before the first run and after each. */
  readonly bracket?: ((deployment: Deployment) => Promise<MeasuredBracket>) | undefined;
  /** Asked after each healthy run: whether a verdict needs no more. Default: never. */
  readonly isSettled?: (runs: RealRuns) => boolean;
  readonly onRun?: (run: RealRun, healthyRuns: number) => void;
  /** Called during a run with how many of its requests have ended. */
  readonly onProgress?: (ended: number) => void;
  /** Asked before each run but the first: whether there is time for it. Default: always. */
  readonly mayStart?: () => boolean;
  /** Aborted, it ends what goes on; runs that have ended are kept. */
  readonly signal?: AbortSignal | undefined;
}

export interface RealRun extends MeasuredRun {
  readonly replication: number;
  /** When it began, s after the first bracket or run. */
  readonly atS: number;
  /** Places of the brackets before and after it; none without brackets. */
  readonly beside: readonly number[];
}

export interface RealRuns {
  readonly healthy: readonly RealRun[];
  readonly unhealthy: readonly RealRun[];
  /** Why there are fewer runs than asked for, though not for their health. */
  readonly cutShort?: "interrupted" | "the budget was spent";
  /** In order; none where none was asked for. */
  readonly brackets: readonly MeasuredBracket[];
}

/** A host that disturbs more blocks than these is not fit. */
const MOST_BLOCKS_SET_ASIDE = 5;

/** Rejects with Fault("interrupted") when the signal is aborted before any run has ended. */
export async function realRuns(plan: RealRunPlan): Promise<RealRuns> {
  const { document, inputs, backend, timeScale, repeats, signal, inventory } = plan;
  const healthy: RealRun[] = [];
  const unhealthy: RealRun[] = [];
  const brackets: MeasuredBracket[] = [];
  const seed = replicationSeed(document.run.seed, 0);
  const options = { document, inputs, backend, seed, timeScale, signal, inventory };
  const deployment = await startDeployment(options);
  const startMs = performance.now();
  const passedS = (): number => (performance.now() - startMs) / 1000;
  const measureBracket = async (): Promise<void> => {
    if (plan.bracket === undefined) return;
    const beganS = passedS();
    const bracket = await unlessAborted(signal, plan.bracket(deployment));
    brackets.push({ ...bracket, atS: (beganS + passedS()) / 2 });
  };
  const runs = { healthy, unhealthy, brackets };
  try {
    await measureBracket();
    const mostSetAside = plan.bracket === undefined ? repeats : MOST_BLOCKS_SET_ASIDE;
    while (healthy.length < repeats && unhealthy.length < mostSetAside) {
      const ended = healthy.length + unhealthy.length;
      if (ended > 0 && plan.mayStart?.() === false) {
        return { ...runs, cutShort: "the budget was spent" };
      }
      const replication = healthy.length;
      const atS = passedS();
      const run = await unlessAborted(signal, repeatedRun(plan, deployment, replication));
      await measureBracket();
      const beside = brackets.length === 0 ? [] : [brackets.length - 2, brackets.length - 1];
      const real: RealRun = { ...run, replication, atS, beside };
      (run.health.healthy ? healthy : unhealthy).push(real);
      plan.onRun?.(real, healthy.length);
      if (run.health.healthy && plan.isSettled?.(runs) === true) break;
    }
  } catch (error) {
    if (signal?.aborted !== true || healthy.length + unhealthy.length === 0) throw error;
    return { ...runs, cutShort: "interrupted" };
  } finally {
    await deployment.stop();
  }
  return runs;
}

/**
 * Runs on a deployment of their own, as `work` asks for them; each has a seed. `contents` are by the name of a pipeline.
 */
export async function runsOnDeployment<T>(
  options: Parameters<typeof startDeployment>[0],
  contents: (pipeline: string) => readonly RequestContents[],
  work: (run: (seed: string) => Promise<MeasuredRun>) => Promise<T>,
): Promise<T> {
  const deployment = await startDeployment(options);
  const { document, inputs, signal, timeScale = 1 } = options;
  try {
    return await work((seed) =>
      watchedRun(deployment, { document, inputs, seed, signal, contents }, timeScale),
    );
  } finally {
    await deployment.stop();
  }
}

function repeatedRun(
  plan: RealRunPlan,
  deployment: Deployment,
  replication: number,
): Promise<MeasuredRun> {
  const { document, inputs, timeScale, signal } = plan;
  const seed = replicationSeed(document.run.seed, replication);
  const carried = plan.contents(seed);
  const contents = () => carried;
  const onProgress = ({ ended }: { readonly ended: number }) => plan.onProgress?.(ended);
  const options = { document, inputs, seed, contents, signal, onProgress };
  return watchedRun(deployment, options, timeScale);
}

async function watchedRun(
  deployment: Deployment,
  options: Parameters<typeof measuredRun>[1],
  timeScale: number,
): Promise<MeasuredRun> {
  const watch = watchHost(runHere(options.document, deployment.backend, deployment.id));
  try {
    const run = await measuredRun(deployment, options);
    const host = await watch.stop();
    const latencyMs = (run.summary.metrics.latencyMeanMs ?? Number.NaN) * timeScale;
    return { ...run, health: runHealth(run.health, host, latencyMs) };
  } finally {
    watch.close();
  }
}

/** Share of the mean latency that stalls may add: a fifth of the usual tolerance of 5%. */
const MAX_STALL_SHARE_OF_LATENCY = 0.01;

/** `latencyMs` is the run's mean, of the wall clock; NaN without any. */
export function runHealth(
  health: HealthSummary,
  { stalls, ...load }: HostDuringRun,
  latencyMs: number,
): HealthSummary {
  const { othersRatio, hinderedRatio, stealRatio } = load;
  const reasons = [...health.reasons, ...loadReasons(load), ...stallReasons(stalls, latencyMs)];
  const told = othersRatio !== null && hinderedRatio !== null;
  return {
    ...health,
    healthy: reasons.length === 0,
    ...(told ? { others: [{ usedRatio: othersRatio, hinderedRatio }] } : {}),
    ...(stealRatio === null ? {} : { stealRatio }),
    stalls: { longestMs: stalls.longestMs, ratio: stalledShare(stalls) },
    reasons,
  };
}

/** Runs of one configuration: those to judge by, those set aside, and why there are too few. */
interface EndedRuns {
  readonly healthy: readonly { readonly health: HealthSummary }[];
  readonly unhealthy: readonly { readonly health: HealthSummary }[];
  readonly cutShort?: string;
}

/** Why the runs cannot be judged by; null where they can. */
export function unfitness(runs: EndedRuns, wanted: number): string | null {
  const { healthy, unhealthy } = runs;
  if (healthy.length >= LEAST_RUNS) return null;
  const [cut] = cutNote(runs, wanted);
  const ended = healthy.length + unhealthy.length;
  return cut ?? `${healthy.length} of ${ended} runs were fit to be judged by; ${ofTheLast(runs)}`;
}

/** One sentence if there are fewer runs than `wanted`, though not for their health. */
export function cutNote({ healthy, unhealthy, cutShort }: EndedRuns, wanted: number): string[] {
  if (cutShort === undefined) return [];
  const more = unhealthy.length === 1 ? "1 more was" : `${unhealthy.length} more were`;
  const setAside = unhealthy.length === 0 ? "" : ` (${more} set aside)`;
  return [`${cutShort} after ${healthy.length} of ${wanted} runs${setAside}`];
}

function ofTheLast({ unhealthy }: EndedRuns): string {
  return `of the last, ${unhealthy.at(-1)?.health.reasons.join("; ")}`;
}

/** The worst of the runs to judge by; of all runs where too few were fit. */
export function overallHealth(runs: EndedRuns, wanted: number): HealthSummary {
  const { healthy, unhealthy } = runs;
  const isFit = healthy.length >= LEAST_RUNS;
  const kept = (isFit ? healthy : [...healthy, ...unhealthy]).map(({ health }) => health);
  const worst = (value: (health: HealthSummary) => number): number => Math.max(...kept.map(value));
  const others = kept.flatMap((health) => health.others ?? []);
  return {
    healthy: isFit || unhealthy.length === 0,
    lateArrivalRatio: worst((health) => health.lateArrivalRatio),
    latenessP99Ms: worst((health) => health.latenessP99Ms),
    eventLoopDelayP99Ms: worst((health) => health.eventLoopDelayP99Ms),
    ...(others.length === 0 ? {} : { others }),
    ...worstStalls(kept),
    ...setAside(runs, wanted),
  };
}

function setAside(runs: EndedRuns, wanted: number): Pick<HealthSummary, "reasons" | "setAside"> {
  const { unhealthy, cutShort } = runs;
  if (unhealthy.length === 0) return { reasons: [] };
  const count = unhealthy.length === 1 ? "1 run was" : `${unhealthy.length} runs were`;
  const unfit = cutShort === undefined ? unfitness(runs, wanted) : null;
  return {
    reasons: [unfit ?? `${count} set aside; ${ofTheLast(runs)}`],
    setAside: unhealthy.map(({ health }) => health.reasons.join("; ")),
  };
}

export function worstStalls(
  healths: readonly HealthSummary[],
): Pick<HealthSummary, "stealRatio" | "stalls"> {
  const steal = healths.flatMap(({ stealRatio }) => stealRatio ?? []);
  const stalls = healths.flatMap((health) => health.stalls ?? []);
  return {
    ...(steal.length === 0 ? {} : { stealRatio: Math.max(...steal) }),
    ...(stalls.length === 0
      ? {}
      : {
          stalls: {
            longestMs: Math.max(...stalls.map(({ longestMs }) => longestMs)),
            ratio: Math.max(...stalls.map(({ ratio }) => ratio)),
          },
        }),
  };
}

/** None on systems that count waits for a processor as stalls: these come from the run's own load. */
function stallReasons(stalls: Stalls, latencyMs: number): string[] {
  if (!stalls.knowsWaits) return [];
  const added = addedLatencyShare(stalls, latencyMs);
  if (added <= MAX_STALL_SHARE_OF_LATENCY) return [];
  return [
    `stalls of up to ${stalls.longestMs.toFixed(0)} ms took ${percent(stalledShare(stalls))} of the run, ` +
      `which adds ${percent(added)} to a mean latency of ${latencyMs.toFixed(latencyMs < 10 ? 1 : 0)} ms ` +
      `(limit ${percent(MAX_STALL_SHARE_OF_LATENCY)})`,
  ];
}

/**
 * Delay by stalls over the latency W: those that begin within W take their share of it, and one that
 * is under way at the arrival still lasts E[L²]/2E[L] on average (a renewal process's residual life;
 * Kleinrock, Queueing Systems I, 5.2).
 */
function addedLatencyShare({ seconds, totalMs, squaredMs2 }: Stalls, latencyMs: number): number {
  if (seconds === 0) return 0;
  const residualMs2 = latencyMs > 0 ? squaredMs2 / (2 * latencyMs) : 0;
  return (totalMs + residualMs2) / (seconds * 1000);
}
