/**
 * Nexus: devices shared by models in duty cycles. Planned once an epoch, or when rates have changed:
 *
 *   goals of pipelines ─split─> a goal for each task ─┐
 *   expected or heard rates ──────────────────────────┴─pack─> which tasks a device serves, in which
 *   batches
 */
import { z } from "zod";
import type {
  ClusterView,
  Controller,
  Controls,
  JobView,
} from "../../../core/dispatch/controller.ts";
import { visitRatios } from "../../../core/stability/offered-load.ts";
import type { PipelineSystem, System } from "../../../core/system.ts";
import {
  type ControllerContext,
  defineController,
  intervalS,
  positive,
  preset,
  type SystemPack,
} from "../../rules/policy-definition.ts";
import { leastBy } from "../../rules/textbook.ts";
import { batchWithin, mostPerS, visitsPerRequest, waysThrough } from "../../rules/ways.ts";
import {
  batchLimits,
  idleOf,
  placeablePools,
  runningOn,
  type SlotReplicas,
  slotsOf,
} from "./device-slots.ts";
import { packSessions, type Session, saturatingBatch, splitLatency } from "./nexus-plans.ts";

const parameters = z.strictObject({
  ratePerS: positive(1e9)
    .optional()
    .describe("expected requests per s of all pipelines; default: every device is full at first"),
  epochS: positive()
    .default(30)
    .describe("plans are made anew from the rates that were heard, in s"),
  leastEpochS: positive()
    .default(10)
    .describe("and no sooner than this when a rate leaves 0.8 to 1.1 of the planned one, in s"),
  beaconS: intervalS.default(1).describe("between two looks at the rates, in s"),
});

type Parameters = z.infer<typeof parameters>;

interface Device extends SlotReplicas {
  /** By pool that it serves: the largest batch. */
  batches: Map<number, number>;
  /** The pool that was served last. */
  last: number;
}

class DutyCycles implements Controller {
  readonly pools: readonly number[];
  readonly placesModels = true;
  readonly scales = [];
  readonly timers = 1;
  readonly #system: System;
  readonly #limits: readonly number[];
  readonly #devices: readonly Device[];
  readonly #goals: StageGoals;
  readonly #given: Parameters;
  /** By pool: the rate that was planned for; null: full devices. */
  #plannedPerS: readonly number[] | null = null;
  #plannedUs = 0;
  /** By pool: jobs that came since the last plan. */
  #heard: Float64Array;

  constructor({ system, pools }: ControllerContext, given: Parameters) {
    this.pools = placeablePools(system);
    this.#system = system;
    this.#given = given;
    this.#limits = batchLimits(system, pools);
    this.#goals = stageGoals(system, this.#limits);
    this.#devices = slotsOf(system, this.pools).map((slot) => ({
      ...slot,
      batches: new Map(),
      last: -1,
    }));
    this.#heard = new Float64Array(system.pools.length);
  }

  queued(_job: JobView, pool: number): void {
    this.#heard[pool]++;
  }

  begin(view: ClusterView, act: Controls): void {
    const { ratePerS, beaconS } = this.#given;
    const visits = visitsPerRequest(this.#system);
    this.#plan(ratePerS === undefined ? null : visits.map((each) => each * ratePerS), view.nowUs);
    act.wakeAt(0, view.nowUs + Math.round(beaconS * 1e6));
  }

  woken(_timer: number, view: ClusterView, act: Controls): void {
    const { beaconS, epochS, leastEpochS } = this.#given;
    const sinceS = (view.nowUs - this.#plannedUs) / 1e6;
    const rates = Array.from(this.#heard, (jobs) => jobs / sinceS);
    const isDue = sinceS >= epochS || (sinceS >= leastEpochS && this.#hasChanged(rates));
    // A silent time says nothing about the rates to come.
    if (isDue && rates.some((rate) => rate > 0)) this.#plan(rates, view.nowUs);
    act.wakeAt(0, view.nowUs + Math.round(beaconS * 1e6));
  }

  decide(view: ClusterView, act: Controls): void {
    for (const device of this.#devices) this.#serve(view, act, device);
  }

  #hasChanged(rates: readonly number[]): boolean {
    const planned = this.#plannedPerS;
    if (planned === null) return true;
    return this.pools.some(
      (pool) => rates[pool] < 0.8 * planned[pool] || rates[pool] > 1.1 * planned[pool],
    );
  }

  // --- turns ------------------------------------------------------------------------------------

  /** Gives an idle device to the next of its pools, in turn, that has a batch in time. */
  #serve(view: ClusterView, act: Controls, device: Device): void {
    if (runningOn(view, device) !== undefined) return;
    const pools = [...device.batches.keys()];
    const from = pools.indexOf(device.last) + 1;
    for (let i = 0; i < pools.length; i++) {
      const pool = pools[(from + i) % pools.length];
      const replica = idleOf(view, device.members.get(pool) ?? []);
      if (replica === undefined) continue;
      const size = this.#window(view, act, pool, replica, device.batches.get(pool) as number);
      if (size === 0) continue;
      device.last = pool;
      act.startNext(replica, size);
      return;
    }
  }

  /** Slides the window past the jobs that would be late in it; the size of the batch, or 0. */
  #window(
    view: ClusterView,
    act: Controls,
    pool: number,
    replica: number,
    planned: number,
  ): number {
    for (;;) {
      const { length } = view.queue(pool);
      if (length === 0) return 0;
      const size = Math.min(planned, length);
      const { next } = view.queue(pool);
      if (view.nowUs + view.expectedUs(replica, size) <= this.#goals.deadlineUs(next)) return size;
      act.drop(next.job);
    }
  }

  // --- plans ------------------------------------------------------------------------------------

  /** Null: as if every pool could fill all its devices. */
  #plan(rates: readonly number[] | null, nowUs: number): void {
    this.#plannedPerS = rates;
    this.#plannedUs = nowUs;
    this.#heard = new Float64Array(this.#heard.length);
    for (const device of this.#devices) device.batches = new Map();
    if (rates !== null) this.#assign(rates);
    for (const device of this.#devices) {
      if (device.batches.size > 0) continue;
      // A device without a place in the plan serves all that it hosts.
      for (const pool of device.members.keys()) {
        device.batches.set(pool, this.#fullBatch(device, pool));
      }
    }
    this.#coverAll();
  }

  /** Packs the pools and gives each packed device a real one that hosts all of its pools. */
  #assign(rates: readonly number[]): void {
    const sessions = this.pools.map((pool) => this.#session(pool, rates[pool]));
    const packed = packSessions(sessions).toSorted(
      (a, b) => b.shares.length - a.shares.length || b.occupancy - a.occupancy,
    );
    for (const { shares } of packed) {
      const pools = shares.map(({ session }) => this.pools[session]);
      const free = this.#devices.find(
        ({ batches, members }) => batches.size === 0 && pools.every((pool) => members.has(pool)),
      );
      if (free === undefined) continue;
      shares.forEach(({ batch }, i) => {
        free.batches.set(pools[i], batch);
      });
    }
  }

  /** A pool that no device serves yet joins the one that hosts it and serves the fewest pools. */
  #coverAll(): void {
    for (const pool of this.pools) {
      const hosts = this.#devices.filter(({ members }) => members.has(pool));
      const least = leastBy(hosts, ({ batches }) => batches.size);
      if (least === undefined || hosts.some(({ batches }) => batches.has(pool))) continue;
      least.batches.set(pool, this.#fullBatch(least, pool));
    }
  }

  #session(pool: number, ratePerS: number, replica = this.#system.pools[pool].first): Session {
    const isHosted = this.#system.pools[pool].count > 0;
    const batchUs = isHosted ? this.#system.replicas[replica].service.meanUs : [];
    const goalUs = this.#goals.ofPool[pool];
    return { ratePerS, goalUs, batchUs: batchUs.slice(0, this.#limits[pool] + 1) };
  }

  /** The batch of a device that serves this pool alone; of 1 where no batch is in time. */
  #fullBatch({ members }: SlotReplicas, pool: number): number {
    const [replica] = members.get(pool) as readonly number[];
    return Math.max(1, saturatingBatch(this.#session(pool, 1, replica)));
  }
}

interface StageGoals {
  /** By pool: the least time that a pipeline leaves for it, µs. */
  readonly ofPool: readonly number[];
  /** When a job has to be done so that the tasks after it have their time. */
  deadlineUs(job: JobView): number;
}

/** The goal of each task: by the split of its pipeline where that is a tree, else in equal parts. */
function stageGoals(system: System, limits: readonly number[]): StageGoals {
  const ofPool = system.pools.map(() => Number.POSITIVE_INFINITY);
  const ends = system.pipelines.map((pipeline) => {
    const budgets = splitOf(system, pipeline, limits);
    const { tasks, sloUs } = pipeline;
    for (const [task, { pool }] of tasks.entries()) {
      if (Number.isFinite(sloUs)) ofPool[pool] = Math.min(ofPool[pool], budgets[task]);
    }
    const { before } = waysThrough(tasks, budgets);
    // By task: from the request's arrival to the end of its budget.
    return budgets.map((budget, task) => before[task] + budget);
  });
  return {
    ofPool,
    deadlineUs: ({ pipeline, task, arrivedUs, deadlineUs }) =>
      Math.min(deadlineUs, arrivedUs + ends[pipeline][task]),
  };
}

/** The budget of each task of a pipeline, µs. */
function splitOf(system: System, pipeline: PipelineSystem, limits: readonly number[]): number[] {
  const { tasks, sloUs, entryTasks } = pipeline;
  if (!Number.isFinite(sloUs)) return tasks.map(() => Number.POSITIVE_INFINITY);
  const visits = visitRatios(pipeline);
  const isTree =
    entryTasks.length === 1 && tasks.every(({ predecessors }) => predecessors.length < 2);
  if (isTree && visits !== null) {
    // The split's root is its first node.
    const order = [entryTasks[0], ...tasks.keys()].filter(
      (task, i, all) => all.indexOf(task) === i,
    );
    const nodes = order.map((task) => {
      const { pool, successors } = tasks[task];
      const { first, count } = system.pools[pool];
      const batchUs = count === 0 ? [] : system.replicas[first].service.meanUs;
      return {
        ratePerS: visits[task],
        children: successors.map((next) => order.indexOf(next)),
        // Batches take half of the budget, and gather in the other half.
        throughputPerS: (budgetUs: number) =>
          mostPerS(batchUs, count === 0 ? 0 : batchWithin(batchUs, limits[pool], budgetUs / 2)),
      };
    });
    const split = splitLatency(nodes, sloUs);
    if (split !== null) return tasks.map((_, task) => split.budgetsUs[order.indexOf(task)]);
  }
  return equalParts(pipeline);
}

/** Each task its part of the longest way through it. */
function equalParts({ tasks, sloUs }: PipelineSystem): number[] {
  const own = tasks.map(() => 1);
  const { before, after } = waysThrough(tasks, own);
  return own.map((one, task) => sloUs / (before[task] + one + after[task]));
}

const controller = defineController({
  name: "nexus",
  summary: "models packed onto devices in duty cycles; early drop by a sliding window",
  idea: "Squishy bin packing: batches are chosen so that the models of a device take their turns within every goal, on as few devices as can be; goals of pipelines are split so that these are fewest; a batch slides past the jobs that would be late in it, so that one late job does not make the batch small.",
  reads:
    "Expected rates, or those heard since the last plan; latency goals; expected service times by batch size.",
  failsWhen:
    "Rates change faster than plans, or arrivals are bursty within a duty cycle: the planned batch drops what a larger one would have served.",
  source:
    "Shen et al., Nexus, SOSP 2019, sections 6.1 to 6.3; constants of uwsampl/nexus. Ours: times are the means of a pool's first replica, without the margins of the code (mean and deviation, times 1.15); replicas stay where the scenario places them, a device without a place in the plan serves all that it hosts, pipelines that join get equal parts of their goal, and time of a goal that no task needs goes to all of a way in proportion. Not there: prefix batching, by which specialised models share the batches of their common layers; a model here is a whole.",
  parameters,
  create: (given, context) => new DutyCycles(context, given),
});

export const nexus: SystemPack = {
  policies: { controller: [controller] },
  presets: {
    nexus: preset("models packed onto devices in duty cycles, with early drop by a window", {
      ordering: "edf",
      batching: { policy: "size-or-timeout", maxBatch: 128, waitMs: 0 },
      controller: "nexus",
    }),
  },
};
