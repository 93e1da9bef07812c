/**
 * Clockwork: everything that could make a latency unpredictable is decided here, in one place, and
 * a device runs one thing at a time.
 *
 *   INFER   to each device, up to `aheadMs` before it is free: of the strategies, one of each model, that which has to
 *           start first; it is the largest batch that makes its earliest deadline, and has a window to start in
 *   LOAD    to each device, one at a time: the model m of the highest priority p_m, the demand that no device serves
 *
 * Source: Gujarati et al., Clockwork, OSDI 2020, sections 4 and 5; p_m: section 5.3; strategies: controller/infer5.
 */
import { z } from "zod";
import { leastBy } from "../../../engine/basics/iterables.ts";
import type {
  BatchEnd,
  ClusterView,
  Controller,
  Controls,
  Residency,
} from "../../../engine/dispatch/controller.ts";
import { DeviceMemory, loadableModels } from "../../rules/device-memory.ts";
import {
  batchLimits,
  idleOf,
  modelsOf,
  placeablePools,
  type SlotReplicas,
  slotsOf,
} from "../../rules/device-slots.ts";
import { batchSize, count, ms, positive, seconds } from "../../rules/parameters.ts";
import { type ControllerContext, defineController, packOf } from "../../rules/policy-definition.ts";
import { oneWayUs, shortestSlosUs } from "../../rules/ways.ts";

const parameters = z.strictObject({
  aheadMs: ms(10, "an action is sent so long before its device is expected to be free"),
  slackMs: ms(10, "an action that would start so long after its expected start is cancelled"),
  bufferMs: ms(5, "deadlines are planned to be met by this margin"),
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
  measurements: count(10, "an estimate is the maximum of so many last measured times", 1000),
  forgetS: seconds(1, "older measurements do not count, so that a slow model is tried again"),
});

/** The published controller's longest batch is 25 ms, and its default goal 100 ms. */
const USUAL_SHARE = 0.25;
const USUAL_GOAL_US = 100_000;
/** An action is on its way for so long at most. */
const LEAST_WINDOW_US = 1000;
const NEVER = Number.POSITIVE_INFINITY;

/** A GPU g of the paper. */
interface Device extends SlotReplicas {
  readonly memory: DeviceMemory;
  /** By replica with an action that is not answered yet, in order of sending: its estimate. */
  readonly sent: Map<number, number>;
  /** When its last action ended. */
  lastEndUs: number;
  /** By pool and size: the last measured times. */
  readonly measured: Map<string, readonly { readonly atUs: number; readonly tookUs: number }[]>;
}

class Clockwork implements Controller {
  readonly pools: readonly number[];
  readonly placesModels = true;
  readonly timers = 1;
  readonly loads: boolean;
  readonly windows = true;
  readonly #given: z.infer<typeof parameters>;
  readonly #devices: readonly Device[];
  /** Pools whose models are loaded. */
  readonly #loaded: readonly number[];
  /** By pool: batch sizes, descending to 1, and the longest time of a batch of more than one. */
  readonly #sizes: readonly (readonly number[])[];
  readonly #mostUs: readonly number[];
  /** By replica. */
  readonly #oneWayUs: readonly number[];

  constructor({ system, pools }: ControllerContext, given: z.infer<typeof parameters>) {
    const modelOf = modelsOf(system);
    const loadable = loadableModels(system);
    this.#given = given;
    this.pools = placeablePools(system);
    this.loads = loadable.size > 0;
    this.#loaded = this.pools.filter((pool) => loadable.has(modelOf[pool]));
    this.#devices = slotsOf(system, this.pools).map((slot) => {
      const unused = { sent: new Map(), lastEndUs: Number.NEGATIVE_INFINITY, measured: new Map() };
      return { ...slot, ...unused, memory: new DeviceMemory(system, modelOf, slot) };
    });
    this.#sizes = batchLimits(system, pools).map((limit) =>
      [...new Set([...given.sizes, 1])].filter((size) => size <= limit).sort((a, b) => b - a),
    );
    this.#mostUs = shortestSlosUs(system).map((sloUs) =>
      given.maxBatchMs === undefined ? USUAL_SHARE * sloUs : given.maxBatchMs * 1000,
    );
    this.#oneWayUs = oneWayUs(system);
  }

  /** Batches that another scheduler has started count as actions. */
  begin(view: ClusterView): void {
    for (const device of this.#devices) {
      for (const replica of device.replicas.filter((one) => view.running(one) > 0)) {
        device.sent.set(replica, view.expectedUs(replica, view.running(replica)));
      }
    }
  }

  finished({ replica, pool, size, startedUs, nowUs, fate }: BatchEnd): void {
    const device = this.#devices.find(({ replicas }) => replicas.includes(replica));
    if (device === undefined) return;
    device.sent.delete(replica);
    if (fate !== "ran") return;
    device.memory.used(pool, nowUs);
    const key = `${pool}/${size}`;
    // An action that was sent ahead ran from the end of the one before it.
    const time = { atUs: nowUs, tookUs: nowUs - Math.max(startedUs, device.lastEndUs) };
    const times = [...(device.measured.get(key) ?? []), time];
    device.measured.set(key, times.slice(-this.#given.measurements));
    device.lastEndUs = nowUs;
  }

  residency(slot: number, model: number, state: Residency, nowUs: number): void {
    this.#devices.find((one) => one.slot === slot)?.memory.heard(model, state, nowUs);
  }

  decide(view: ClusterView, act: Controls): void {
    const loadsOne = (): boolean => {
      const priorities = this.#priorities(view);
      return this.#devices.some(({ memory }) => memory.load(view, act, priorities));
    };
    while (this.loads && loadsOne());
    for (const pool of this.pools) this.#dropHopeless(view, act, pool);
    const wakesUs = [
      ...this.#devices.map((device) => this.#infer(view, act, device)),
      ...this.#devices.map(({ memory }) => (memory.retryUs > view.nowUs ? memory.retryUs : NEVER)),
      // The next job of a pool is hopeless then, whatever devices do until then.
      ...this.pools.map((pool) => this.#dueUs(view, pool) + 1),
    ];
    act.wakeAt(0, Math.max(view.nowUs + 1, Math.ceil(Math.min(...wakesUs))));
  }

  /** Sends actions to a device as far ahead as it may; when to look again. */
  #infer(view: ClusterView, act: Controls, device: Device): number {
    const { nowUs } = view;
    const { aheadMs, slackMs } = this.#given;
    for (;;) {
      const [first] = device.sent;
      const freeUs = this.#freeUs(view, device);
      const strategies = [...device.members.keys()].flatMap(
        (pool) => this.#strategy(view, device, pool, freeUs) ?? [],
      );
      // Without deadlines, that of the first pool of the system's order.
      const best = leastBy(strategies, ({ startByUs }) => startByUs);
      if (best === undefined) return NEVER;
      if (first !== undefined && freeUs > nowUs + aheadMs * 1000) {
        // Where the first action is overdue, only its end tells when the device is free.
        const startUs = Math.max(view.startedUs(first[0]), device.lastEndUs);
        const isOverdue = startUs + first[1] <= nowUs;
        return isOverdue ? NEVER : freeUs - aheadMs * 1000;
      }
      // A worker without windows would start it beside the one that runs.
      if (first !== undefined && !act.hasWindows) return NEVER;
      const { pool, replica, size, estimateUs, startByUs } = best;
      device.sent.set(replica, estimateUs);
      device.memory.used(pool, nowUs);
      // The latest start is the published one, or that which still meets the deadline if that comes first.
      const latestUs = Math.max(nowUs + LEAST_WINDOW_US, freeUs) + slackMs * 1000;
      const fromReceiptUs = Math.min(latestUs, startByUs) - nowUs - this.#oneWayUs[replica];
      // Work goes on early where the device is free early.
      const window = { earliestUs: 0, latestUs: Math.max(0, Math.floor(fromReceiptUs)) };
      act.startNext(replica, size, act.hasWindows ? window : undefined);
    }
  }

  /** The largest batch of a pool that makes its earliest deadline on this device, and when it has to start at the latest. */
  #strategy(view: ClusterView, device: Device, pool: number, freeUs: number) {
    const replica = idleOf(view, device.members.get(pool) ?? []);
    const { length } = view.queue(pool);
    if (replica === undefined || length === 0) return;
    if (device.memory.stateOf(view, pool) !== "resident") return;
    for (const size of this.#sizes[pool].filter((one) => one <= length)) {
      const estimateUs = this.#estimateUs(view, device, replica, size);
      const startByUs = this.#dueUs(view, pool) - estimateUs;
      const isShort = size === 1 || estimateUs <= this.#mostUs[pool];
      if (isShort && freeUs <= startByUs) return { pool, replica, size, estimateUs, startByUs };
    }
    return;
  }

  /** Drops the next jobs of a pool that no device would end in time, each alone and after a load where none has the model. */
  #dropHopeless(view: ClusterView, act: Controls, pool: number): void {
    if (view.queue(pool).length === 0) return;
    const up = this.#devices.filter(({ members }) => members.get(pool)?.some((r) => view.isUp(r)));
    const holders = up.filter(({ memory }) => memory.stateOf(view, pool) !== "absent");
    const endsUs = (holders.length > 0 ? holders : up).map((device) => {
      const [replica] = device.members.get(pool) as readonly number[];
      const startUs = Math.max(this.#freeUs(view, device), device.memory.readyUs(view, pool));
      return startUs + this.#estimateUs(view, device, replica, 1);
    });
    // Where no device is up, one may come back at once.
    const soonestUs = endsUs.length === 0 ? view.nowUs : Math.min(...endsUs);
    while (this.#dueUs(view, pool) < soonestUs) act.drop(view.queue(pool).next.job);
  }

  /** When the next job of a pool has to be done; never where none waits. */
  #dueUs(view: ClusterView, pool: number): number {
    const queue = view.queue(pool);
    return queue.length === 0 ? NEVER : queue.next.deadlineUs - this.#given.bufferMs * 1000;
  }

  #estimateUs(view: ClusterView, { measured }: Device, replica: number, size: number): number {
    const { pool } = view.system.replicas[replica];
    const sinceUs = view.nowUs - this.#given.forgetS * 1e6;
    const times = (measured.get(`${pool}/${size}`) ?? []).filter(({ atUs }) => atUs >= sinceUs);
    const mostUs = Math.max(0, ...times.map(({ tookUs }) => tookUs));
    return mostUs > 0 ? mostUs : view.expectedUs(replica, size);
  }

  /** When all that was sent to a device is expected to be done; now where that is overdue. */
  #freeUs(view: ClusterView, { sent, lastEndUs }: Device): number {
    let freeUs = lastEndUs;
    for (const [replica, estimateUs] of sent) {
      freeUs = Math.max(view.nowUs, Math.max(freeUs, view.startedUs(replica)) + estimateUs);
    }
    return Math.max(view.nowUs, freeUs);
  }

  /**
   * By pool m: p_m = d_m − Σ_g a_mg · min(1, 1 / l_g). Its demand d_m is split evenly over the devices g that have its
   * model; where all these parts sum to l_g, the device serves a_mg as far as it can.
   */
  #priorities(view: ClusterView): ReadonlyMap<number, number> {
    const l = new Map<Device, number>();
    const demands = this.#loaded.map((pool) => {
      const d = demandOf(view, pool);
      const on = this.#devices.filter(
        ({ members, memory }) => members.has(pool) && memory.stateOf(view, pool) !== "absent",
      );
      const a = d / on.length;
      for (const g of on) l.set(g, (l.get(g) ?? 0) + a);
      return { pool, d, on, a };
    });
    const served = (g: Device): number => Math.min(1, 1 / (l.get(g) as number));
    const priorities = demands.map(({ pool, d, on, a }): [number, number] => {
      const p = on.reduce((left, g) => left - a * served(g), d);
      return [pool, p > 1e-9 ? p : 0];
    });
    return new Map(priorities);
  }
}

/** Device time that waiting jobs of a pool ask for, per time until they are due. */
function demandOf(view: ClusterView, pool: number): number {
  const { length } = view.queue(pool);
  if (length === 0) return 0;
  const replica = view.system.pools[pool].first;
  const { deadlineUs, arrivedUs } = view.queue(pool).next;
  const goalUs = Math.min(deadlineUs - arrivedUs, USUAL_GOAL_US);
  return (length * view.expectedUs(replica, 1)) / Math.max(1, goalUs);
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

export const clockwork = packOf(controller, {
  ordering: "edf",
  batching: { policy: "size-or-timeout", maxBatch: 16, waitMs: 0 },
});
