/** Plays a few schedulers on a scenario itself, for seconds, to see which of them keeps most of its requests in time. */
import { loadHighs } from "../build/load-highs.ts";
import { expectedRequests } from "../engine/arrivals/arrival-source.ts";
import { offeredRatePerS } from "../engine/stability/judge-stability.ts";
import { type Estimate, estimate } from "../engine/statistics/estimate.ts";
import { compareGroup, DEFAULT_MARGIN, halfWidth95, pairedDifference } from "../results/compare.ts";
import type { SloState } from "../results/documents.ts";
import { goalsOf, type SloRun, sloState } from "../results/slo.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { asksForSolver, useSolver } from "../schedulers/rules/solver.ts";
import { replicationSteps } from "../sim/replication.ts";
import { inTurns } from "../sweep/run-sweep.ts";
import { inputsOf, type Scenario } from "./scenario.ts";

/** Shares are in percent of the scenario's requests. */
export interface TriedScheduler {
  readonly name: string;
  readonly inTime: Estimate;
  /** Points over the first, which meets the same requests. */
  readonly overFirst: Estimate;
  /** Not shown to be worse than another by more than 1%. */
  readonly isBest: boolean;
  /** Whether it is shown to keep the SLOs of all pipelines there. */
  readonly slo: SloState;
}

/** A scheduler's name with the scenario that has it. */
interface Candidate {
  readonly name: string;
  readonly document: ScenarioDocument;
}

/** Seeds, and events of all runs: as many take seconds. */
const MOST = { replications: 8, events: 4e6 };
const LEAST_REPLICATIONS = 3;
/** A language model's request takes part in so many iterations that are not shared, roughly. */
const ITERATIONS_EACH = 40;

/** So many candidates at most can be tried on a scenario; below 2 none are. */
export const mostToTry = (loaded: Scenario): number =>
  Math.floor(MOST.events / (LEAST_REPLICATIONS * eventsOf(loaded)));

/** In the order of the candidates; the text says why they are not tried. */
export async function trySchedulers(
  loaded: Scenario,
  candidates: readonly Candidate[],
  signal?: AbortSignal,
): Promise<readonly TriedScheduler[] | string> {
  const eachTime = candidates.length * eventsOf(loaded);
  const replications = Math.min(MOST.replications, Math.floor(MOST.events / eachTime));
  if (replications < LEAST_REPLICATIONS)
    return "its runs take more than seconds; shorten workload.requests or workload.durationS";
  if (asksForSolver(candidates)) useSolver(await loadHighs());
  const inputs = inputsOf(loaded);
  const runs: (readonly SloRun[])[] = [];
  for (const candidate of candidates) {
    const own: SloRun[] = [];
    for (let i = 0; i < replications; i++) {
      const { summary } = await inTurns(replicationSteps(candidate.document, inputs, i), signal);
      own.push(summary);
    }
    runs.push(own);
  }
  return judged(candidates, runs);
}

/** Estimates the events of one run, roughly. */
function eventsOf({ document: { models, pipelines, workload }, traces }: Scenario): number {
  const hasEngines = Object.values(models).some(({ tokens }) => tokens !== undefined);
  const tasks = Object.values(pipelines).map((pipeline) => Object.keys(pipeline.tasks).length);
  const each = 2 * Math.max(...tasks) * (hasEngines ? ITERATIONS_EACH : 1);
  if (workload.arrivals !== "trace") return each * expectedRequests(workload);
  const { file, repeat, durationS } = workload;
  const perS = offeredRatePerS(workload, traces[file]) ?? 0;
  const all = traces[file].length * (typeof repeat === "number" ? repeat : 1);
  return each * (durationS === undefined ? (workload.requests ?? all) : perS * durationS);
}

function judged(
  candidates: readonly Candidate[],
  runs: readonly (readonly SloRun[])[],
): readonly TriedScheduler[] {
  const shares = runs.map((own) =>
    own.map(({ metrics }) => 100 * (metrics.sloAttainmentRatio ?? 0)),
  );
  const group = shares.map((samples, i) => {
    const metrics = { sloAttainmentRatio: estimate(samples) };
    return { id: `${i}`, parameters: {}, metrics, samples: { sloAttainmentRatio: samples } };
  });
  const found = compareGroup(group, ["scheduler"], "sloAttainmentRatio", DEFAULT_MARGIN);
  return candidates.map(({ name, document }, i): TriedScheduler => {
    const difference = pairedDifference(shares[i], shares[0]);
    const overFirst =
      difference === null
        ? { mean: 0, halfWidth95: 0 }
        : { mean: difference.mean, halfWidth95: halfWidth95(difference) };
    return {
      name,
      inTime: rounded(estimate(shares[i])),
      overFirst: rounded(overFirst),
      isBest: found?.members[i].verdict !== "worse",
      slo: sloState(goalsOf(document), runs[i], "unknown"),
    };
  });
}

const rounded = ({ mean, halfWidth95 }: Estimate): Estimate => ({
  mean: Number(mean.toFixed(1)),
  halfWidth95: Number(halfWidth95.toFixed(1)),
});
