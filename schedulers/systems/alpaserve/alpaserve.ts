/**
 * AlpaServe: models on devices so that most requests of the recent past would have met their goals.
 *
 *   requests of the last epoch ─(placement.ts)─> models of each device ─> loads and evictions
 *   job ─> queue of the shortest of its model's devices ─> batch within all of its deadlines
 */
import { z } from "zod";
import type {
  ClusterView,
  Controller,
  Controls,
  JobView,
} from "../../../core/dispatch/controller.ts";
import type { System } from "../../../core/system.ts";
import {
  type ControllerContext,
  defineController,
  positive,
  preset,
  type SystemPack,
} from "../../rules/policy-definition.ts";
import { leastBy } from "../../rules/textbook.ts";
import { goalSharesUs, waysThrough } from "../../rules/ways.ts";
import {
  batchLimits,
  idleOf,
  modelsOf,
  placeablePools,
  type SlotReplicas,
  slotsOf,
} from "../devices/device-slots.ts";
import {
  beamPlacement,
  type Group,
  greedyPlacement,
  type Placement,
  type Sampled,
} from "./placement.ts";

const parameters = z.strictObject({
  search: z
    .enum(["greedy", "beam"])
    .default("greedy")
    .describe("greedy: the neediest model joins the least busy device; beam: every step is tried"),
  beam: z.int().min(1).max(100).default(3).describe("placements that a beam search keeps"),
  epochS: positive()
    .default(30)
    .describe("models are placed anew from the requests of the last epoch, in s"),
  sample: z
    .int()
    .min(1)
    .max(100_000)
    .default(1000)
    .describe("so many of its last jobs are simulated with each placement"),
});

type Parameters = z.infer<typeof parameters>;

/** A job on its way through the queue of a device. */
interface Entry {
  readonly job: number;
  readonly pool: number;
  readonly deadlineUs: number;
  /** Expected time of the tasks that have to follow. */
  readonly restUs: number;
  device: Device | null;
  waits: boolean;
}

interface Device extends SlotReplicas {
  /** Pools that it serves. */
  placed: readonly number[];
  queue: Entry[];
  /** Entries that wait. */
  waiting: number;
}

export class AlpaServe implements Controller {
  readonly pools: readonly number[];
  readonly placesModels = true;
  readonly scales = [];
  readonly timers = 1;
  readonly loads: boolean;
  readonly #system: System;
  readonly #given: Parameters;
  readonly #limits: readonly number[];
  readonly #modelOf: readonly number[];
  readonly #devices: readonly Device[];
  /** By pool: the part of its goal that a job may take. */
  readonly #goalsUs: Float64Array;
  /** By pipeline and task. */
  readonly #restUs: readonly Float64Array[];
  readonly #entries = new Map<number, Entry[]>();
  #homeless: Entry[] = [];
  #heard: Sampled[] = [];

  constructor({ system, pools }: ControllerContext, given: Parameters) {
    this.pools = placeablePools(system);
    this.#system = system;
    this.#given = given;
    this.#limits = batchLimits(system, pools);
    this.#modelOf = modelsOf(system);
    this.#goalsUs = goalSharesUs(system);
    const aloneUs = system.pools.map(
      ({ first, count }) => (count === 0 ? 0 : system.replicas[first].service.meanUs[1]) ?? 0,
    );
    this.#restUs = system.pipelines.map(({ tasks }) => {
      const own = tasks.map(({ pool }) => aloneUs[pool]);
      return waysThrough(tasks, own).after;
    });
    this.#devices = slotsOf(system, this.pools).map((slot) => ({
      ...slot,
      ...{ placed: [], queue: [], waiting: 0 },
    }));
    this.loads = this.pools.some((pool) => this.#isLoadable(pool));
  }

  queued({ job, request, pipeline, task, enteredUs, deadlineUs }: JobView, pool: number): void {
    const restUs = this.#restUs[pipeline][task];
    const entry: Entry = { job, pool, deadlineUs, restUs, device: null, waits: true };
    const own = this.#entries.get(request) ?? [];
    // A job that moves to another variant is queued again.
    for (const other of own) if (other.job === job) this.#leave(other);
    own.push(entry);
    this.#entries.set(request, own);
    this.#homeless.push(entry);
    const model = this.pools.indexOf(pool);
    this.#heard.push({ atUs: enteredUs, model, goalUs: this.#goalsUs[pool] });
    if (this.#heard.length > 2 * this.#given.sample) this.#forget();
  }

  ended(request: number): void {
    for (const entry of this.#entries.get(request) ?? []) this.#leave(entry);
    this.#entries.delete(request);
  }

  begin(view: ClusterView, act: Controls): void {
    this.#place([]);
    act.wakeAt(0, view.nowUs + Math.round(this.#given.epochS * 1e6));
  }

  woken(_timer: number, view: ClusterView, act: Controls): void {
    this.#forget();
    // A silent epoch says nothing about the next.
    if (this.#heard.length > 0) this.#place(this.#heard);
    this.#heard = [];
    act.wakeAt(0, view.nowUs + Math.round(this.#given.epochS * 1e6));
    this.decide(view, act);
  }

  decide(view: ClusterView, act: Controls): void {
    for (const device of this.#devices) this.#renew(view, act, device);
    const open = this.#homeless;
    this.#homeless = [];
    for (const entry of open) this.#dispatch(view, entry);
    for (const device of this.#devices) this.#serve(view, act, device);
  }

  #forget(): void {
    this.#heard = this.#heard.slice(-this.#given.sample);
  }

  #leave(entry: Entry): void {
    if (entry.waits && entry.device !== null) entry.device.waiting--;
    entry.waits = false;
  }

  // --- placement --------------------------------------------------------------------------------

  #place(sample: readonly Sampled[]): void {
    const groups = this.#devices.map((device) => this.#groupOf(device));
    const { search, beam } = this.#given;
    const placement: Placement =
      search === "greedy" ? greedyPlacement(groups, sample) : beamPlacement(groups, sample, beam);
    for (const [i, device] of this.#devices.entries()) {
      device.placed = placement[i].map((model) => this.pools[model]);
      for (const entry of device.queue) {
        if (entry.waits && !device.placed.includes(entry.pool)) this.#expel(entry);
      }
    }
  }

  #groupOf({ slot, members }: SlotReplicas): Group {
    const { devices, models, replicas } = this.#system;
    return {
      roomMb: devices[slot].memoryMb,
      memoryMb: this.pools.map((pool) => models[this.#modelOf[pool]].memoryMb),
      stagesUs: this.pools.map((pool) => {
        const own = members.get(pool);
        return own === undefined ? null : [replicas[own[0]].service.meanUs[1]];
      }),
    };
  }

  #isLoadable(pool: number): boolean {
    const { residency, loadUs } = this.#system.models[this.#modelOf[pool]];
    return residency === "on-demand" && loadUs > 0;
  }

  /** Evicts models that are not placed on a device any more, and loads the next that is. */
  #renew(view: ClusterView, act: Controls, { slot, members, placed }: Device): void {
    const loadable = [...members.keys()].filter((pool) => this.#isLoadable(pool));
    const stateOf = (pool: number) => view.residency(slot, this.#modelOf[pool]);
    if (loadable.some((pool) => stateOf(pool) === "loading")) return;
    const kept = new Set(placed.map((pool) => this.#modelOf[pool]));
    for (const pool of loadable) {
      const isBusy = members.get(pool)?.some((replica) => view.running(replica) > 0);
      if (kept.has(this.#modelOf[pool]) || isBusy || stateOf(pool) !== "resident") continue;
      act.evict(slot, this.#modelOf[pool]);
    }
    const next = loadable.find((pool) => placed.includes(pool) && stateOf(pool) === "absent");
    if (next !== undefined) act.load(slot, this.#modelOf[next]);
  }

  // --- dispatch ---------------------------------------------------------------------------------

  #expel(entry: Entry): void {
    if (entry.device !== null) entry.device.waiting--;
    entry.device = null;
    this.#homeless.push(entry);
  }

  /** To the device with the fewest jobs, of those that serve its model and are up. */
  #dispatch(view: ClusterView, entry: Entry): void {
    if (!entry.waits || !view.isWaiting(entry.job)) return;
    const serving = this.#devices.filter(
      ({ members, placed }) =>
        placed.includes(entry.pool) && members.get(entry.pool)?.some((id) => view.isUp(id)),
    );
    const best = leastBy(serving, (device) => device.waiting + runningOn(view, device));
    if (best === undefined) {
      this.#homeless.push(entry);
      return;
    }
    entry.device = best;
    best.queue.push(entry);
    best.waiting++;
  }

  /** Starts the first jobs of an idle device that can be in time, and drops those that cannot. */
  #serve(view: ClusterView, act: Controls, device: Device): void {
    while (runningOn(view, device) === 0) {
      const first = this.#firstOf(device);
      if (first === undefined) return;
      const replica = idleOf(view, device.members.get(first.pool) ?? []);
      if (replica === undefined) {
        this.#expel(first);
        continue;
      }
      const isReady =
        !this.#isLoadable(first.pool) ||
        view.residency(device.slot, this.#modelOf[first.pool]) === "resident";
      if (view.nowUs + view.expectedUs(replica, 1) + first.restUs > first.deadlineUs) {
        this.#leave(first);
        act.drop(first.job);
        continue;
      }
      if (!isReady) return;
      const batch = this.#batchOf(view, device, first, replica);
      for (const entry of batch) this.#leave(entry);
      act.start(
        replica,
        batch.map(({ job }) => job),
      );
    }
  }

  #firstOf(device: Device): Entry | undefined {
    const { queue } = device;
    const at = queue.findIndex((entry) => entry.waits && entry.device === device);
    queue.splice(0, at < 0 ? queue.length : at);
    return queue[0];
  }

  /** The first job and those of its model behind it, as many as leave every deadline of the batch. */
  #batchOf(view: ClusterView, device: Device, first: Entry, replica: number): Entry[] {
    const batch = [first];
    let dueUs = first.deadlineUs - first.restUs;
    for (const entry of device.queue) {
      if (batch.length >= this.#limits[first.pool]) break;
      const isNext = entry.waits && entry.device === device && entry.pool === first.pool;
      if (!isNext || entry === first) continue;
      dueUs = Math.min(dueUs, entry.deadlineUs - entry.restUs);
      if (view.nowUs + view.expectedUs(replica, batch.length + 1) > dueUs) break;
      batch.push(entry);
    }
    return batch;
  }
}

/** Jobs that run on a device. */
function runningOn(view: ClusterView, { replicas }: SlotReplicas): number {
  return replicas.reduce((jobs, replica) => jobs + view.running(replica), 0);
}

const controller = defineController({
  name: "alpaserve",
  summary: "models placed on devices by simulating recent requests; in time or dropped",
  idea: "Statistical multiplexing: models share devices, so that the burst of one uses what the others leave. Recent requests are simulated on placements, and the one that serves most of them in time is taken. A job joins the shortest queue of its model's devices, and is dropped where it would be late.",
  reads:
    "Arrivals of the last epoch, latency goals, expected times, memory of devices and models, jobs on each device.",
  failsWhen:
    "The next epoch is unlike the last, or times vary: a queue in order of arrival has no second thoughts. Loads take long beside an epoch.",
  source:
    "Li et al., AlpaServe, OSDI 2023, sections 4.2 (placement) and 4.3 (dispatch). Left out: a replica over several devices. Write the stages of a split model as tasks that follow each other; `placement.test.ts` weighs both. Ours: epochs, goals of tasks as shares of their pipeline's, and batches as large as all of their deadlines allow.",
  parameters,
  create: (given, context) => new AlpaServe(context, given),
});

export const alpaserve: SystemPack = {
  policies: { controller: [controller] },
  presets: {
    alpaserve: preset(
      "models placed on devices by simulating recent requests; in time or dropped",
      {
        batching: { policy: "size-or-timeout", maxBatch: 8, waitMs: 0 },
        controller: "alpaserve",
      },
    ),
  },
};
