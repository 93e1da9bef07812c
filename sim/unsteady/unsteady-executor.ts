/** An executor for a cluster that changes while it runs: lets the changes happen in between. */
import type { ArrivalSource } from "../../core/arrivals/source.ts";
import type { Dispatcher } from "../../core/dispatch/dispatcher.ts";
import type { ClusterDriver } from "../../core/dispatch/driver.ts";
import type { Scheduler } from "../../core/dispatch/policies.ts";
import { ProvisioningDelays } from "../../core/draws.ts";
import { ReplicaMeter } from "../../core/metrics/meters.ts";
import type { RunRecorder } from "../../core/metrics/recorder.ts";
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

export class UnsteadyExecutor implements Executor {
  readonly cluster: ClusterDriver;
  readonly #recorder: RunRecorder;
  readonly #arrivals: ArrivalSource;
  readonly #fleet: ReplicaFleet;
  readonly #disturbances: readonly Disturbance[];
  readonly #inner: SteadyExecutor;

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
    const fleet = new ReplicaFleet(dispatcher, inner, meter, faults?.detection ?? null);
    this.#fleet = fleet;
    this.#inner = inner;
    const scaling = new ScalingDriver(dispatcher.system, fleet, meter, seed);
    this.cluster = {
      order: (replica, nowUs) => scaling.order(replica, nowUs),
      release: (replica, nowUs) => scaling.release(replica, nowUs),
      abort: (replica, nowUs) => fleet.abort(replica, nowUs),
      load: (slot, model, nowUs) => inner.memory?.load(slot, model, nowUs),
      evict: (slot, model, nowUs) => inner.memory?.evict(slot, model, nowUs),
      window: (replica, window) => inner.windows?.set(replica, window),
    };
    const loads = scheduler.controllers?.some((one) => one.loads === true) ?? false;
    this.#disturbances = [
      fleet,
      ...(faults === null ? [] : [new FaultDriver(dispatcher, faults, fleet, meter, seed)]),
      scaling,
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
  readonly #delays: ProvisioningDelays;
  /** When each replica that was ordered is up. */
  readonly #ready: WinnerTree;

  constructor(system: System, fleet: ReplicaFleet, meter: ReplicaMeter, seed: string) {
    this.#delays = new ProvisioningDelays(system, seed);
    this.#fleet = fleet;
    this.#meter = meter;
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
    this.#ready.set(replica, nowUs + this.#delays.nextUs(replica));
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
