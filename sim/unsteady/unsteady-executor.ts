/** An executor for a cluster that changes while it runs: lets the changes happen in between. */
import type { ArrivalSource } from "../../core/arrivals/source.ts";
import type { Dispatcher } from "../../core/dispatch/dispatcher.ts";
import type { ClusterDriver } from "../../core/dispatch/driver.ts";
import type { Scheduler } from "../../core/dispatch/policies.ts";
import type { RunRecorder } from "../../core/metrics/recorder.ts";
import { ReplicaMeter } from "../../core/metrics/replica-meter.ts";
import type { System } from "../../core/system.ts";
import type { Executor, SteadyExecutor } from "../executors/executor.ts";
import { FaultDriver } from "./fault-driver.ts";
import { type Disturbance, ReplicaFleet } from "./replica-fleet.ts";
import { ScalingDriver } from "./scaling-driver.ts";

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
  return (
    faults !== null ||
    controllers.some(({ scales, preempts }) => scales.length > 0 || preempts === true)
  );
}

export class UnsteadyExecutor implements Executor, ClusterDriver {
  readonly #recorder: RunRecorder;
  readonly #arrivals: ArrivalSource;
  readonly #fleet: ReplicaFleet;
  readonly #disturbances: readonly Disturbance[];
  readonly #inner: SteadyExecutor;
  readonly #scaling: ScalingDriver;

  /** `inner` is the executor of a steady cluster. */
  constructor({ dispatcher, recorder, arrivals, seed }: ExecutedRun, inner: SteadyExecutor) {
    const { faults } = dispatcher.system;
    const meter = new ReplicaMeter(dispatcher.system, recorder, dispatcher.retries);
    recorder.replicas = meter;
    this.#recorder = recorder;
    this.#arrivals = arrivals;
    this.#fleet = new ReplicaFleet(dispatcher, inner, meter, faults?.detection ?? null);
    this.#inner = inner;
    this.#scaling = new ScalingDriver(dispatcher.system, this.#fleet, meter, seed);
    this.#disturbances = [
      this.#fleet,
      ...(faults === null ? [] : [new FaultDriver(dispatcher, faults, this.#fleet, meter, seed)]),
      this.#scaling,
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
    this.#inner.load?.(slot, model, nowUs);
  }

  evict(slot: number, model: number, nowUs: number): void {
    this.#inner.evict?.(slot, model, nowUs);
  }
}
