/**
 * Groups of devices, each with one queue: a job joins the shortest of its model's groups, is served in order of
 * arrival, and is dropped where it would be late. A group of several devices is a pipeline: it has as many
 * batches under way as stages. Source: Li et al., AlpaServe, OSDI 2023, section 4.3.
 */
import { leastBy } from "../../../engine/basics/iterables.ts";
import type {
  ClusterView,
  Controller,
  Controls,
  JobView,
} from "../../../engine/dispatch/controller.ts";
import { sumOf } from "../../../engine/statistics/estimate.ts";
import {
  batchLimits,
  idleOf,
  placeablePools,
  type SlotReplicas,
  slotsOf,
} from "../../rules/device-slots.ts";
import { type PlacedJob, PlacedJobs } from "../../rules/placed-jobs.ts";
import type { ControllerContext } from "../../rules/policy-definition.ts";
import { aloneUs, waysThrough } from "../../rules/ways.ts";
import { passage } from "./placement.ts";

/** Its slot is that of its first stage. */
export interface DeviceGroup extends SlotReplicas {
  readonly stages: number;
  /** Pools that it serves. */
  placed: readonly number[];
  /** By stage: when it is expected to be free. */
  freeUs: readonly number[];
}

/** Whether the model of a pool is in a group's memory. */
type IsReady = (view: ClusterView, group: DeviceGroup, pool: number) => boolean;

export class GroupQueues implements Controller {
  readonly pools: readonly number[];
  readonly placesModels = true;
  readonly groups: readonly DeviceGroup[];
  readonly #jobs = new PlacedJobs<DeviceGroup>(false);
  readonly #limits: readonly number[];
  /** By pipeline and task: expected time of the tasks that have to follow. */
  readonly #restUs: readonly Float64Array[];
  readonly #isReady: IsReady;

  constructor({ system, pools }: ControllerContext, isReady: IsReady = () => true) {
    this.#isReady = isReady;
    this.pools = placeablePools(system);
    this.#limits = batchLimits(system, pools);
    const alone = aloneUs(system);
    this.#restUs = system.pipelines.map(({ tasks }) => {
      const own = tasks.map(({ pool }) => (Number.isFinite(alone[pool]) ? alone[pool] : 0));
      return waysThrough(tasks, own).after;
    });
    this.groups = slotsOf(system, this.pools).map((slot) => {
      const stages = system.replicas[slot.replicas[0]].stages?.length ?? 1;
      return { ...slot, stages, placed: [...slot.members.keys()], freeUs: [] };
    });
  }

  queued(job: JobView, pool: number): void {
    this.#jobs.queued(job, pool, job.deadlineUs - this.#restUs[job.pipeline][job.task]);
  }

  ended(request: number): void {
    this.#jobs.ended(request);
  }

  decide(view: ClusterView, act: Controls): void {
    for (const group of this.groups) {
      this.#jobs.expel(this.#jobs.at(group).filter(({ pool }) => !group.placed.includes(pool)));
    }
    this.#jobs.place(view, ({ pool }) => {
      const serving = this.groups.filter(
        ({ members, placed }) =>
          placed.includes(pool) && members.get(pool)?.some((id) => view.isUp(id)),
      );
      return leastBy(serving, (group) => {
        const running = group.replicas.map((replica) => view.running(replica));
        return this.#jobs.at(group).length + sumOf(running);
      });
    });
    for (const group of this.groups) this.#serve(view, act, group);
  }

  /** Starts the first jobs that can be in time while a stage is to spare, and drops those that cannot. */
  #serve(view: ClusterView, act: Controls, group: DeviceGroup): void {
    for (;;) {
      const underWay = group.replicas.filter((replica) => view.running(replica) > 0).length;
      if (underWay === 0) group.freeUs = [];
      const [first] = this.#jobs.at(group);
      if (first === undefined || underWay >= group.stages) return;
      const replicas = group.members.get(first.pool) ?? [];
      const replica = idleOf(view, replicas);
      if (replica === undefined) {
        if (replicas.some((id) => view.isUp(id))) return;
        this.#jobs.expel([first]);
      } else if ((passageOf(view, group, replica, 1).at(-1) as number) > first.dueUs) {
        this.#jobs.leave([first]);
        act.drop(first.job);
      } else if (!this.#isReady(view, group, first.pool)) return;
      else this.#start(view, act, group, replica);
    }
  }

  /** The first job and those of its model behind it, as many as leave every deadline of the batch. */
  #start(view: ClusterView, act: Controls, group: DeviceGroup, replica: number): void {
    const queue = this.#jobs.at(group);
    const [{ pool }] = queue;
    const batch: PlacedJob<DeviceGroup>[] = [];
    let dueUs = Number.POSITIVE_INFINITY;
    for (const one of queue) {
      if (batch.length >= this.#limits[pool]) break;
      if (one.pool !== pool) continue;
      dueUs = Math.min(dueUs, one.dueUs);
      const endUs = passageOf(view, group, replica, batch.length + 1).at(-1) as number;
      if (batch.length > 0 && endUs > dueUs) break;
      batch.push(one);
    }
    group.freeUs = passageOf(view, group, replica, batch.length);
    this.#jobs.leave(batch);
    const jobs = batch.map(({ job }) => job);
    act.start(replica, jobs);
  }
}

/** When a batch that starts now is expected to leave each stage. */
function passageOf(view: ClusterView, group: DeviceGroup, replica: number, size: number): number[] {
  const stageUs = view.expectedUs(replica, size) / group.stages;
  return passage(view.nowUs, Array<number>(group.stages).fill(stageUs), group.freeUs);
}
