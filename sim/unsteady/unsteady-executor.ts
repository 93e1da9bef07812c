/** An executor for a cluster that changes while it runs: lets the changes happen in between. */
import type { ArrivalSource } from "../../core/arrivals/source.ts";
import type { Dispatcher } from "../../core/dispatch/dispatcher.ts";
import type { ClusterDriver, StartWindow } from "../../core/dispatch/driver.ts";
import type { Scheduler } from "../../core/dispatch/policies.ts";
import { ReplicaMeter } from "../../core/metrics/meters.ts";
import type { RunRecorder } from "../../core/metrics/recorder.ts";
import { Sampler } from "../../core/random/sampler.ts";
import type { System } from "../../core/system.ts";
import { WinnerTree } from "../../core/winner-tree.ts";
import type { Executor, SteadyExecutor } from "../executors/executor.ts";
import type { ModelMemory } from "../stations/model-memory.ts";
import { FaultDriver } from "./fault-driver.ts";
import { type Disturbance, ReplicaFleet } from "./replica-fleet.ts";

const NONE = -1;

export interface ExecutedRun {
  readonly dispatcher: Dispatcher;
  readonly scheduler: Scheduler;
  readonly recorder: RunRecorder;
  readonly arrivals: ArrivalSource;
  readonly seed: string;
}

/** Whether the cluster of a run can change, or batches be stopped, while it goes on. */
export function isUnsteady({ faults }: System, { controllers = [] }: Scheduler): boolean {
  const acts = controllers.some(
    ({ scales, preempts, loads, windows }) =>
      scales.length > 0 || preempts === true || loads === true || windows === true,
  );
  return faults !== null || acts;
}

export class UnsteadyExecutor implements Executor, ClusterDriver {
  readonly #recorder: RunRecorder;
  readonly #arrivals: ArrivalSource;
  readonly #fleet: ReplicaFleet;
  readonly #disturbances: readonly Disturbance[];
  readonly #inner: SteadyExecutor;
  readonly #scaling: ScalingDriver;

  /** `inner` is the executor of a steady cluster. */
  constructor(
    { dispatcher, scheduler, recorder, arrivals, seed }: ExecutedRun,
    inner: SteadyExecutor,
  ) {
    const { faults } = dispatcher.system;
    const meter = new ReplicaMeter(dispatcher.system, recorder, dispatcher.retries);
    recorder.replicas = meter;
    this.#recorder = recorder;
    this.#arrivals = arrivals;
    this.#fleet = new ReplicaFleet(dispatcher, inner, meter, faults?.detection ?? null);
    this.#inner = inner;
    this.#scaling = new ScalingDriver(dispatcher.system, this.#fleet, meter, seed);
    const loads = scheduler.controllers?.some((one) => one.loads === true) ?? false;
    this.#disturbances = [
      this.#fleet,
      ...(faults === null ? [] : [new FaultDriver(dispatcher, faults, this.#fleet, meter, seed)]),
      this.#scaling,
      ...(loads && inner.memory !== null ? [memoryReports(dispatcher, inner.memory)] : []),
    ];
  }

  /** The cluster goes on changing only as long as there is or will be a request to notice. */
  nextUs(): number {
    const innerUs = this.#inner.nextUs();
    let ownUs = Number.POSITIVE_INFINITY;
    for (const disturbance of this.#disturbances) ownUs = Math.min(ownUs, disturbance.nextUs());
    if (innerUs <= ownUs) return innerUs;
    const over =
      innerUs === Number.POSITIVE_INFINITY &&
      this.#recorder.inSystem === 0 &&
      this.#arrivals.nextUs === Number.POSITIVE_INFINITY;
    return over ? innerUs : ownUs;
  }

  /** At one instant: what finishes, is noticed, breaks or is repaired, is scaled. */
  fire(nowUs: number): number {
    if (this.#inner.nextUs() === nowUs) {
      const replica = this.#inner.fire(nowUs);
      if (replica !== NONE) this.#fleet.finish(replica, nowUs);
    } else {
      this.#disturbances.find((disturbance) => disturbance.nextUs() === nowUs)?.fire(nowUs);
    }
    return NONE;
  }

  start(replica: number, nowUs: number, variate: number): void {
    this.#fleet.start(replica, nowUs, variate);
  }

  settle(nowUs: number): void {
    for (const disturbance of this.#disturbances) disturbance.settle(nowUs);
    this.#inner.settle(nowUs);
  }

  order(replica: number, nowUs: number): void {
    this.#scaling.order(replica, nowUs);
  }

  release(replica: number, nowUs: number): void {
    this.#scaling.release(replica, nowUs);
  }

  abort(replica: number, nowUs: number): boolean {
    return this.#fleet.abort(replica, nowUs);
  }

  load(slot: number, model: number, nowUs: number): void {
    this.#inner.memory?.load(slot, model, nowUs);
  }

  evict(slot: number, model: number, nowUs: number): void {
    this.#inner.memory?.evict(slot, model, nowUs);
  }

  window(replica: number, window: StartWindow): void {
    this.#inner.windows?.set(replica, window);
  }
}

/** Tells the dispatcher of loads and evictions, at the end of their instant. */
function memoryReports(dispatcher: Dispatcher, memory: ModelMemory): Disturbance {
  let dueUs = Number.POSITIVE_INFINITY;
  memory.reporting = true;
  return {
    nextUs: () => dueUs,
    fire: (nowUs) => {
      dueUs = Number.POSITIVE_INFINITY;
      for (const { slot, model, state } of memory.reports.splice(0)) {
        dispatcher.residency(slot, model, state, nowUs);
      }
    },
    settle: (nowUs) => {
      if (memory.reports.length > 0) dueUs = nowUs;
    },
  };
}

/** Carries out orders and releases in virtual time: an ordered replica is up after a drawn delay. */
class ScalingDriver implements Disturbance {
  readonly #fleet: ReplicaFleet;
  readonly #meter: ReplicaMeter;
  readonly #system: System;
  readonly #seed: string;
  /** One stream of delays for each replica that was ever ordered. */
  readonly #delays = new Map<number, Sampler>();
  /** When each replica that was ordered is up. */
  readonly #ready: WinnerTree;

  constructor(system: System, fleet: ReplicaFleet, meter: ReplicaMeter, seed: string) {
    this.#system = system;
    this.#fleet = fleet;
    this.#meter = meter;
    this.#seed = seed;
    this.#ready = new WinnerTree(system.replicas.length);
  }

  nextUs(): number {
    return this.#ready.least();
  }

  fire(nowUs: number): void {
    const replica = this.#ready.take();
    this.#meter.ready(replica, true, nowUs);
    this.#fleet.enlist(replica, nowUs);
  }

  settle(): void {}

  order(replica: number, nowUs: number): void {
    this.#meter.paid(replica, true, nowUs);
    this.#ready.set(replica, nowUs + this.#delayUs(replica));
  }

  #delayUs(replica: number): number {
    const { replicas, provisioning } = this.#system;
    const known = this.#delays.get(replica);
    const { name } = replicas[replica];
    const delays = known ?? new Sampler(provisioning.shape, this.#seed, `scaling/${name}`);
    this.#delays.set(replica, delays);
    return Math.round(provisioning.meanUs * delays.next());
  }

  release(replica: number, nowUs: number): void {
    if (this.#ready.key[replica] === Number.POSITIVE_INFINITY) {
      this.#fleet.dismiss(replica, nowUs);
    } else {
      this.#ready.set(replica, Number.POSITIVE_INFINITY);
      this.#fleet.left(replica, nowUs);
    }
  }
}
