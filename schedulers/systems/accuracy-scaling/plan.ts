/**
 * The plan of an epoch, which a driver finds beside its turns (`ask` of `engine/dispatch/controller.ts`): Loki's fewest
 * devices, else the most accurate counts for the demand, or for a share of it that can be served.
 */
import { leastBy } from "../../../engine/basics/iterables.ts";
import { sumOf } from "../../../engine/statistics/estimate.ts";
import {
  type Counts,
  fewestDevices,
  GAP,
  mostAccurate,
  type Option,
  type Program,
  servableShare,
} from "./program.ts";

/** Plain data: it goes to other threads. */
export interface PlanProblem {
  readonly program: Program;
  /** Devices that the most accurate variants do not need stay off. */
  readonly saves: boolean;
  readonly mostNodes: number;
}

/**
 * Replicas by task and option, in one row; empty where the bound on nodes ran out before any plan was found. Where it ran
 * out later, the gap in units of `GAP` is behind them: so the run's log says how much more accurate a plan may be.
 */
export function planFor({ program: whole, saves, mostNodes }: PlanProblem): readonly number[] {
  const frugal = saves ? fewestDevices(whole, mostNodes) : null;
  if (frugal !== null) return frugal.flat();
  // Whichever reason it had: on all devices the whole demand is asked first, so nothing is taken for infeasible.
  let program = whole;
  let solution = mostAccurate(whole, mostNodes);
  const share = solution.kind === "infeasible" ? servableShare(whole, mostNodes) : 1;
  // Demand is scaled down in steps of 5 to 10 %.
  for (let factor = 1; solution.kind === "infeasible" && share > 0; ) {
    factor += factor > 1.5 ? 0.1 * factor : 0.05;
    if (factor * share < 1) continue;
    const tasks = whole.tasks.map((task) => ({ ...task, demandPerS: task.demandPerS / factor }));
    program = { ...whole, tasks };
    solution = mostAccurate(program, mostNodes);
  }
  if (solution.kind !== "found") return [];
  const counts = withSurplus(program, solution.counts).flat();
  return solution.gap > GAP ? [...counts, Math.ceil(solution.gap / GAP)] : counts;
}

/** The mean accuracy that a solution of `planFor` may lack; null: it has no plan. */
export function gapOf({ program }: PlanProblem, solution: readonly number[]): number | null {
  if (solution.length === 0) return null;
  const [units = 0] = solution.slice(sumOf(program.tasks.map(({ options }) => options.length)));
  return units * GAP;
}

/** Devices that the plan leaves go to the most accurate variants of the tasks with least to spare. */
function withSurplus({ tasks, devices, kinds, room }: Program, counts: Counts): Counts {
  const rows = counts.map((row) => [...row]);
  const used = (weightOf: (option: Option) => number): number =>
    sumOf(tasks.flatMap(({ options }, i) => options.map((one, k) => rows[i][k] * weightOf(one))));
  const isOpen = ({ kind, demand }: Option): boolean =>
    used((one) => (one.kind === kind ? 1 : 0)) < (kinds[kind] ?? 0) &&
    demand.every((amount, r) => amount + used((one) => one.demand[r]) <= room[r]);
  const spare = (i: number): number =>
    sumOf(tasks[i].options.map(({ perS }, k) => perS * rows[i][k])) / tasks[i].demandPerS;
  while (used(() => 1) < devices) {
    const open = [...tasks.keys()].filter((i) => tasks[i].options.some(isOpen));
    const task = leastBy(open, spare);
    if (task === undefined) break;
    rows[task][tasks[task].options.findIndex(isOpen)]++;
  }
  return rows;
}
