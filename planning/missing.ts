/** Problems without a solution: an SLO or a load beyond all machines that there are, by bounds or by a few simulations. */
import { sumOf } from "../engine/statistics/estimate.ts";
import { attainmentOf, type Goal } from "../results/slo.ts";
import { type Alternative, type Choice, leastOf } from "./contenders.ts";
import { slotsOf } from "./cover.ts";
import { isBornOut, relaxedLook } from "./looks.ts";
import { wideError } from "./outlook.ts";
import { pilotOf } from "./run-length.ts";
import type { Row } from "./space.ts";
import type { Problem, Shortage } from "./standing.ts";

/** The figure that is missing, as a sentence; null where bounds leave a search to do. */
export function missingOf({ alternatives, goals }: Problem): string | null {
  let reason: string | null = null;
  for (const one of alternatives) {
    reason = one.proceeds ? null : reasonFor(one, goals);
    if (reason === null) return null;
  }
  // The last has the largest batches, in which replicas do most.
  return reason;
}

function reasonFor(alternative: Alternative, goals: readonly Goal[]): string | null {
  const { batches, isOpen } = alternative;
  const { space, bounds } = alternative.choice;
  const rows = space.bounds.high.map((high, t) => space.slotsFor(t).map((n) => Math.min(n, high)));
  if (bounds.servesTooSlowly(rows)) {
    const figures = goals.map(({ pipeline, latencyMs, share }) => {
      const leastMs = bounds.leastMs(rows, pipeline, share);
      return `${pipeline}: ${Number((100 * share).toPrecision(6))} % of requests take up to ${leastMs.toFixed(0)} ms without any wait on the fastest devices, and the SLO is ${latencyMs} ms`;
    });
    return figures.join("; ");
  }
  const most = rows.map((row, t) => {
    const each = (n: number, k: number) => Array(n).fill(bounds.capacityPerS(t, k, batches[t]));
    return (row.flatMap(each) as number[]).sort((a, b) => b - a).slice(0, space.bounds.high[t]);
  });
  const full = most.findIndex((each, t) => bounds.jobs(t, !isOpen) >= sumOf(each));
  if (full < 0) return roomFor(alternative, leastOf(alternative));
  const size = bounds.usefulBatches(full, batches[full]).at(-1) ?? 1;
  return `${space.tasks[full]} has ${bounds.jobs(full, !isOpen).toFixed(1)} jobs per second to do, and ${most[full].length} replicas, all that there may be, do ${sumOf(most[full]).toFixed(1)}${size === 1 ? "" : ` in batches of ${size}`}: at least ${leastOf(alternative)[full]} of the fastest are needed`;
}

/**
 * Which tasks need more slots than machines have with the memory for their models, all of them or those with a kind of
 * device; null where there is room for all.
 */
function roomFor(
  { choice: { space }, document }: Alternative,
  least: readonly number[],
  kind: number | null = null,
): string | null {
  const { hosting, tasks, room, counts, examples } = space;
  if (hosting === "everywhere") return null;
  for (const { tasks: own } of room) {
    const those = room.filter((one) => String(one.tasks) === String(own));
    const kinds = those.filter((one) => kind === null || one.kind === kind);
    const slots = sumOf(kinds.map((one) => slotsOf(one.slots, counts)));
    const needed = sumOf(own.map((t) => least[t]));
    if (needed <= slots) continue;
    const each = own.flatMap((t) => (least[t] === 0 ? [] : `${tasks[t]} ${least[t]}`)).join(", ");
    const name = kind === null ? null : document.cluster.nodes?.[examples[kind].node].name;
    const which = name === null ? "together" : `as fast as ${name}`;
    return `${each}: at least ${needed} replicas are needed, and all machines ${which} have ${slots} slots with the memory for their models`;
  }
  return null;
}

/** Why not even all machines keep the goals, by simulations; null where these do not show it. `known`: of a scheduler before. */
export function* shortageOf(
  problem: Problem,
  alternative: Alternative,
  known: Shortage | null,
): Generator<undefined, Shortage | null> {
  const isKnown = known?.choice === alternative.choice;
  const found = isKnown ? known : yield* suspected(problem, alternative);
  for (const [i, rows] of (found?.misses ?? []).entries()) {
    const look = yield* relaxedLook(problem, alternative, rows, 1);
    if (look.keeps) return null;
    if (!(yield* isBornOut(problem, { ...look, error: wideError(i + 1) }, 1))) return null;
  }
  return found;
}

/** Parts of what tasks need: the least that has no room is shown, for the clearer a miss, the fewer runs show it. */
const PARTS = Array.from({ length: 20 }, (_, i) => (i + 1) / 20);

function* suspected(
  problem: Problem,
  alternative: Alternative,
): Generator<undefined, Shortage | null> {
  const { choice } = alternative;
  const all = choice.space.bounds.high.map((most, t) => choice.bounds.fastestRow(t, most));
  const { keeps, trial } = yield* relaxedLook(problem, alternative, all, 1);
  if (!keeps) {
    const shareOf = (goal: Goal): number => attainmentOf(goal, trial.runs).estimate.mean;
    const shares = problem.goals.map(
      (goal) => `${(100 * shareOf(goal)).toPrecision(4)} % of ${goal.pipeline}'s requests`,
    );
    const text = `even all replicas that there may be, each on a machine of its own and the fastest device, keep only ${shares.join(", ")} within the SLO`;
    return { text, choice, misses: [all] };
  }
  const fastest = new Set(all.map((row) => row.findIndex((n) => n > 0)));
  for (const kind of choice.space.kinds === 1 ? [null] : [null, ...fastest]) {
    const least = yield* leastOn(problem, alternative, kind);
    const text = roomFor(alternative, least, kind);
    if (text === null) continue;
    const parts = PARTS.map((part) => least.map((n) => Math.ceil(part * n)));
    const fewer = parts.find((some) => roomFor(alternative, some, kind) !== null) ?? least;
    const misses = fewer.flatMap((n, t) => (n === 0 ? [] : clustersWith(choice, t, n - 1, kind)));
    const told = `${text}; simulations rule out every cluster, with an error of at most 5 %`;
    return { text: told, choice, misses };
  }
  return null;
}

/** Part of a look's runs where a pilot is no longer than these; else pilots do: what they suggest is borne out afterwards. */
const GUESSED = 1 / 3;

/** By task the fewest replicas that may keep the goals, whatever else there is: of any kind, or of one that is its fastest. */
function* leastOn(
  problem: Problem,
  alternative: Alternative,
  kind: number | null,
): Generator<undefined, readonly number[]> {
  const { choice, document } = alternative;
  const part = pilotOf(document) === document ? GUESSED : 0;
  const least: number[] = [];
  for (const [t, high] of choice.space.bounds.high.entries()) {
    const isAsked = kind === null || choice.bounds.fastestRow(t, 1)[kind] === 1;
    let [misses, keeps] = [-1, isAsked ? high : 0];
    while (keeps - misses > 1) {
      const n = Math.floor((misses + keeps) / 2);
      let mayKeep = false;
      for (const rows of clustersWith(choice, t, n, kind))
        mayKeep ||= (yield* relaxedLook(problem, alternative, rows, part)).keeps;
      [misses, keeps] = mayKeep ? [misses, n] : [n, keeps];
    }
    least.push(keeps);
  }
  return least;
}

/** So many replicas of a task on its fastest kind, without and, of one kind, with all slots of others; most of other tasks. */
function clustersWith(
  { space, bounds }: Choice,
  task: number,
  n: number,
  kind: number | null,
): readonly (readonly Row[])[] {
  const own = bounds.fastestRow(task, n);
  const rows = kind === null ? [own] : [own, space.slotsFor(task).with(kind, n)];
  const most = space.bounds.high.map((high, t) => bounds.fastestRow(t, high));
  const allowed = rows.filter((row) => sumOf(row) >= space.bounds.low[task]);
  return allowed.map((row) => most.with(task, row));
}
