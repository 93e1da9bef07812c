/** Runs the autoscaler in virtual time: a replica that is ordered is up after a drawn delay. */
import { Autoscaler, type Provider } from "../../core/dispatch/autoscaler.ts";
import type { Dispatcher } from "../../core/dispatch/dispatcher.ts";
import type { Scheduler } from "../../core/dispatch/policies.ts";
import type { ReplicaMeter } from "../../core/metrics/replica-meter.ts";
import { Sampler } from "../../core/random/sampler.ts";
import { WinnerTree } from "../../core/winner-tree.ts";
import type { Disturbance, ReplicaFleet } from "./replica-fleet.ts";

export class ScalingDriver implements Disturbance, Provider {
  readonly #autoscaler: Autoscaler;
  readonly #fleet: ReplicaFleet;
  readonly #meter: ReplicaMeter;
  readonly #delayUs: number;
  /** One stream of delays for each replica. */
  readonly #delays: readonly Sampler[];
  /** When each replica that was ordered is up. */
  readonly #ready: WinnerTree;
  #begun = false;

  constructor(
    dispatcher: Dispatcher,
    scheduler: Scheduler,
    fleet: ReplicaFleet,
    meter: ReplicaMeter,
    seed: string,
  ) {
    const { replicas, provisioning } = dispatcher.system;
    this.#fleet = fleet;
    this.#meter = meter;
    this.#delayUs = provisioning.meanUs;
    this.#delays = replicas.map(
      ({ name }) => new Sampler(provisioning.shape, seed, `scaling/${name}`),
    );
    this.#ready = new WinnerTree(replicas.length);
    this.#autoscaler = new Autoscaler(dispatcher, scheduler, this);
    fleet.onLeave((replica, nowUs) => this.#left(replica, nowUs));
  }

  nextUs(): number {
    return this.#begun ? Math.min(this.#ready.least(), this.#autoscaler.nextUs()) : 0;
  }

  /** What is ready comes before new decisions. */
  fire(nowUs: number): void {
    if (!this.#begun) {
      this.#begun = true;
      this.#autoscaler.begin(nowUs);
    } else if (this.#ready.least() === nowUs) {
      const replica = this.#ready.take();
      this.#meter.ready(replica, true, nowUs);
      this.#fleet.enlist(replica, nowUs);
    } else {
      this.#autoscaler.evaluate(nowUs);
    }
  }

  settle(nowUs: number): void {
    this.#autoscaler.observe(nowUs);
  }

  provide(replica: number, nowUs: number): void {
    this.#meter.paid(replica, true, nowUs);
    const delayUs = Math.round(this.#delayUs * this.#delays[replica].next());
    this.#ready.set(replica, nowUs + delayUs);
  }

  release(replica: number, nowUs: number): void {
    if (this.#ready.key[replica] === Number.POSITIVE_INFINITY) {
      this.#fleet.dismiss(replica, nowUs);
    } else {
      this.#ready.set(replica, Number.POSITIVE_INFINITY);
      this.#left(replica, nowUs);
    }
  }

  #left(replica: number, nowUs: number): void {
    this.#meter.ready(replica, false, nowUs);
    this.#meter.paid(replica, false, nowUs);
    this.#autoscaler.left(replica);
  }
}
