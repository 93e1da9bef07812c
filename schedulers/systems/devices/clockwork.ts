/**
 * Clockwork: everything that could make a latency unpredictable is decided here, in one place, and
 * a device runs one thing at a time.
 *
 *   queues by model ─> per device: earliest start-by first, largest batch that makes the earliest
 *   deadline ─> action with a start window, sent up to `aheadMs` before the device is free
 */
import { z } from "zod";
import type {
  BatchEnd,
  ClusterView,
  Controller,
  Controls,
  Residency,
} from "../../../engine/dispatch/controller.ts";
import type { StartWindow } from "../../../engine/dispatch/driver.ts";
import { sumOf } from "../../../engine/statistics/estimate.ts";
import type { System } from "../../../engine/system/system.ts";
import {
  batchSize,
  type ControllerContext,
  defineController,
  nonNegative,
  positive,
  preset,
  type SystemPack,
} from "../../rules/policy-definition.ts";
import { leastBy } from "../../rules/textbook.ts";
import {
  batchLimits,
  idleOf,
  ModelResidency,
  placeablePools,
  type SlotReplicas,
  slotsOf,
} from "./device-slots.ts";

const parameters = z.strictObject({
  aheadMs: nonNegative()
    .default(10)
    .describe("an action is sent so long before its device is expected to be free, in ms"),
  slackMs: nonNegative()
    .default(10)
    .describe("an action that would start so long after its expected start is cancelled, in ms"),
  bufferMs: nonNegative()
    .default(5)
    .describe("deadlines are planned to be met by this margin, in ms"),
  sizes: z
    .array(batchSize)
    .min(1)
    .default([1, 2, 4, 8, 16])
    .describe("batch sizes, of those that model and batching rule take"),
  maxBatchMs: positive()
    .optional()
    .describe(
      "batches of more than one are expected to take no longer, in ms; default: a quarter of the latency of the task's shortest SLO, as the published 25 of 100",
    ),
  measurements: z
    .int()
    .min(1)
    .max(1000)
    .default(10)
    .describe("an estimate is the maximum of so many last measured times"),
  forgetS: positive()
    .default(1)
    .describe("older measurements do not count, in s: a model that was slow once is tried again"),
});

type Parameters = z.infer<typeof parameters>;

/** The published controller's longest batch is 25 ms, and its default goal 100 ms. */
const USUAL_SHARE = 0.25;
/** An action is on its way for so long at most. */
const LEAST_WINDOW_US = 1000;

/** An action that a device has not answered yet. */
interface Action {
  readonly replica: number;
  readonly sentUs: number;
  readonly estimateUs: number;
}

interface Device extends SlotReplicas {
  /** In order of sending. */
  inFlight: Action[];
  /** When its last action ended. */
  lastEndUs: number;
}

/** The next batch of a pool on a device. */
interface Strategy {
  readonly pool: number;
  readonly replica: number;
  readonly size: number;
  readonly estimateUs: number;
  /** When it has to start at the latest. */
  readonly startByUs: number;
}

class Clockwork implements Controller {
  readonly pools: readonly number[];
  readonly placesModels = true;
  readonly scales = [];
  readonly timers = 1;
  readonly loads: boolean;
  readonly windows = true;
  readonly #given: Parameters;
  readonly #aheadUs: number;
  readonly #bufferUs: number;
  /** By pool: batch sizes, ascending; 1 is one of them. */
  readonly #sizes: readonly (readonly number[])[];
  /** By pool: the longest time of a batch of more than one. */
  readonly #mostUs: readonly number[];
  readonly #devices: readonly Device[];
  readonly #deviceOf = new Map<number, Device>();
  /** By replica: half a round trip to its worker. */
  readonly #halfTripUs: readonly number[];
  /** By slot, pool and size: the last measured times. */
  readonly #measured = new Map<string, { readonly atUs: number; readonly tookUs: number }[]>();
  readonly #memory: ModelResidency;

  constructor({ system, pools }: ControllerContext, given: Parameters) {
    this.pools = placeablePools(system);
    this.#given = given;
    this.#aheadUs = given.aheadMs * 1000;
    this.#bufferUs = given.bufferMs * 1000;
    this.#sizes = batchLimits(system, pools).map((limit) =>
      [...new Set([1, ...given.sizes])].filter((size) => size <= limit).sort((a, b) => a - b),
    );
    const { maxBatchMs } = given;
    this.#mostUs = leastGoalsUs(system).map((goalUs) =>
      maxBatchMs === undefined ? USUAL_SHARE * goalUs : maxBatchMs * 1000,
    );
    this.#devices = slotsOf(system, this.pools).map((slot) => ({
      ...slot,
      inFlight: [],
      lastEndUs: Number.NEGATIVE_INFINITY,
    }));
    for (const device of this.#devices) {
      for (const replica of device.replicas) this.#deviceOf.set(replica, device);
    }
    const { workerRoundTripUs } = system.overheads;
    const tripUs = sumOf(workerRoundTripUs) / Math.max(1, workerRoundTripUs.length);
    this.#halfTripUs = system.replicas.map(
      ({ node }) => (tripUs + system.nodes[node].zoneRoundTripUs) / 2,
    );
    this.#memory = new ModelResidency(system, this.#devices);
    this.loads = this.#memory.manages;
  }

  /** Batches that another scheduler has started count as actions. */
  begin(view: ClusterView): void {
    this.#memory.begin(view);
    for (const [replica, device] of this.#deviceOf) {
      const size = view.running(replica);
      if (size === 0) continue;
      const estimateUs = view.expectedUs(replica, size);
      device.inFlight.push({ replica, sentUs: view.startedUs(replica), estimateUs });
    }
  }

  finished({ replica, pool, size, startedUs, nowUs, fate }: BatchEnd): void {
    const device = this.#deviceOf.get(replica);
    if (device === undefined) return;
    device.inFlight = device.inFlight.filter((action) => action.replica !== replica);
    if (fate !== "ran") return;
    this.#memory.used(device.slot, pool, nowUs);
    const key = `${device.slot}/${pool}/${size}`;
    const times = this.#measured.get(key) ?? [];
    // An action that was sent ahead ran from the end of the one before it.
    times.push({ atUs: nowUs, tookUs: nowUs - Math.max(startedUs, device.lastEndUs) });
    if (times.length > this.#given.measurements) times.shift();
    this.#measured.set(key, times);
    device.lastEndUs = nowUs;
  }

  residency(slot: number, model: number, state: Residency, nowUs: number): void {
    this.#memory.heard(slot, model, state, nowUs);
  }

  woken(_timer: number, view: ClusterView, act: Controls): void {
    this.decide(view, act);
  }

  decide(view: ClusterView, act: Controls): void {
    this.#memory.decide(view, act);
    for (const pool of this.pools) this.#dropHopeless(view, act, pool);
    let wakeUs = this.#memory.wakeUs;
    for (const device of this.#devices) {
      wakeUs = Math.min(wakeUs, this.#schedule(view, act, device));
    }
    for (const pool of this.pools) wakeUs = Math.min(wakeUs, this.#hopelessUs(view, pool));
    act.wakeAt(0, Math.max(view.nowUs + 1, Math.ceil(wakeUs)));
  }

  /** Sends actions to a device as far ahead as it may; when to look again. */
  #schedule(view: ClusterView, act: Controls, device: Device): number {
    for (;;) {
      const freeUs = this.#freeUs(view, device);
      const best = this.#bestStrategy(view, device, freeUs);
      if (best === undefined) return Number.POSITIVE_INFINITY;
      if (device.inFlight.length > 0 && freeUs > view.nowUs + this.#aheadUs) {
        const [{ sentUs, estimateUs }] = device.inFlight;
        // Where the first action is overdue, only its end tells when the device is free.
        const isOverdue = Math.max(sentUs, device.lastEndUs) + estimateUs <= view.nowUs;
        return isOverdue ? Number.POSITIVE_INFINITY : freeUs - this.#aheadUs;
      }
      // A worker without windows would start it beside the one that runs.
      if (device.inFlight.length > 0 && !act.hasWindows) return Number.POSITIVE_INFINITY;
      const { replica, size, estimateUs } = best;
      device.inFlight.push({ replica, sentUs: view.nowUs, estimateUs });
      this.#memory.used(device.slot, best.pool, view.nowUs);
      if (act.hasWindows) act.startNext(replica, size, this.#windowOf(view, best, freeUs));
      else act.startNext(replica, size);
    }
  }

  /**
   * Work goes on early where the device is free early. The latest start is the published one, or
   * that which still meets the deadline if that comes first.
   */
  #windowOf({ nowUs }: ClusterView, strategy: Strategy, freeUs: number): StartWindow {
    const { replica, startByUs } = strategy;
    const latestUs = Math.max(nowUs + LEAST_WINDOW_US, freeUs) + this.#given.slackMs * 1000;
    const fromReceiptUs = Math.min(latestUs, startByUs) - nowUs - this.#halfTripUs[replica];
    return { earliestUs: 0, latestUs: Math.max(0, Math.floor(fromReceiptUs)) };
  }

  /** Without deadlines, that of the first pool of the system's order. */
  #bestStrategy(view: ClusterView, device: Device, freeUs: number): Strategy | undefined {
    const strategies = [...device.members].flatMap(([pool, replicas]) => {
      if (view.queue(pool).length === 0 || !this.#memory.isResident(device.slot, pool)) return [];
      const replica = idleOf(view, replicas);
      if (replica === undefined) return [];
      return this.#strategy(view, device, pool, replica, freeUs) ?? [];
    });
    return leastBy(strategies, ({ startByUs }) => startByUs);
  }

  /** The largest batch that makes the earliest deadline; null when none does on this device. */
  #strategy(
    view: ClusterView,
    device: Device,
    pool: number,
    replica: number,
    freeUs: number,
  ): Strategy | null {
    const { length, next } = view.queue(pool);
    const deadlineUs = next.deadlineUs - this.#bufferUs;
    const sizes = this.#sizes[pool];
    for (let i = sizes.length - 1; i >= 0; i--) {
      const size = sizes[i];
      if (size > length) continue;
      const estimateUs = this.#estimateUs(view, device, pool, replica, size);
      if (size > 1 && estimateUs > this.#mostUs[pool]) continue;
      const startByUs = deadlineUs - estimateUs;
      if (freeUs <= startByUs) return { pool, replica, size, estimateUs, startByUs };
    }
    return null;
  }

  #estimateUs(
    view: ClusterView,
    { slot }: Device,
    pool: number,
    replica: number,
    size: number,
  ): number {
    const sinceUs = view.nowUs - this.#given.forgetS * 1e6;
    const times = this.#measured.get(`${slot}/${pool}/${size}`) ?? [];
    const most = Math.max(0, ...times.map(({ atUs, tookUs }) => (atUs < sinceUs ? 0 : tookUs)));
    return most > 0 ? most : view.expectedUs(replica, size);
  }

  /** When all that was sent to a device is expected to be done; now where that is overdue. */
  #freeUs({ nowUs }: ClusterView, { inFlight, lastEndUs }: Device): number {
    let freeUs = lastEndUs;
    for (const { sentUs, estimateUs } of inFlight) {
      freeUs = Math.max(nowUs, Math.max(freeUs, sentUs) + estimateUs);
    }
    return Math.max(nowUs, freeUs);
  }

  /**
   * The earliest end of the next job of a pool alone: on a device that has its model, or after a
   * load where none has. Infinity where none is up.
   */
  #soonestUs(view: ClusterView, pool: number): number {
    let soonest = Number.POSITIVE_INFINITY;
    const isUp = (device: Device): boolean =>
      device.members.get(pool)?.some((id) => view.isUp(id)) ?? false;
    const up = this.#devices.filter(isUp);
    const holders = up.filter(({ slot }) => this.#memory.holds(slot, pool));
    for (const device of holders.length > 0 ? holders : up) {
      const [replica] = device.members.get(pool) as readonly number[];
      const readyUs = this.#memory.readyUs(device.slot, pool, view.nowUs);
      const startUs = Math.max(this.#freeUs(view, device), readyUs);
      soonest = Math.min(soonest, startUs + this.#estimateUs(view, device, pool, replica, 1));
    }
    return soonest;
  }

  #dropHopeless(view: ClusterView, act: Controls, pool: number): void {
    const queue = view.queue(pool);
    if (queue.length === 0) return;
    const soonestUs = this.#soonestUs(view, pool);
    // Where no device is up, one may come back at once.
    const endUs = soonestUs === Number.POSITIVE_INFINITY ? view.nowUs : soonestUs;
    while (view.queue(pool).length > 0) {
      const { job, deadlineUs } = view.queue(pool).next;
      if (deadlineUs - this.#bufferUs >= endUs) return;
      act.drop(job);
    }
  }

  /** When the next job of a pool is hopeless, whatever devices do until then. */
  #hopelessUs(view: ClusterView, pool: number): number {
    const queue = view.queue(pool);
    if (queue.length === 0) return Number.POSITIVE_INFINITY;
    return queue.next.deadlineUs - this.#bufferUs + 1;
  }
}

/** By pool: the least goal of the pipelines that use it; Infinity where none has a goal. */
function leastGoalsUs({ pools, pipelines }: System): readonly number[] {
  return pools.map((_, pool) =>
    Math.min(
      Number.POSITIVE_INFINITY,
      ...pipelines
        .filter(({ tasks }) => tasks.some(({ variants }) => variants.includes(pool)))
        .map(({ sloUs }) => sloUs),
    ),
  );
}

const controller = defineController({
  name: "clockwork",
  summary: "one action at a time on a device, with a start window; models loaded by demand",
  idea: "Predictability from the bottom up: a device runs one batch at a time, of the model whose next deadline leaves least time, as large as that deadline allows; requests that cannot make theirs are dropped, batches that cannot start in their window are cancelled; models are loaded by demand that is not served, and the one unused for longest makes room.",
  reads:
    "Deadlines, the maximum of the last measured times of each model and batch size, models in memory.",
  failsWhen:
    "Service times vary: estimates by the maximum leave devices idle, and requests are dropped that an optimist would have served. Requests without a deadline wait behind all that have one.",
  source:
    "Gujarati et al., Clockwork, OSDI 2020, sections 4 and 5, with the constants of its published controller. Ours: start windows end no later than the deadline allows, old measurements are forgotten, and demand is split evenly over the devices that hold a model.",
  parameters,
  create: (given, context) => new Clockwork(context, given),
});

export const clockwork: SystemPack = {
  policies: { controller: [controller] },
  presets: {
    clockwork: preset("one action at a time on a device, within windows; models loaded by demand", {
      ordering: "edf",
      batching: { policy: "size-or-timeout", maxBatch: 16, waitMs: 0 },
      controller: "clockwork",
    }),
  },
};
