/**
 * The cheapest machines for which the traffic equations hold, as an integer program: a bound below which no cluster
 * keeps the goals, and the cluster to try next. By task t, kind k and node n:
 *
 *   min Σ price_n m_n                  machines m_n, replicas x_tk, jobs per second f_tk
 *   Σ_k f_tk >= headroom × jobs_t      all jobs are done
 *   f_tk <= capacity_tk x_tk           by replicas that can
 *   Σ_t x_tk <= Σ_n slots_nk m_n       with room for them, above each size of memory
 *   Σ_k late_tk f_tk <= most late      of jobs on slow kinds so many are late even without a wait
 *   cuts                               not all x_tk <= those of a shape that missed, or fewer on slow kinds
 */
import type { Alternative, Choice } from "./contenders.ts";
import type { Row } from "./space.ts";
import type { Solver } from "./standing.ts";

/** Replicas with which the goals are missed, of one task or of all; fewer miss too, but for those that may do harm. */
export type Cut = ReadonlyMap<number, Row>;

export interface Relaxed {
  /** No cluster outside the cuts costs less and keeps the goals. */
  readonly bound: number;
  readonly rows: readonly Row[] | null;
}

/** Programs take three nodes at most, as a rule. A bound in seconds made plans depend on the load of the machine. */
const NODES = 20;
const MOST_NODES = 1000;
/** With headroom, so many times fewer jobs than may be go to kinds on which more of them are late. */
const FEW = 20;
/** A load of exactly 1 keeps up with regular arrivals alone, which other bounds leave to simulation. */
const FULL = 1 - 1e-9;

/** Capacity over a task's jobs, by the replicas that these take at the least. */
export type Headroom = (least: number) => number;

/** `isInTime`: no more jobs than may be late even without a wait. */
export function* relaxed(
  alternative: Alternative,
  solve: Solver,
  cuts: readonly Cut[],
  headroom: Headroom | null,
  isInTime: boolean,
): Generator<undefined, Relaxed> {
  const { choice, proceeds } = alternative;
  const { tasks, runsOn } = choice.space;
  for (const t of proceeds ? [] : tasks.keys()) {
    choice.bounds.lateness(t);
    yield;
  }
  const program = programOf(alternative, cuts, headroom, isInTime);
  const quick = yield* solve(program, NODES);
  const isCut = quick.values === null && quick.bound < Number.POSITIVE_INFINITY;
  const { bound, values } = isCut ? yield* solve(program, MOST_NODES) : quick;
  if (values === null) return { bound, rows: null };
  const rows = runsOn.map((runs, t) => runs.map((_, k) => Math.round(values[`x${t}_${k}`] ?? 0)));
  return { bound, rows };
}

function programOf(
  { choice, batches, isOpen, proceeds }: Alternative,
  cuts: readonly Cut[],
  headroom: Headroom | null,
  isInTime: boolean,
): string {
  const { space, bounds } = choice;
  const { tasks, runsOn, prices, counts, room } = space;
  const kindsOf = (task: number) => [...runsOn[task].keys()].filter((kind) => runsOn[task][kind]);
  const lines: string[] = [];
  const whole = prices.map((_, node) => `m${node}`);
  const limits = counts.map((count, node) => `m${node} <= ${count}`);
  const binary: string[] = [];
  for (const [t] of tasks.entries()) {
    const kinds = kindsOf(t);
    const [low, high] = [space.bounds.low[t], space.bounds.high[t]];
    whole.push(...kinds.map((k) => `x${t}_${k}`));
    const replicas = kinds.map((k) => `x${t}_${k}`).join(" + ");
    lines.push(`${replicas} >= ${low}`, `${replicas} <= ${high}`);
    const known = bounds.jobs(t, !isOpen) * FULL;
    // Jobs that may be left out need no capacity; an incumbent has it.
    const jobs = headroom !== null ? known || bounds.mostJobs(t) : proceeds ? 0 : known;
    if (jobs <= 0) continue;
    lines.push(`${kinds.map((k) => `f${t}_${k}`).join(" + ")} >= ${jobs}`);
    const capacities = kinds.map((k) => bounds.capacityPerS(t, k, batches[t]));
    const factor = headroom?.(jobs / Math.max(...capacities)) ?? 1;
    for (const [i, k] of kinds.entries())
      lines.push(`${factor} f${t}_${k} - ${capacities[i]} x${t}_${k} <= 0`);
    const late = bounds.lateness(t);
    if (late === null || !isInTime) continue;
    const least = headroom === null ? 0 : Math.min(...kinds.map((k) => late.perJob[k]));
    const terms = kinds.filter((k) => late.perJob[k] > least);
    const sum = terms.map((k) => `${late.perJob[k] - least} f${t}_${k}`).join(" + ");
    const most = headroom === null ? late.mostPerS : late.mostPerS / FEW;
    if (terms.length > 0) lines.push(`${sum} <= ${most}`);
  }
  for (const { kind, tasks: those, slots } of room) {
    const users = those.filter((t) => runsOn[t][kind]);
    if (users.length === 0) continue;
    const own = slots.flatMap((n, node) => (n === 0 ? [] : [`- ${n} m${node}`]));
    const taken = users.map((t) => `x${t}_${kind}`).join(" + ");
    lines.push(`${taken} ${own.join(" ")} ${space.hosting === "apart" ? "<=" : "="} 0`);
  }
  for (const [c, cut] of cuts.entries()) {
    const ways = [...cut].flatMap(([t, row]) =>
      kindsOf(t).flatMap((k) => {
        const high = space.bounds.high[t];
        const more = (y: string) => `x${t}_${k} - ${row[k] + 1} ${y} >= 0`;
        const fewer = (y: string) => `x${t}_${k} + ${high} ${y} <= ${high + row[k] - 1}`;
        return row[k] > 0 && bounds.mayHarm(t, k) ? [more, fewer] : [more];
      }),
    );
    const names = ways.map((_, w) => `y${c}_${w}`);
    binary.push(...names);
    lines.push(`${names.join(" + ")} >= 1`, ...ways.map((way, w) => way(names[w])));
  }
  const costs = prices.map((price, node) => `${price} m${node}`).join(" + ");
  // At equal costs few replicas do: free slots are filled afterwards.
  return [
    ...["Minimize", ` obj: ${costs}`, "Subject To", ...lines.map((line, i) => ` r${i}: ${line}`)],
    ...["Bounds", ...limits.map((limit) => ` ${limit}`)],
    ...["General", ` ${whole.join(" ")}`],
    ...(binary.length === 0 ? [] : ["Binary", ` ${binary.join(" ")}`]),
    "End",
  ].join("\n");
}

/** Whether the other cut rules out all that this one does. */
export function isWithin(cut: Cut, other: Cut, { bounds }: Choice): boolean {
  return [...other].every(([t, most]) => {
    const isIn = (n: number, k: number) => n === most[k] || (n < most[k] && !bounds.mayHarm(t, k));
    return cut.get(t)?.every(isIn) === true;
  });
}
