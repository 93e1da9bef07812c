/**
 * The integer program of accuracy scaling: how many replicas of each variant serve the demand on so
 * many devices with the most accurate answers.
 *
 *   maximise   Σ pipelines w_p · E[ Π tasks i of p (1 − r_i + r_i · A_i) ]
 *   subject to Σ x ≤ devices,  x_k ≤ replicas of k,  each task has a replica
 *              Σ x_k · demand_k ≤ room, for each resource of the nodes together
 *              Σ variants k of task i  x_k · capacity_k ≥ demand_i
 *
 * x is whole. The jobs of a task fill its variants from the most accurate down, and the best served
 * requests of all tasks are the same ones: for a product, no other split and coupling is better. So
 * A_i is a step function of a request's rank u, and the expectation an integral over u. r_i is the
 * share of the pipeline's requests that visit the task.
 *
 * Solved by branch and bound, depth first, with pauses in which a gateway does its other work. A bound on nodes,
 * never on time, ends it with the best plan so far: the same input gives the same plan on every machine. With ten
 * tasks of six variants on a hundred devices that is several points of accuracy below the best. A solver of linear programs (`highs`) would need the
 * product replaced by an approximation, and a promise to load it, which no decision here may wait for.
 */
export interface Option {
  readonly pool: number;
  readonly accuracy: number;
  /** Jobs that one replica serves. */
  readonly perS: number;
  /** Replicas that there are. */
  readonly most: number;
  /** By resource: what a replica takes. */
  readonly demand: readonly number[];
}

export interface ProgramTask {
  readonly demandPerS: number;
  /** The most accurate first. */
  readonly options: readonly Option[];
}

export interface Program {
  readonly tasks: readonly ProgramTask[];
  readonly pipelines: readonly {
    readonly weight: number;
    readonly visits: readonly { readonly task: number; readonly ratio: number }[];
  }[];
  readonly devices: number;
  /** By resource: what there is. */
  readonly room: readonly number[];
}

/** Replicas by task and option. */
export type Counts = readonly (readonly number[])[];

const TINY = 1e-9;
/** Nodes from one pause to the next: 1 to 3 ms. */
const NODES_A_STEP = 250;

/** A step function on the ranks 0..1: accuracies, the highest first, each for a share. */
type Steps = readonly { readonly share: number; readonly accuracy: number }[];

/** `unknown`: the bound on nodes ran out before any plan was found. */
export type Solution =
  | {
      readonly kind: "found";
      readonly counts: Counts /** No plan is better. */;
      readonly isBest: boolean;
    }
  | { readonly kind: "infeasible" | "unknown" };

/** Begins with a plan of the fastest variants, so that a bound that runs out is not read as infeasible. */
export function* solving(program: Program, mostNodes: number): Generator<undefined, Solution> {
  const { tasks, devices } = program;
  let { room } = program;
  const counts = tasks.map(({ options }) => options.map(() => 0));
  const whole: Steps[] = tasks.map(({ options }) => [{ share: 1, accuracy: options[0].accuracy }]);
  /** Devices that the tasks from here on need at least. */
  const needed = tasks.map(({ demandPerS, options }) => leastDevices(demandPerS, options));
  for (let task = tasks.length - 2; task >= 0; task--) needed[task] += needed[task + 1];
  needed.push(0);
  let best: Counts | null = fastestPlan(program);
  let value =
    best === null
      ? Number.NEGATIVE_INFINITY
      : expected(
          program,
          tasks.map((task, i) => stepsOf(task, (best as Counts)[i], task.options.length)),
        );
  let nodes = 0;

  function* visit(task: number, option: number, left: number, rest: number): Generator<undefined> {
    if (nodes++ >= mostNodes) return;
    if (nodes % NODES_A_STEP === 0) yield;
    if (task === tasks.length) {
      const found = expected(program, whole);
      if (found <= value + TINY) return;
      value = found;
      best = counts.map((row) => [...row]);
      return;
    }
    const { demandPerS, options } = tasks[task];
    const served = counts[task].some((count) => count > 0);
    const isDone = rest <= TINY * demandPerS && served;
    if (isDone || option === options.length) {
      if (!isDone || left < needed[task + 1]) return;
      yield* visit(task + 1, 0, left, tasks[task + 1]?.demandPerS ?? 0);
      return;
    }
    if (left < leastDevices(rest, options.slice(option)) + needed[task + 1]) return;
    const { perS, most, demand } = options[option];
    const useful = Math.max(1, Math.ceil(rest / perS - TINY));
    const before = whole[task];
    const roomBefore = room;
    for (let count = Math.min(most, left, useful, countWithin(room, demand)); count >= 0; count--) {
      counts[task][option] = count;
      room = roomBefore.map((amount, r) => amount - count * demand[r]);
      whole[task] = stepsOf(tasks[task], counts[task], option + 1);
      if (whole[task].length > 0 && expected(program, whole) > value + TINY) {
        yield* visit(task, option + 1, left - count, Math.max(0, rest - count * perS));
      }
    }
    counts[task][option] = 0;
    whole[task] = before;
    room = roomBefore;
  }

  yield* visit(0, 0, devices, tasks[0]?.demandPerS ?? 0);
  const isWhole = nodes <= mostNodes;
  if (best !== null) return { kind: "found", counts: best, isBest: isWhole };
  return { kind: isWhole ? "infeasible" : "unknown" };
}

/** Each task on its fastest variants, as many as serve its demand; null where devices or resources are too few so. */
function fastestPlan({ tasks, devices, room }: Program): Counts | null {
  let left = devices;
  let free = room;
  const counts: number[][] = [];
  for (const { demandPerS, options } of tasks) {
    const row = options.map(() => 0);
    let rest = demandPerS;
    const bySpeed = [...options.keys()].sort((a, b) => options[b].perS - options[a].perS);
    for (const k of bySpeed) {
      const { perS, most, demand } = options[k];
      const isServed = row.some((count) => count > 0);
      const wanted = Math.max(isServed ? 0 : 1, Math.ceil(rest / perS - TINY));
      row[k] = Math.max(0, Math.min(wanted, most, left, countWithin(free, demand)));
      left -= row[k];
      free = free.map((amount, r) => amount - row[k] * demand[r]);
      rest -= row[k] * perS;
    }
    if (rest > TINY * demandPerS || row.every((count) => count === 0)) return null;
    counts.push(row);
  }
  return counts;
}

/** So many replicas of that demand fit; Infinity where it is none. */
export function countWithin(room: readonly number[], demand: readonly number[]): number {
  return Math.min(
    Number.POSITIVE_INFINITY,
    ...room.map((amount, r) =>
      demand[r] > 0 ? Math.floor(amount / demand[r]) : Number.POSITIVE_INFINITY,
    ),
  );
}

/** By resource: what these counts leave; below 0 where they take too much. */
export function roomLeft({ tasks, room }: Program, counts: Counts): readonly number[] {
  return room.map((amount, r) =>
    tasks.reduce(
      (left, { options }, i) =>
        options.reduce((rest, { demand }, k) => rest - counts[i][k] * demand[r], left),
      amount,
    ),
  );
}

/** A bound: whatever its other limits, no variant serves more than the fastest. */
function leastDevices(demandPerS: number, options: readonly Option[]): number {
  const fastest = Math.max(...options.map(({ perS }) => perS));
  return demandPerS <= 0 ? 0 : Math.ceil(demandPerS / fastest - TINY);
}

/** Options before `decided` have their counts; the next takes what is left, which no plan exceeds. */
function stepsOf(
  { demandPerS, options }: ProgramTask,
  counts: readonly number[],
  decided: number,
): Steps {
  const steps: { share: number; accuracy: number }[] = [];
  let rest = 1;
  for (const [i, { perS, accuracy }] of options.entries()) {
    if (rest <= 0) break;
    const isOpen = i >= decided;
    const capacity = demandPerS <= 0 ? Math.min(1, counts[i]) : (counts[i] * perS) / demandPerS;
    const share = isOpen ? rest : Math.min(rest, capacity);
    if (share > 0) steps.push({ share, accuracy });
    rest -= share;
  }
  return steps;
}

function expected({ pipelines }: Program, steps: readonly Steps[]): number {
  let sum = 0;
  for (const { weight, visits } of pipelines) {
    const at = visits.map(() => ({ step: 0, used: 0 }));
    for (let rank = 0; rank < 1 - TINY; ) {
      let width = 1 - rank;
      let product = 1;
      for (const [i, { task, ratio }] of visits.entries()) {
        const own = steps[task];
        const here = own[Math.min(at[i].step, own.length - 1)];
        if (at[i].step < own.length - 1) width = Math.min(width, here.share - at[i].used);
        product *= 1 - ratio + ratio * here.accuracy;
      }
      sum += weight * product * width;
      rank += width;
      for (const [i, { task }] of visits.entries()) {
        const own = steps[task];
        at[i].used += width;
        if (at[i].step >= own.length - 1 || at[i].used < own[at[i].step].share - TINY) continue;
        at[i].step++;
        at[i].used = 0;
      }
    }
  }
  return sum;
}
