/**
 * The controller of accuracy scaling: estimates the demand at each epoch, asks for a plan, and orders and releases replicas
 * as the plan says once it is there.
 */
import { z } from "zod";
import { Fault } from "../../../engine/basics/fault.ts";
import { grouped, leastBy } from "../../../engine/basics/iterables.ts";
import type {
  AskingControls,
  ClusterView,
  Controller,
  Controls,
} from "../../../engine/dispatch/controller.ts";
import { visitRatios } from "../../../engine/stability/offered-load.ts";
import { membersOf, type System } from "../../../engine/system/system.ts";
import {
  amount,
  count,
  intervalS,
  ms,
  positiveInt,
  share,
  within,
} from "../../rules/parameters.ts";
import { batchWithin, goalSharesUs } from "../../rules/ways.ts";
import type { PlanProblem } from "./plan.ts";
import type { Counts, Option, Program } from "./program.ts";
import { shareOfGoal } from "./within-share.ts";

/** An epoch has time for its plan. */
export const parametersOf = (usual: { readonly epochS: number; readonly solveMs: number }) =>
  z.strictObject({
    epochS: intervalS
      .default(usual.epochS)
      .describe("time from a plan to the next, in s; the first comes after 1 s at the latest"),
    solveMs: ms(usual.solveMs, "a plan takes effect so long after its epoch, or once found", 1e9),
    newest: share(0.5, "weight of the newest epoch in the moving average of the demand"),
    headroom: within(1, 10, 1.05, "the plan serves so many times the expected demand"),
    startPerS: amount(1, "requests per s of a pipeline, expected before the first epoch", 1e9),
    shareOfGoal,
    devices: positiveInt(100_000)
      .optional()
      .describe("replicas that are on at once; default: one for each device slot"),
    mostNodes: count(200, "nodes of a solver's search, which ends there with the best so far", 1e8),
  });

type Parameters = z.infer<ReturnType<typeof parametersOf>>;

export const IDEA =
  "At each epoch an integer program gives every device slot a variant, so that the expected demand is served and the mean accuracy is the highest. Where no plan serves it, the demand is scaled down in steps of 5 to 10 %. Replicas that are on have their resources at once.";

const EPOCH = 0;
/** The first epoch is short: nothing is known of the demand before it ends. */
const FIRST_EPOCH_US = 1_000_000;
const us = (s: number): number => Math.round(s * 1e6);

/**
 * `saves`: devices that the most accurate variants do not need stay off. Throws Fault("invalid-input") for
 * fewer device slots than tasks.
 */
export class AccuracyScaler implements Controller {
  readonly scales: readonly number[];
  readonly timers = 1;
  readonly #system: System;
  readonly #parameters: Parameters;
  readonly #saves: boolean;
  /** By task of the program. */
  readonly #groups: readonly (readonly Option[])[];
  readonly #pipelines: Program["pipelines"];
  /** Replicas of all pools that it scales. */
  readonly #members: readonly number[];
  /** By device slot that hosts a replica: its kind. */
  readonly #kindOf: ReadonlyMap<number, string>;
  readonly #devices: number;
  readonly #arrivals: Float64Array;
  readonly #perS: Float64Array;
  #isFirst = true;
  /** Start of the epoch. */
  #sinceUs = 0;
  #plan: Counts = [];
  #isAsking = false;
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
    this.scales = groups.flat();
    this.#members = this.scales.flatMap((pool) => membersOf(system.pools[pool]));
    this.#kindOf = kindsOfSlots(system, this.#members);
    this.#groups = groups.map((variants) => optionsOf(system, this.#kindOf, variants, budgets));
    this.#pipelines = system.pipelines.map((pipeline) => {
      const ratios = visitRatios(pipeline);
      const visits = pipeline.tasks.map(({ pool }, task) => ({
        task: groups.findIndex((variants) => variants.includes(pool)),
        ratio: Math.min(1, ratios?.[task] ?? 1),
      }));
      return { weight: 0, visits: pipeline.held ? [] : visits.filter(({ task }) => task >= 0) };
    });
    const { size } = this.#kindOf;
    if (size < groups.length) throw tooFewSlots(groups.length, size);
    this.#devices = Math.max(groups.length, Math.min(size, devices ?? size));
    this.#arrivals = new Float64Array(system.pipelines.length);
    this.#perS = new Float64Array(system.pipelines.length).fill(startPerS);
  }

  /** Until the first plan is there, all replicas that have joined serve. */
  begin({ nowUs }: ClusterView, act: AskingControls): void {
    this.#sinceUs = nowUs;
    act.wakeAt(EPOCH, nowUs + Math.min(FIRST_EPOCH_US, us(this.#parameters.epochS)));
    this.#ask(nowUs, act);
  }

  arrived(_request: number, pipeline: number): void {
    this.#arrivals[pipeline]++;
  }

  woken(_timer: number, { nowUs }: ClusterView, act: AskingControls): void {
    const { epochS, solveMs } = this.#parameters;
    act.wakeAt(EPOCH, nowUs + us(epochS));
    // A search that outlasts its epoch goes on: begun anew, it might never end.
    if (this.#isAsking) return;
    this.#estimate(nowUs);
    this.#ask(Math.max(nowUs + 1, nowUs + us(solveMs / 1000)), act);
  }

  solved(solution: readonly number[], view: ClusterView, act: Controls): void {
    this.#isAsking = false;
    const groups = this.#groups;
    const left = [...solution];
    const plan = groups.map((options) => left.splice(0, options.length));
    // Without a plan within the bound, which is not to be taken for infeasible, the one at hand goes on.
    if (solution.length >= groups.flat().length) this.#plan = plan;
    else if (this.#plan.length === 0) this.#plan = groups.map(fastestAlone);
    this.#choose();
    this.#reconcile(view, act);
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

  #ask(atUs: number, act: AskingControls): void {
    const { headroom, mostNodes } = this.#parameters;
    const demand = new Float64Array(this.#groups.length);
    const pipelines = this.#pipelines.map(({ visits }, pipeline) => {
      const weight = this.#perS[pipeline];
      for (const { task, ratio } of visits) demand[task] += weight * ratio * headroom;
      return { weight, visits };
    });
    const tasks = this.#groups.map((options, i) => ({ demandPerS: demand[i], options }));
    const { nodes, resources } = this.#system;
    const room = resources.map((_, r) => nodes.reduce((sum, node) => sum + node.resources[r], 0));
    const byKind = grouped(this.#kindOf.values(), (kind) => kind);
    const kinds = Object.fromEntries([...byKind].map(([kind, { length }]) => [kind, length]));
    const program: Program = { tasks, pipelines, devices: this.#devices, kinds, room };
    const problem: PlanProblem = { program, saves: this.#saves, mostNodes };
    this.#isAsking = true;
    act.ask(problem, atUs);
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
    const asked = this.#groups.flatMap((options, task) =>
      options.map(({ pool, kind }, k) => ({ pool, kind, left: this.#plan[task][k] })),
    );
    for (const round of ["kept", "new", "last"]) {
      for (const one of asked) {
        const { pool, kind } = one;
        const { first, count: most, demand } = pools[pool];
        let open = round !== "last" ? one.left : Math.min(one.left, isNone(pool) ? 1 : 0);
        for (let replica = first; replica < first + most && open > 0; replica++) {
          const { slot, node } = replicas[replica];
          if (taken.has(slot) || this.#kindOf.get(slot) !== kind) continue;
          if (round === "kept" && !this.#wanted.has(replica)) continue;
          if (round !== "last" && demand.some((amount, r) => amount > free[node][r])) continue;
          for (const [r, amount] of demand.entries()) free[node][r] -= amount;
          taken.add(slot);
          chosen.add(replica);
          open--;
        }
        one.left = open;
      }
    }
    this.#wanted.clear();
    for (const replica of chosen) this.#wanted.add(replica);
  }

  /** A replica comes on once its slot is free of others. */
  #reconcile(view: ClusterView, act: Controls): void {
    const { replicas } = this.#system;
    const members = this.#members;
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
}

function tooFewSlots(tasks: number, slots: number): Fault {
  const has = `${tasks} tasks share ${slots === 1 ? "one device slot" : `${slots} device slots`}`;
  const hint = "add machines or devices, or choose another scheduler";
  const message = `accuracy scaling gives each task a slot of its own, but ${has}`;
  return new Fault("invalid-input", message, { hint });
}

/** By slot: slots of one kind host the same variants, and those take the same times there. */
function kindsOfSlots({ replicas }: System, members: readonly number[]): Map<number, string> {
  const hosted = grouped(members, (replica) => replicas[replica].slot);
  const kinds = [...hosted].map(([slot, own]): [number, string] => {
    const times = own.map((one) => `${replicas[one].pool}:${replicas[one].service.meanUs[1]}`);
    return [slot, [...new Set(times)].sort().join(" ")];
  });
  return new Map(kinds);
}

/** The most accurate first, and the fastest; without those that cannot meet their share of the goal, unless none can. */
function optionsOf(
  { pools, replicas }: System,
  kindOf: ReadonlyMap<number, string>,
  variants: readonly number[],
  budgets: Float64Array,
): readonly Option[] {
  const all = variants.flatMap((pool) => {
    const { accuracy, count, first, demand, maxBatch } = pools[pool];
    const own = replicas.slice(first, first + count);
    const byKind = grouped(own, ({ slot }) => kindOf.get(slot) as string);
    return [...byKind].map(([kind, [{ service }]]) => {
      const { meanUs } = service;
      const batch = batchWithin(meanUs, maxBatch, budgets[pool]);
      const perS = (Math.max(1, batch) * 1e6) / Math.max(1, meanUs[Math.max(1, batch)]);
      return { pool, kind, accuracy: accuracy ?? 1, perS, demand, isFitting: batch > 0 };
    });
  });
  const fitting = all.filter(({ isFitting }) => isFitting);
  const fastest = all.toSorted((a, b) => b.perS - a.perS).slice(0, 1);
  return (fitting.length > 0 ? fitting : fastest).toSorted(
    (a, b) => b.accuracy - a.accuracy || b.perS - a.perS,
  );
}

/** One replica of the fastest. */
function fastestAlone(options: readonly Option[]): readonly number[] {
  const fastest = leastBy(options, ({ perS }) => -perS);
  return options.map((one) => (one === fastest ? 1 : 0));
}
