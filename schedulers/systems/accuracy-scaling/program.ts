/**
 * The integer program of accuracy scaling: how many replicas of each variant, on which kinds of device, serve the
 * demand with the most accurate answers. By task i, its option k (a variant on a kind) and pipeline p:
 *
 *   maximise   Σ_p w_p v_p                          replicas x_ik, whole; shares of a task's jobs f_ik
 *   subject to Σ_k f_ik = 1                         all jobs are served
 *              f_ik <= x_ik · perS_k / demand_i     by replicas that can
 *              Σ x_ik <= devices of each kind, which host a replica of k, and of all together
 *              Σ x_ik · demand_k <= room            for each resource of the nodes together
 *              v_p <= Σ_ik φ_ik f_ik                for each plane φ
 *
 * v_p is the expectation of Π over p's tasks of (1 − r_i + r_i · A_i): no linear term. The best served requests of all
 * tasks are the same ones, since for a product no other coupling is better. So v_p is the optimum of a transport problem
 * with the shares as its margins: concave in them, and each dual solution φ is a plane above it. The program is solved
 * with some planes; where its optimum lies, the plane that touches v_p there is added; until v_p there is within the gap.
 */
import { leastBy } from "../../../engine/basics/iterables.ts";
import { sumOf } from "../../../engine/statistics/estimate.ts";
import { type Solution as Answer, solved, solverInUse } from "../../rules/solver.ts";

/** A variant on a kind of device. */
export interface Option {
  readonly pool: number;
  readonly kind: string;
  readonly accuracy: number;
  /** Jobs that one replica serves. */
  readonly perS: number;
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
    /** `ratio`: the share of the pipeline's requests that visit the task, r. */
    readonly visits: readonly { readonly task: number; readonly ratio: number }[];
  }[];
  readonly devices: number;
  /** Devices by kind. */
  readonly kinds: Readonly<Record<string, number>>;
  /** By resource: what there is. */
  readonly room: readonly number[];
}

/** Replicas by task and option. */
export type Counts = readonly (readonly number[])[];

/** By task and option. */
type Shares = readonly (readonly number[])[];

export type Solution =
  | {
      readonly kind: "found";
      readonly counts: Counts;
      /** No plan's mean accuracy is higher by more. */
      readonly gap: number;
    }
  /** `unknown`: the bound on nodes ran out before any plan was found. */
  | { readonly kind: "infeasible" | "unknown" };

/** A hundredth of a point of accuracy: searches end within it. */
export const GAP = 1e-4;

/** Ends after so many nodes, a linear program counts as one, with the best so far. */
export function mostAccurate(program: Program, mostNodes: number): Solution {
  const { tasks } = program;
  const weights = weightsOf(program);
  const planes: string[] = [];
  const addPlanes = (shares: Shares): number =>
    sumOf(
      weights.map((weight, pipeline) => {
        const plane = planeAt(program, pipeline, shares);
        planes.push(`v${pipeline} ${textOf(plane, -1)} <= 0`);
        return weight * valueOn(plane, shares);
      }),
    );
  // Of plans as accurate, one of few devices: all together cost a tenth of the gap.
  const spare = GAP / 10;
  const cost = allOf(tasks, () => spare / program.devices);
  const goal = `${cost} - ${weights.map((weight, p) => `${weight} v${p}`).join(" - ")}`;
  addPlanes(tasks.map(({ options }) => options.map((_, k) => (k === 0 ? 1 : 0))));
  let best: { counts: Counts; value: number } | null = null;
  let bound = 1;
  let isWhole = false;
  for (let left = mostNodes; left > 0; ) {
    const answer = ask(program, { goal, rows: planes, served: 1, isWhole, mostNodes: left });
    left -= answer.nodes + 1;
    const { values } = answer;
    if (values === null) {
      if (answer.bound === Number.POSITIVE_INFINITY) return { kind: "infeasible" };
      break;
    }
    const claimed = sumOf(weights.map((weight, p) => weight * (values[`v${p}`] ?? 0)));
    const isTouching = addPlanes(named(tasks, "f", values)) >= claimed - GAP / 2;
    if (isWhole) {
      bound = Math.min(bound, spare - answer.bound);
      const counts = named(tasks, "x", values).map((row) => row.map(whole));
      const value = accuracyOf(program, counts);
      if (best === null || value > best.value) best = { counts, value };
      if (isTouching) break;
    }
    // Planes at optima of the program without whole numbers are soon found, and leave few others to find.
    isWhole ||= isTouching || left <= mostNodes / 2;
  }
  if (best === null) return { kind: "unknown" };
  return { kind: "found", counts: best.counts, gap: Math.max(0, bound - best.value) };
}

/** Loki's first step: the fewest devices on which the most accurate variants serve all; null: too few, or out of nodes. */
export function fewestDevices(program: Program, mostNodes: number): Counts | null {
  const { tasks } = program;
  const rows = tasks.flatMap(({ options }, i) =>
    options.flatMap(({ accuracy }, k) =>
      accuracy < options[0].accuracy ? [`x${i}_${k} <= 0`] : [],
    ),
  );
  const { values } = ask(program, {
    goal: allOf(tasks),
    rows,
    served: 1,
    isWhole: true,
    mostNodes,
  });
  return values && named(tasks, "x", values).map((row) => row.map(whole));
}

/** The largest share of the demand of every task that the devices serve, 0 .. 1. */
export function servableShare(program: Program, mostNodes: number): number {
  const asked = { goal: "- s", rows: ["s <= 1"], served: "s", isWhole: true, mostNodes } as const;
  return ask(program, asked).values?.s ?? 0;
}

interface Question {
  /** To be least. */
  readonly goal: string;
  readonly rows: readonly string[];
  /** The share of each task's jobs, or its name. */
  readonly served: 1 | "s";
  readonly isWhole: boolean;
  readonly mostNodes: number;
}

/** Rows that the program gets besides its limits. */
function ask(program: Program, { goal, rows, served, isWhole, mostNodes }: Question): Answer {
  const { tasks, devices, kinds, room } = program;
  const limits: string[] = [];
  for (const [i, { demandPerS, options }] of tasks.entries()) {
    const shares = options.map((_, k) => `f${i}_${k}`).join(" + ");
    limits.push(served === 1 ? `${shares} = 1` : `${shares} - ${served} = 0`);
    for (const [k, { perS }] of options.entries()) {
      // One replica that could do more than all jobs does all.
      const share = demandPerS <= perS ? 1 : perS / demandPerS;
      limits.push(`f${i}_${k} - ${share} x${i}_${k} <= 0`);
    }
    limits.push(`${options.map((_, k) => `x${i}_${k}`).join(" + ")} >= 1`);
  }
  for (const [kind, count] of Object.entries(kinds)) {
    const here = allOf(tasks, (option) => (option.kind === kind ? 1 : 0));
    if (here !== "") limits.push(`${here} <= ${count}`);
  }
  limits.push(`${allOf(tasks)} <= ${devices}`);
  for (const [r, amount] of room.entries()) {
    const taken = allOf(tasks, ({ demand }) => demand[r]);
    if (taken !== "" && Number.isFinite(amount)) limits.push(`${taken} <= ${amount}`);
  }
  const names = tasks.flatMap(({ options }, i) => options.map((_, k) => `x${i}_${k}`));
  const text = [
    `minimize\n goal: ${goal}`,
    `subject to\n ${[...limits, ...rows].join("\n ")}`,
    ...(isWhole ? [`general\n ${names.join(" ")}`] : []),
    "end\n",
  ];
  return solved(solverInUse(), text.join("\n"), { nodes: mostNodes, gap: GAP / 2 });
}

/** The sum of all replicas, each weighted. */
function allOf(tasks: readonly ProgramTask[], weightOf: (option: Option) => number = () => 1) {
  const weights = tasks.map(({ options }) => options.map(weightOf));
  return textOf(weights, 1, "x").replace(/^\+ /, "");
}

/** A sum over tasks and options, each with its sign. */
function textOf(factors: Shares, sign: 1 | -1, name = "f"): string {
  const terms = factors.flatMap((row, i) =>
    row.map((factor, k) => (factor === 0 ? "" : `${factor * sign} ${name}${i}_${k}`)),
  );
  return terms
    .filter((term) => term !== "")
    .map((term) => (term.startsWith("-") ? `- ${term.slice(1)}` : `+ ${term}`))
    .join(" ");
}

/** A whole number that the solver gives to its tolerance. */
const whole = (value: number): number => Math.max(0, Math.round(value));

function named(
  tasks: readonly ProgramTask[],
  name: string,
  values: Readonly<Record<string, number>>,
): readonly (readonly number[])[] {
  return tasks.map(({ options }, i) => options.map((_, k) => values[`${name}${i}_${k}`] ?? 0));
}

/** Of each pipeline in the mean; alike where none has requests. */
function weightsOf({ pipelines }: Program): readonly number[] {
  const all = sumOf(pipelines.map(({ weight }) => weight));
  return pipelines.map(({ weight }) => (all > 0 ? weight / all : 1 / pipelines.length));
}

/** The mean accuracy of a plan: the jobs of a task fill its variants from the most accurate down. */
export function accuracyOf(program: Program, counts: Counts): number {
  const shares = program.tasks.map(({ demandPerS, options }, i) => {
    let rest = 1;
    return options.map(({ perS }, k) => {
      const most = demandPerS <= perS ? counts[i][k] : (counts[i][k] * perS) / demandPerS;
      const share = Math.min(rest, most);
      rest -= share;
      return share;
    });
  });
  return sumOf(
    weightsOf(program).map((weight, p) => weight * valueOn(planeAt(program, p, shares), shares)),
  );
}

const valueOn = (plane: Shares, shares: Shares): number =>
  sumOf(plane.flatMap((row, i) => row.map((factor, k) => factor * shares[i][k])));

/**
 * The plane above a pipeline's accuracy that touches it at these shares. From the best served requests to the worst, one
 * task at a time goes on to its next option; its φ falls by so much as the product does. As factors only fall, these are
 * dual prices of the coupling (Hoffman, On simple linear programming problems, 1963: a Monge array).
 */
function planeAt({ tasks, pipelines }: Program, pipeline: number, shares: Shares): Shares {
  const { visits } = pipelines[pipeline];
  const plane = tasks.map(({ options }) => options.map(() => 0));
  const at = visits.map(({ task }) => ({ task, option: 0, until: shares[task][0] }));
  const prices = visits.map(() => 0);
  const productNow = (): number =>
    visits.reduce((product, { task, ratio }, v) => {
      return product * (1 - ratio + ratio * tasks[task].options[at[v].option].accuracy);
    }, 1);
  let product = productNow();
  // The first task's price has the whole product.
  for (const [v, { task }] of at.entries()) {
    prices[v] = v === 0 ? product : 0;
    plane[task][0] += prices[v];
  }
  for (;;) {
    const open = [...at.keys()].filter((v) => at[v].option + 1 < tasks[at[v].task].options.length);
    const next = leastBy(open, (v) => at[v].until);
    if (next === undefined) return plane;
    const own = at[next];
    own.option++;
    own.until += shares[own.task][own.option];
    const fallen = productNow();
    prices[next] += fallen - product;
    product = fallen;
    plane[own.task][own.option] += prices[next];
  }
}
