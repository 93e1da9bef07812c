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
 *
 * With headroom it is no bound but a first cluster, which leaves time for waits on each way through a pipeline:
 *
 *   s_t = Σ_k time_tk f_tk / jobs_t    mean service
 *   part × SLO >= e_t >= e_b + s_t     end without waits, after each task b before
 */
import type { System } from "../engine/system/system.ts";
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
/** Of a program's optimum, what a solution may miss: HiGHS' own, and where simulations go on from it. */
const EXACT = 1e-4;
const NEAR = 0.01;
/** With headroom, so many times fewer jobs than may be go to kinds on which more of them are late. */
const FEW = 20;
/** A load of exactly 1 keeps up with regular arrivals alone, which other bounds leave to simulation. */
const FULL = 1 - 1e-9;

/** Capacity over a task's jobs, by the replicas that these take at the least, and by how long jobs wait there (`waits`). */
export type Headroom = (least: number, waits: number) => number;

/** A program for a first cluster, which is no bound. */
export interface Above {
  readonly headroom: Headroom;
  /** Of an SLO, what mean services may take on any way through the pipeline. */
  readonly part: number;
  /** By node, at most. Default: all that there are. */
  readonly machines?: readonly number[];
}

/** `isInTime`: no more jobs than may be late even without a wait. */
export function* relaxed(
  alternative: Alternative,
  solve: Solver,
  cuts: readonly Cut[],
  above: Above | null,
  isInTime: boolean,
): Generator<undefined, Relaxed> {
  const { choice, proceeds } = alternative;
  const { tasks, runsOn } = choice.space;
  for (const t of proceeds ? [] : tasks.keys()) {
    choice.bounds.lateness(t);
    yield;
  }
  const program = programOf(alternative, cuts, above, isInTime);
  const gap = above === null ? EXACT : NEAR;
  let found = choice.solved.get(program) ?? (yield* solve(program, { nodes: NODES, gap }));
  if (found.values === null && found.bound < Number.POSITIVE_INFINITY)
    found = yield* solve(program, { nodes: MOST_NODES, gap });
  if (cuts.length === 0 && above?.machines === undefined) choice.solved.set(program, found);
  const { bound, values } = found;
  const rowOf = (t: number) => runsOn[t].map((_, k) => Math.round(values?.[`x${t}_${k}`] ?? 0));
  return { bound, rows: values && [...tasks.keys()].map(rowOf) };
}

function programOf(
  { choice, batches, isOpen, proceeds }: Alternative,
  cuts: readonly Cut[],
  above: Above | null,
  isInTime: boolean,
): string {
  const { space, bounds } = choice;
  const { tasks, runsOn, prices, counts, room } = space;
  const kindsOf = (task: number) => [...runsOn[task].keys()].filter((kind) => runsOn[task][kind]);
  const lines: string[] = [];
  const whole = prices.map((_, node) => `m${node}`);
  const limits = counts.map((count, node) => `m${node} <= ${above?.machines?.[node] ?? count}`);
  const binary: string[] = [];
  for (const [t] of tasks.entries()) {
    const kinds = kindsOf(t);
    const [low, high] = [space.bounds.low[t], space.bounds.high[t]];
    whole.push(...kinds.map((k) => `x${t}_${k}`));
    const replicas = kinds.map((k) => `x${t}_${k}`).join(" + ");
    lines.push(`${replicas} >= ${low}`, `${replicas} <= ${high}`);
    const known = bounds.jobs(t, !isOpen) * FULL;
    // Jobs that may be left out need no capacity; an incumbent has it.
    const jobs = above !== null ? known || bounds.mostJobs(t) : proceeds ? 0 : known;
    if (jobs <= 0) continue;
    lines.push(`${kinds.map((k) => `f${t}_${k}`).join(" + ")} >= ${jobs}`);
    const capacities = kinds.map((k) => bounds.capacityPerS(t, k, batches[t]));
    const factor = above?.headroom(jobs / Math.max(...capacities), bounds.waits[t]) ?? 1;
    for (const [i, k] of kinds.entries())
      lines.push(`${factor} f${t}_${k} - ${capacities[i]} x${t}_${k} <= 0`);
    const times = kinds.map((k) => `- ${bounds.meanMs(t, k) / jobs} f${t}_${k}`);
    if (above !== null) lines.push(`s${t} ${times.join(" ")} = 0`);
    const late = bounds.lateness(t);
    if (late === null || !isInTime) continue;
    const least = above === null ? 0 : Math.min(...kinds.map((k) => late.perJob[k]));
    const terms = kinds.filter((k) => late.perJob[k] > least);
    const sum = terms.map((k) => `${late.perJob[k] - least} f${t}_${k}`).join(" + ");
    const most = above === null ? late.mostPerS : late.mostPerS / FEW;
    if (terms.length > 0) lines.push(`${sum} <= ${most}`);
  }
  if (above !== null && isInTime) lines.push(...withinPart(bounds.system, above.part));
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

/** No way through a pipeline takes more than a part of its SLO. */
function withinPart({ pipelines }: System, part: number): readonly string[] {
  const limited = pipelines.filter(({ sloUs }) => part * sloUs < Infinity);
  return limited.flatMap(({ tasks, sloUs }, p) =>
    tasks.flatMap(({ pool, predecessors }, t) => [
      `e${p}_${t} - s${pool} >= 0`,
      ...predecessors.map((before) => `e${p}_${t} - e${p}_${before} - s${pool} >= 0`),
      `e${p}_${t} <= ${(part * sloUs) / 1000}`,
    ]),
  );
}

/** Whether the other cut rules out all that this one does. */
export function isWithin(cut: Cut, other: Cut, { bounds }: Choice): boolean {
  return [...other].every(([t, most]) => {
    const isIn = (n: number, k: number) => n === most[k] || (n < most[k] && !bounds.mayHarm(t, k));
    return cut.get(t)?.every(isIn) === true;
  });
}
