/**
 * Nexus: devices shared by models in duty cycles. Planned once an epoch, or when rates have changed:
 *
 *   goals of pipelines ─split─> a goal for each task ─┐
 *   expected or heard rates ──────────────────────────┴─pack─> which tasks a device serves, in which
 *   batches, at which rates
 *
 * Between plans: a job ─deficit round robin─> the queue of its task on one device ─window─> a batch, in turn.
 */
import { z } from "zod";
import { leastBy } from "../../../engine/basics/iterables.ts";
import type {
  ClusterView,
  Controller,
  Controls,
  JobView,
} from "../../../engine/dispatch/controller.ts";
import type { RandomStream } from "../../../engine/random/stream.ts";
import { sumOf } from "../../../engine/statistics/estimate.ts";
import type { System } from "../../../engine/system/system.ts";
import {
  batchLimits,
  idleOf,
  placeablePools,
  runningOn,
  type SlotReplicas,
  slotsOf,
} from "../../rules/device-slots.ts";
import { intervalS, positive, seconds } from "../../rules/parameters.ts";
import { PlacedJobs } from "../../rules/placed-jobs.ts";
import { type ControllerContext, defineController, packOf } from "../../rules/policy-definition.ts";
import { visitsPerRequest, waysThrough } from "../../rules/ways.ts";
import { budgetsOf } from "./latency-split.ts";
import { packSessions, type Session, saturatingBatch } from "./squishy-packing.ts";

const parameters = z.strictObject({
  ratePerS: positive(1e9)
    .optional()
    .describe("expected requests per s of all pipelines; default: every device is full at first"),
  epochS: seconds(30, "plans are made anew from the rates that were heard"),
  leastEpochS: positive()
    .default(10)
    .describe("and no sooner than this when a rate leaves 0.8 to 1.1 of the planned one, in s"),
  beaconS: intervalS.default(1).describe("between two looks at the rates, in s"),
});

type Parameters = z.infer<typeof parameters>;

/** A pool on a device, with a queue of its own. */
interface Backend {
  readonly device: Device;
  readonly pool: number;
  /** The largest batch. */
  readonly batch: number;
  /** Jobs that it is planned to get. */
  readonly ratePerS: number;
  /** Jobs that it may still get before the next refill. */
  quantum: number;
}

interface Device extends SlotReplicas {
  /** By pool that it serves. */
  backends: Map<number, Backend>;
  /** The pool that was served last. */
  last: number;
}

/** From one refill of the backends' quantums to the next: `DeficitDaemon` of the published frontend. */
const REFILL_US = 200_000;

class DutyCycles implements Controller {
  readonly pools: readonly number[];
  readonly placesModels = true;
  readonly timers = 1;
  readonly #system: System;
  readonly #limits: readonly number[];
  readonly #devices: readonly Device[];
  /** By pool: the least time that a pipeline leaves for it, µs. */
  readonly #goalsUs: readonly number[];
  /** By pipeline and task: from the request's arrival until the tasks after it need their time, µs. */
  readonly #endsUs: readonly (readonly number[])[];
  readonly #given: Parameters;
  /** By pool: the rate that was planned for; null: full devices. */
  #plannedPerS: readonly number[] | null = null;
  #plannedUs = 0;
  /** By pool: jobs that came since the last plan. */
  #heard: Float64Array;
  readonly #jobs = new PlacedJobs<Backend>(true);
  /** By pool: the backend that is asked next. */
  readonly #turn = new Map<number, number>();
  #refill = -1;
  readonly #rng: RandomStream;

  constructor({ system, pools, rng }: ControllerContext, given: Parameters) {
    this.#rng = rng();
    this.pools = placeablePools(system);
    this.#system = system;
    this.#given = given;
    this.#limits = batchLimits(system, pools);
    const budgets = system.pipelines.map((pipeline) => budgetsOf(system, pipeline, this.#limits));
    this.#goalsUs = system.pools.map((_, pool) => {
      const own = system.pipelines.flatMap(({ tasks }, pipeline) =>
        budgets[pipeline].filter((_budget, task) => tasks[task].pool === pool),
      );
      return Math.min(Number.POSITIVE_INFINITY, ...own);
    });
    this.#endsUs = system.pipelines.map(({ tasks }, pipeline) => {
      const { before } = waysThrough(tasks, budgets[pipeline]);
      return budgets[pipeline].map((budget, task) => before[task] + budget);
    });
    this.#devices = slotsOf(system, this.pools).map((slot) => ({
      ...slot,
      backends: new Map(),
      last: -1,
    }));
    this.#heard = new Float64Array(system.pools.length);
  }

  queued(job: JobView, pool: number): void {
    this.#heard[pool]++;
    const { pipeline, task, arrivedUs, deadlineUs } = job;
    this.#jobs.queued(job, pool, Math.min(deadlineUs, arrivedUs + this.#endsUs[pipeline][task]));
  }

  ended(request: number): void {
    this.#jobs.ended(request);
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
    for (const { backends } of this.#devices) {
      for (const backend of backends.values()) {
        if (!isUp(view, backend)) this.#jobs.expel(this.#jobs.at(backend));
      }
    }
    this.#jobs.place(view, ({ pool }) => this.#backendFor(view, pool));
    for (const device of this.#devices) this.#serve(view, act, device);
  }

  #hasChanged(rates: readonly number[]): boolean {
    const planned = this.#plannedPerS;
    if (planned === null) return true;
    return this.pools.some(
      (pool) => rates[pool] < 0.8 * planned[pool] || rates[pool] > 1.1 * planned[pool],
    );
  }

  // --- queues -----------------------------------------------------------------------------------

  /** The next backend in turn with a quantum left; where none has one, one at random by planned rates. */
  #backendFor(view: ClusterView, pool: number): Backend | undefined {
    this.#refillAt(view.nowUs);
    const all = this.#devices.flatMap(({ backends }) => backends.get(pool) ?? []);
    const up = all.filter((backend) => isUp(view, backend));
    for (let i = 0; i < up.length; i++) {
      const turn = this.#turn.get(pool) ?? 0;
      this.#turn.set(pool, turn + 1);
      const backend = up[turn % up.length];
      if (backend.quantum < 1) continue;
      backend.quantum--;
      return backend;
    }
    if (up.length < 2) return up[0];
    let at = this.#rng.uniform() * sumOf(up.map(({ ratePerS }) => ratePerS));
    for (const backend of up) {
      at -= backend.ratePerS;
      if (at < 0) return backend;
    }
    return up[up.length - 1];
  }

  #refillAt(nowUs: number): void {
    const refill = Math.floor(nowUs / REFILL_US);
    if (refill === this.#refill) return;
    this.#refill = refill;
    for (const { backends } of this.#devices) {
      for (const one of backends.values()) one.quantum = (one.ratePerS * REFILL_US) / 1e6;
    }
  }

  // --- turns ------------------------------------------------------------------------------------

  /** Gives an idle device to the next of its pools, in turn, that has a batch in time. */
  #serve(view: ClusterView, act: Controls, device: Device): void {
    if (runningOn(view, device) !== undefined) return;
    const backends = [...device.backends.values()];
    const from = backends.findIndex(({ pool }) => pool === device.last) + 1;
    for (let i = 0; i < backends.length; i++) {
      const backend = backends[(from + i) % backends.length];
      const replica = idleOf(view, device.members.get(backend.pool) ?? []);
      if (replica === undefined) continue;
      const jobs = this.#window(view, act, backend, replica);
      if (jobs.length === 0) continue;
      device.last = backend.pool;
      act.start(replica, jobs);
      return;
    }
  }

  /** Slides the window past the jobs that would be late in it; the jobs of the batch, which may be none. */
  #window(view: ClusterView, act: Controls, backend: Backend, replica: number): number[] {
    for (;;) {
      const window = this.#jobs.at(backend).slice(0, backend.batch);
      if (window.length === 0) return [];
      const [first] = window;
      if (view.nowUs + view.expectedUs(replica, window.length) <= first.dueUs) {
        this.#jobs.leave(window);
        return window.map(({ job }) => job);
      }
      this.#jobs.leave([first]);
      act.drop(first.job);
    }
  }

  // --- plans ------------------------------------------------------------------------------------

  /** Null: as if every pool could fill all its devices. */
  #plan(rates: readonly number[] | null, nowUs: number): void {
    this.#plannedPerS = rates;
    this.#plannedUs = nowUs;
    this.#heard = new Float64Array(this.#heard.length);
    this.#refill = -1;
    for (const device of this.#devices) {
      for (const backend of device.backends.values()) this.#jobs.expel(this.#jobs.at(backend));
      device.backends = new Map();
    }
    if (rates !== null) this.#assign(rates);
    for (const device of this.#devices) {
      // A device without a place in the plan serves all that it hosts.
      if (device.backends.size === 0) this.#serveFully(device, [...device.members.keys()]);
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
        ({ backends, members }) => backends.size === 0 && pools.every((pool) => members.has(pool)),
      );
      if (free === undefined) continue;
      for (const [i, { batch, ratePerS }] of shares.entries()) {
        const pool = pools[i];
        free.backends.set(pool, { device: free, pool, batch, ratePerS, quantum: 0 });
      }
    }
  }

  /** A pool that no device serves yet joins the one that hosts it and serves the fewest pools. */
  #coverAll(): void {
    for (const pool of this.pools) {
      const hosts = this.#devices.filter(({ members }) => members.has(pool));
      const least = leastBy(hosts, ({ backends }) => backends.size);
      if (least === undefined || hosts.some(({ backends }) => backends.has(pool))) continue;
      this.#serveFully(least, [pool]);
    }
  }

  /** Full batches of these pools in turn, beside those that the device serves already. */
  #serveFully(device: Device, pools: readonly number[]): void {
    const own = pools.map((pool) => ({ pool, batch: this.#fullBatch(device, pool) }));
    const timesUs = [...device.backends.values(), ...own].map(({ pool, batch }) => {
      const [replica] = device.members.get(pool) as readonly number[];
      return this.#system.replicas[replica].service.meanUs[batch];
    });
    const roundUs = sumOf(timesUs);
    for (const { pool, batch } of own) {
      const ratePerS = (batch * 1e6) / Math.max(1, roundUs);
      device.backends.set(pool, { device, pool, batch, ratePerS, quantum: 0 });
    }
  }

  #session(pool: number, ratePerS: number, replica = this.#system.pools[pool].first): Session {
    const isHosted = this.#system.pools[pool].count > 0;
    const batchUs = isHosted ? this.#system.replicas[replica].service.meanUs : [];
    const batches = batchUs.slice(0, this.#limits[pool] + 1);
    return { ratePerS, goalUs: this.#goalsUs[pool], batchUs: batches };
  }

  /** The batch of a device that serves this pool alone; of 1 where no batch is in time. */
  #fullBatch({ members }: SlotReplicas, pool: number): number {
    const [replica] = members.get(pool) as readonly number[];
    return Math.max(1, saturatingBatch(this.#session(pool, 1, replica)));
  }
}

function isUp(view: ClusterView, { device, pool }: Backend): boolean {
  return device.members.get(pool)?.some((replica) => view.isUp(replica)) === true;
}

const controller = defineController({
  name: "nexus",
  summary: "models packed onto devices in duty cycles; early drop by a sliding window",
  idea: "Squishy bin packing: batches are chosen so that the models of a device take their turns within every SLO, on as few devices as can be; SLOs of pipelines are split so that these are fewest; a task's jobs go to the queues of its devices by deficit round robin at planned rates; a batch slides past the jobs that would be late in it, so that one late job does not make the batch small.",
  reads:
    "Expected rates, or those heard since the last plan; SLOs; expected service times by batch size.",
  failsWhen:
    "Rates change faster than plans, or arrivals are bursty within a duty cycle: the planned batch drops what a larger one would have served, and a job waits at its device though another is idle. A device is planned for less than 5 jobs of a task per s: it has no quantum, and its share comes at random.",
  source:
    "Shen et al., Nexus, SOSP 2019, sections 6.1 to 6.3; constants of uwsampl/nexus, and its frontend's routing (model_handler.cpp: quantums of 200 ms, at random by rate where all are used up). Ours: times are the means of a pool's first replica, without the margins of the code (mean and deviation, times 1.15); replicas stay where the scenario places them, a device without a place in the plan serves all that it hosts at the rates of full batches in turn, pipelines that join get equal parts of their SLO, and time of an SLO that no task needs goes to all of a way in proportion. Not there: prefix batching, by which specialised models share the batches of their common layers; a model here is a whole.",
  parameters,
  create: (given, context) => new DutyCycles(context, given),
});

export const nexus = packOf(controller, {
  ordering: "edf",
  batching: { policy: "size-or-timeout", maxBatch: 128, waitMs: 0 },
});
