/** Carries out orders and releases in virtual time: an ordered replica is up after a drawn delay. */
import type { ReplicaMeter } from "../../core/metrics/meters.ts";
import { Sampler } from "../../core/random/sampler.ts";
import type { System } from "../../core/system.ts";
import { WinnerTree } from "../../core/winner-tree.ts";
import type { Disturbance, ReplicaFleet } from "./replica-fleet.ts";

export class ScalingDriver implements Disturbance {
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
