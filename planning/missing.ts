/** Problems that no search solves, known before one: a goal or a load beyond all machines that there are. */
import { sumOf } from "../engine/statistics/estimate.ts";
import type { Alternative } from "./contenders.ts";
import type { Row, Space } from "./space.ts";
import type { Problem, Standing } from "./standing.ts";
import { keptOf } from "./trial.ts";

/** The figure that is missing, as a sentence; null where bounds leave a search to do. */
export function missingOf({ alternatives, goals }: Problem): string | null {
  const reasons = alternatives.map((one) => (one.proceeds ? null : reasonFor(one, goals)));
  return reasons.includes(null) ? null : reasons[0];
}

/** The same, by a simulation of more than any cluster has. */
export function missingOn({ fullest }: Standing): string | null {
  if (fullest === null) return null;
  const shares = Object.entries(keptOf(fullest.trial)).map(([pipeline, { sloAttainmentRatio }]) => {
    return `${(100 * sloAttainmentRatio.mean).toPrecision(4)} % of ${pipeline}'s requests`;
  });
  return `even all replicas that there may be, each on a machine of its own and the fastest device, keep only ${shares.join(", ")} within the SLO`;
}

function reasonFor(alternative: Alternative, goals: Problem["goals"]): string | null {
  const { batches, isOpen } = alternative;
  const { space, bounds } = alternative.choice;
  const rows = space.tasks.map((_, task) => mostOf(space, task));
  if (bounds.servesTooSlowly(rows)) {
    const figures = goals.map(({ pipeline, latencyMs, share }) => {
      const leastMs = bounds.leastMs(rows, pipeline, share);
      return `${pipeline}: ${Number((100 * share).toPrecision(6))} % of requests take up to ${leastMs.toFixed(0)} ms without any wait on the fastest devices, and the SLO is ${latencyMs} ms`;
    });
    return figures.join("; ");
  }
  const full = [...rows.keys()].find(
    (t) => bounds.utilisation(t, rows[t], batches[t], !isOpen) >= 1,
  );
  if (full === undefined) return roomFor(space, leastOf(alternative));
  const jobs = bounds.jobs(full, !isOpen);
  const most = jobs / bounds.utilisation(full, rows[full], batches[full], !isOpen);
  const where = `${sumOf(rows[full])} replicas, all that there may be,`;
  return `${space.tasks[full]} has ${jobs.toFixed(1)} jobs per second to do, and ${where} do ${most.toFixed(1)}`;
}

/** By task, the replicas that its jobs take, were all of the kind that does most. */
function leastOf({ choice, batches, isOpen }: Alternative): readonly number[] {
  const { space, bounds } = choice;
  return space.tasks.map((_, t) => {
    const each = space.runsOn[t].map((_runs, kind) => bounds.capacityPerS(t, kind, batches[t]));
    const jobs = bounds.jobs(t, !isOpen);
    return Math.max(space.bounds.low[t], Math.floor(jobs / Math.max(...each)) + 1);
  });
}

/** Which tasks need more slots than all machines have with the memory for their models; null where there is room for all. */
function roomFor({ hosting, tasks, room, counts }: Space, least: readonly number[]): string | null {
  if (hosting === "everywhere") return null;
  for (const { tasks: own } of room) {
    const kinds = room.filter((one) => String(one.tasks) === String(own));
    const slots = sumOf(kinds.flatMap((one) => one.slots.map((n, node) => n * counts[node])));
    const needed = sumOf(own.map((t) => least[t]));
    if (needed <= slots) continue;
    const each = own.map((t) => `${tasks[t]} ${least[t]}`).join(", ");
    return `${each}: at least ${needed} replicas are needed, and all machines together have ${slots} slots with the memory for their models`;
  }
  return null;
}

/** As many replicas by kind as all machines hold, within the most that the task may have. */
function mostOf({ bounds, runsOn, room, counts }: Space, task: number): Row {
  let left = bounds.high[task];
  return runsOn[task].map((runs, kind) => {
    const own = room.filter((one) => one.kind === kind && one.tasks.includes(task));
    const slots = own.map(({ slots: each }) => sumOf(each.map((n, node) => n * counts[node])));
    const replicas = runs ? Math.min(left, ...slots) : 0;
    left -= replicas;
    return replicas;
  });
}
