/**
 * The controller of accuracy scaling: estimates the demand at each epoch, solves the program step by step,
 * and after the time that a solver takes orders and releases replicas as the plan says.
 */
import { z } from "zod";
import { Fault } from "../../../engine/basics/fault.ts";
import { finished } from "../../../engine/basics/iterables.ts";
import type { ClusterView, Controller, Controls } from "../../../engine/dispatch/controller.ts";
import { visitRatios } from "../../../engine/stability/offered-load.ts";
import { sumOf } from "../../../engine/statistics/estimate.ts";
import type { System } from "../../../engine/system/system.ts";
import { intervalS, nonNegative, positive, positiveInt } from "../../rules/policy-definition.ts";
import { goalSharesUs, perUsWithin } from "../../rules/ways.ts";
import {
  type Counts,
  countWithin,
  type Option,
  type Program,
  type ProgramTask,
  roomLeft,
  solving,
} from "./program.ts";

/** An epoch has time for its plan. */
export const parametersOf = (usual: { readonly epochS: number; readonly solveMs: number }) =>
  z.strictObject({
    epochS: intervalS
      .default(usual.epochS)
      .describe("time from a plan to the next, in s; the first comes after 1 s at the latest"),
    solveMs: nonNegative(1e9)
      .default(usual.solveMs)
      .describe(
        "time that a solver takes: a plan takes effect so much after its epoch, or once it is found, in ms",
      ),
    newest: positive(1)
      .default(0.5)
      .describe("weight of the newest epoch in the moving average of the demand"),
    headroom: z
      .number()
      .min(1)
      .max(10)
      .default(1.05)
      .describe("the plan serves so many times the expected demand"),
    startPerS: positive(1e9)
      .default(1)
      .describe("requests per s of each pipeline that are expected before the first epoch"),
    shareOfGoal: z
      .number()
      .min(0.01)
      .max(1)
      .default(0.5)
      .describe("share of the SLO for service; batches must fit it"),
    devices: positiveInt(100_000)
      .optional()
      .describe("replicas that are on at once; default: one for each device slot"),
    mostNodes: positiveInt(100_000_000)
      .default(20_000)
      .describe("the search for a plan ends after so many nodes, with the best so far"),
  });

type Parameters = z.infer<ReturnType<typeof parametersOf>>;

const EPOCH = 0;
const PLAN = 1;
const STEP = 2;
/** From one step of a search to the next: the gateway serves meanwhile. */
const STEP_US = 5000;
/** The first epoch is short: nothing is known of the demand before it ends. */
const FIRST_EPOCH_US = 1_000_000;
const us = (s: number): number => Math.round(s * 1e6);
/** Beyond, the bound on nodes is too low for any plan. */
const MOST_FACTOR = 1e6;

/**
 * `saves`: devices that the most accurate variants do not need stay off. Throws Fault("invalid-input") for
 * fewer device slots than tasks.
 */
export class AccuracyScaler implements Controller {
  readonly pools = [];
  readonly scales: readonly number[];
  readonly timers = 3;
  readonly #system: System;
  readonly #parameters: Parameters;
  readonly #saves: boolean;
  /** By task of the program. */
  readonly #groups: readonly (readonly Option[])[];
  readonly #pipelines: Program["pipelines"];
  readonly #devices: number;
  readonly #arrivals: Float64Array;
  readonly #perS: Float64Array;
  #isFirst = true;
  /** Start of the epoch. */
  #sinceUs = 0;
  #plan: Counts = [];
  /** The search for the next plan; null: there is none under way. */
  #search: Generator<undefined, Counts> | null = null;
  /** When it may take effect. */
  #dueUs = 0;
  readonly #wanted = new Set<number>();

  constructor(system: System, parameters: Parameters, saves: boolean) {
    this.#system = system;
    this.#parameters = parameters;
    this.#saves = saves;
    const { shareOfGoal, devices, startPerS } = parameters;
    const budgets = goalSharesUs(system, shareOfGoal);
    const free = system.pipelines.filter(({ held }) => !held);
    const groups = [
      ...new Map(
        free.flatMap(({ tasks }) => tasks.map((task) => [task.pool, task.variants])),
      ).values(),
    ].filter((variants) => variants.some((pool) => system.pools[pool].count > 0));
    this.#groups = groups.map((variants) => optionsOf(system, variants, budgets));
    this.#pipelines = system.pipelines.map((pipeline) => {
      const ratios = visitRatios(pipeline);
      const visits = pipeline.tasks.map(({ pool }, task) => ({
        task: groups.findIndex((variants) => variants.includes(pool)),
        ratio: Math.min(1, ratios?.[task] ?? 1),
      }));
      return { weight: 0, visits: pipeline.held ? [] : visits.filter(({ task }) => task >= 0) };
    });
    this.scales = groups.flat();
    const slots = new Set(this.#members().map((replica) => system.replicas[replica].slot));
    if (slots.size < groups.length) throw tooFewSlots(groups.length, slots.size);
    this.#devices = Math.max(groups.length, Math.min(slots.size, devices ?? slots.size));
    this.#arrivals = new Float64Array(system.pipelines.length);
    this.#perS = new Float64Array(system.pipelines.length).fill(startPerS);
  }

  begin(view: ClusterView, act: Controls): void {
    this.#plan = finished(this.#solving());
    this.#choose();
    this.#reconcile(view, act);
    this.#sinceUs = view.nowUs;
    act.wakeAt(EPOCH, view.nowUs + Math.min(FIRST_EPOCH_US, us(this.#parameters.epochS)));
  }

  arrived(_request: number, pipeline: number): void {
    this.#arrivals[pipeline]++;
  }

  woken(timer: number, view: ClusterView, act: Controls): void {
    const { epochS, solveMs } = this.#parameters;
    const { nowUs } = view;
    if (timer === PLAN) {
      this.#choose();
      this.#reconcile(view, act);
    } else if (timer === STEP) this.#searchOn(nowUs, act);
    else {
      act.wakeAt(EPOCH, nowUs + us(epochS));
      // A search that outlasts its epoch goes on: begun anew, it might never end.
      if (this.#search !== null) return;
      this.#estimate(nowUs);
      this.#search = this.#solving();
      this.#dueUs = nowUs + us(solveMs / 1000);
      this.#searchOn(nowUs, act);
    }
  }

  #searchOn(nowUs: number, act: Controls): void {
    const step = this.#search?.next();
    if (step?.done !== true) {
      act.wakeAt(STEP, nowUs + STEP_US);
      return;
    }
    this.#search = null;
    this.#plan = step.value;
    act.wakeAt(PLAN, Math.max(nowUs + 1, this.#dueUs));
  }

  decide(view: ClusterView, act: Controls): void {
    // A gateway's replicas may join before the run begins.
    if (this.#plan.length > 0) this.#reconcile(view, act);
  }

  #estimate(nowUs: number): void {
    const { newest } = this.#parameters;
    const spanUs = nowUs - this.#sinceUs;
    this.#sinceUs = nowUs;
    for (let pipeline = 0; pipeline < this.#perS.length; pipeline++) {
      const perS = (this.#arrivals[pipeline] / spanUs) * 1e6;
      const weight = this.#isFirst ? 1 : newest;
      this.#perS[pipeline] = weight * perS + (1 - weight) * this.#perS[pipeline];
    }
    this.#arrivals.fill(0);
    this.#isFirst = false;
  }

  /** The plan for the demand, or for the largest share of it that can be served. */
  *#solving(): Generator<undefined, Counts> {
    const { mostNodes } = this.#parameters;
    for (let factor = 1; factor < MOST_FACTOR; factor += factor > 1.5 ? 0.1 * factor : 0.05) {
      const program = this.#program(factor);
      const frugal = this.#saves ? mostAccurateOnly(program) : null;
      if (frugal !== null) return frugal;
      const solution = yield* solving(program, mostNodes);
      if (solution.kind === "found") return withSurplus(program, solution.counts);
      // Not to be taken for infeasible: the plan at hand goes on.
      if (solution.kind === "unknown" && this.#plan.length > 0) return this.#plan;
    }
    return this.#groups.map(fastestAlone);
  }

  #program(factor: number): Program {
    const { headroom } = this.#parameters;
    const demand = new Float64Array(this.#groups.length);
    const pipelines = this.#pipelines.map(({ visits }, pipeline) => {
      const weight = this.#perS[pipeline];
      for (const { task, ratio } of visits) demand[task] += (weight * ratio * headroom) / factor;
      return { weight, visits };
    });
    const tasks = this.#groups.map((options, i) => ({ demandPerS: demand[i], options }));
    const { nodes, resources } = this.#system;
    const room = resources.map((_, r) => nodes.reduce((sum, node) => sum + node.resources[r], 0));
    return { tasks, pipelines, devices: this.#devices, room };
  }

  /**
   * Which replicas the plan wants on: those that are, then the first, one on each slot, as many as nodes
   * have resources for at once. A pool that would have none gets one all the same: its batches wait.
   */
  #choose(): void {
    const { pools, replicas, nodes } = this.#system;
    const taken = new Set<number>();
    const chosen = new Set<number>();
    const free = nodes.map(({ resources }) => [...resources]);
    const isNone = (pool: number): boolean =>
      ![...chosen].some((one) => replicas[one].pool === pool);
    const left = new Map(
      this.#groups.flatMap((options, task) =>
        options.map(({ pool }, k): [number, number] => [pool, this.#plan[task][k]]),
      ),
    );
    for (const round of ["kept", "new", "last"]) {
      for (const [pool, count] of left) {
        const { first, count: most, demand } = pools[pool];
        let open = round !== "last" ? count : Math.min(count, isNone(pool) ? 1 : 0);
        for (let replica = first; replica < first + most && open > 0; replica++) {
          const { slot, node } = replicas[replica];
          if (chosen.has(replica) || taken.has(slot)) continue;
          if (round === "kept" && !this.#wanted.has(replica)) continue;
          if (round !== "last" && countWithin(free[node], demand) === 0) continue;
          for (const [r, amount] of demand.entries()) free[node][r] -= amount;
          taken.add(slot);
          chosen.add(replica);
          open--;
        }
        left.set(pool, open);
      }
    }
    this.#wanted.clear();
    for (const replica of chosen) this.#wanted.add(replica);
  }

  /** A replica comes on once its slot is free of others. */
  #reconcile(view: ClusterView, act: Controls): void {
    const { replicas } = this.#system;
    const members = this.#members();
    for (const replica of members) {
      const isOn = view.standing(replica) === "ordered";
      if (isOn && !this.#wanted.has(replica)) act.release(replica);
    }
    const isUsed = (slot: number): boolean =>
      members.some(
        (other) =>
          replicas[other].slot === slot && ["ordered", "leaving"].includes(view.standing(other)),
      );
    for (const replica of this.#wanted) {
      if (view.standing(replica) !== "off" || isUsed(replicas[replica].slot)) continue;
      act.order(replica);
    }
  }

  #members(): readonly number[] {
    return this.scales.flatMap((pool) => {
      const { first, count } = this.#system.pools[pool];
      return Array.from({ length: count }, (_, i) => first + i);
    });
  }
}

function tooFewSlots(tasks: number, slots: number): Fault {
  const has = `${tasks} tasks share ${slots === 1 ? "one device slot" : `${slots} device slots`}`;
  return new Fault(
    "invalid-input",
    `accuracy scaling gives each task a slot of its own, but ${has}`,
    {
      hint: "add machines or devices, or choose another scheduler",
    },
  );
}

/** The most accurate first; without those that cannot meet their share of the goal, unless none can. */
function optionsOf(
  system: System,
  variants: readonly number[],
  budgets: Float64Array,
): readonly Option[] {
  const all = variants.map((pool) => {
    const { accuracy, count, first, demand } = system.pools[pool];
    const aloneUs = system.replicas[first].service.meanUs[1];
    const perUs = perUsWithin(system, pool, budgets[pool]);
    return { pool, accuracy: accuracy ?? 1, perUs, aloneUs, most: count, demand };
  });
  const fitting = all.filter(({ perUs }) => perUs > 0);
  const fastest = all.toSorted((a, b) => a.aloneUs - b.aloneUs).slice(0, 1);
  return (fitting.length > 0 ? fitting : fastest)
    .toSorted((a, b) => b.accuracy - a.accuracy)
    .map(({ pool, accuracy, perUs, aloneUs, most, demand }) => {
      const perS = (perUs > 0 ? perUs : 1 / Math.max(1, aloneUs)) * 1e6;
      return { pool, accuracy, perS, most, demand };
    });
}

/** One replica of the fastest. */
function fastestAlone(options: readonly Option[]): readonly number[] {
  const best = Math.max(...options.map(({ perS }) => perS));
  const at = options.findIndex(({ perS }) => perS === best);
  return options.map((_, k) => (k === at ? 1 : 0));
}

/** Loki's first step: as few devices as serve all with the best accuracy; null where they are too few. */
function mostAccurateOnly(program: Program): Counts | null {
  const { tasks, devices } = program;
  const counts = tasks.map(({ demandPerS, options }) =>
    options.map(({ perS }, k) => (k > 0 ? 0 : Math.max(1, Math.ceil(demandPerS / perS - 1e-9)))),
  );
  const used = sumOf(counts.flat());
  const fits = tasks.every(({ options }, task) => counts[task][0] <= options[0].most);
  const hasRoom = roomLeft(program, counts).every((amount) => amount >= 0);
  return fits && hasRoom && used <= devices ? counts : null;
}

/** Devices that the plan leaves go to the most accurate variants of the tasks with least to spare. */
function withSurplus(program: Program, counts: Counts): Counts {
  const { tasks, devices } = program;
  const rows = counts.map((row) => [...row]);
  const spare = ({ demandPerS, options }: ProgramTask, task: number): number =>
    options.reduce((sum, { perS }, k) => sum + perS * rows[task][k], 0) / demandPerS;
  for (let used = sumOf(rows.flat()); used < devices; used++) {
    const room = roomLeft(program, rows);
    const open = tasks.flatMap((task, i) => {
      const k = task.options.findIndex(
        ({ most, demand }, option) => rows[i][option] < most && countWithin(room, demand) > 0,
      );
      return k < 0 ? [] : [{ i, k, spare: spare(task, i) }];
    });
    if (open.length === 0) break;
    const { i, k } = open.reduce((least, one) => (one.spare < least.spare ? one : least));
    rows[i][k]++;
  }
  return rows;
}
