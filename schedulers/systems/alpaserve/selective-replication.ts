/**
 * Selective replication: models on single devices so that most requests of the recent past would have met their goals.
 *
 *   requests of the last epoch ─(placement.ts)─> models of each device ─> loads and evictions
 *   job ─(group-queues.ts)─> queue of the shortest of its model's devices ─> batch within all of its deadlines
 */
import { z } from "zod";
import type {
  ClusterView,
  Controller,
  Controls,
  JobView,
} from "../../../engine/dispatch/controller.ts";
import type { System } from "../../../engine/system/system.ts";
import { loadableModels } from "../../rules/device-memory.ts";
import { modelsOf } from "../../rules/device-slots.ts";
import { count, seconds } from "../../rules/parameters.ts";
import { type ControllerContext, defineController, packOf } from "../../rules/policy-definition.ts";
import { goalSharesUs } from "../../rules/ways.ts";
import { type DeviceGroup, GroupQueues } from "./group-queues.ts";
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
  beam: count(3, "placements that a beam search keeps", 100),
  epochS: seconds(30, "models are placed anew from the requests of the last epoch"),
  sample: count(1000, "so many of its last jobs are simulated with each placement", 100_000),
});

type Parameters = z.infer<typeof parameters>;

class SelectiveReplication implements Controller {
  readonly pools: readonly number[];
  readonly placesModels = true;
  readonly timers = 1;
  readonly loads: boolean;
  readonly #system: System;
  readonly #given: Parameters;
  readonly #modelOf: readonly number[];
  readonly #loadable: ReadonlySet<number>;
  readonly #queues: GroupQueues;
  /** By pool: the part of its goal that a job may take. */
  readonly #goalsUs: Float64Array;
  #heard: Sampled[] = [];

  constructor(context: ControllerContext, given: Parameters) {
    const { system } = context;
    this.#system = system;
    this.#given = given;
    this.#modelOf = modelsOf(system);
    this.#loadable = loadableModels(system);
    this.#goalsUs = goalSharesUs(system);
    this.#queues = new GroupQueues(
      context,
      (view, { slot }, pool) =>
        !this.#loadable.has(this.#modelOf[pool]) ||
        view.residency(slot, this.#modelOf[pool]) === "resident",
    );
    this.pools = this.#queues.pools;
    this.loads = this.#loadable.size > 0;
  }

  queued(job: JobView, pool: number): void {
    this.#queues.queued(job, pool);
    const model = this.pools.indexOf(pool);
    this.#heard.push({ atUs: job.enteredUs, model, goalUs: this.#goalsUs[pool] });
    const { sample } = this.#given;
    if (this.#heard.length > 2 * sample) this.#heard = this.#heard.slice(-sample);
  }

  ended(request: number): void {
    this.#queues.ended(request);
  }

  begin(view: ClusterView, act: Controls): void {
    this.#place([]);
    act.wakeAt(0, view.nowUs + Math.round(this.#given.epochS * 1e6));
  }

  woken(_timer: number, view: ClusterView, act: Controls): void {
    // A silent epoch says nothing about the next.
    if (this.#heard.length > 0) this.#place(this.#heard.slice(-this.#given.sample));
    this.#heard = [];
    act.wakeAt(0, view.nowUs + Math.round(this.#given.epochS * 1e6));
    this.decide(view, act);
  }

  decide(view: ClusterView, act: Controls): void {
    for (const group of this.#queues.groups) this.#renew(view, act, group);
    this.#queues.decide(view, act);
  }

  #place(sample: readonly Sampled[]): void {
    const devices = this.#queues.groups;
    const groups = devices.map((device) => this.#groupOf(device));
    const { search, beam } = this.#given;
    const placement: Placement =
      search === "greedy" ? greedyPlacement(groups, sample) : beamPlacement(groups, sample, beam);
    for (const [i, device] of devices.entries()) {
      device.placed = placement[i].map((model) => this.pools[model]);
    }
  }

  #groupOf({ slot, members }: DeviceGroup): Group {
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

  /** Evicts models that are not placed on a device any more, and loads the next that is. */
  #renew(view: ClusterView, act: Controls, { slot, members, placed }: DeviceGroup): void {
    const loadable = [...members.keys()].filter((pool) => this.#loadable.has(this.#modelOf[pool]));
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
}

const controller = defineController({
  name: "selective-replication",
  summary: "models placed on devices by simulating recent requests; in time or dropped",
  idea: "Statistical multiplexing: models share devices, so that the burst of one uses what the others leave. Recent requests are simulated on placements, and the one that serves most of them in time is taken. A job joins the shortest queue of its model's devices, and is dropped where it would be late.",
  reads:
    "Arrivals of the last epoch, SLOs, expected times, memory of devices and models, jobs on each device.",
  failsWhen:
    "The next epoch is unlike the last, or times vary: a queue in order of arrival has no second thoughts. Loads take long beside an epoch. A model is too large for a device: see `alpaserve`.",
  source:
    "The baseline of Li et al., AlpaServe, OSDI 2023, section 6 (its placement algorithm on single devices), with its dispatch of section 4.3. Ours: epochs at run time, SLOs of tasks as shares of their pipeline's, and batches as large as all of their deadlines allow.",
  parameters,
  create: (given, context) => new SelectiveReplication(context, given),
});

export const selectiveReplication = packOf(controller, {
  batching: { policy: "size-or-timeout", maxBatch: 8, waitMs: 0 },
});
