/**
 * Carries out the orders of scaling among the replicas that a deployment has: one that is released
 * takes no batch, one that is ordered serves again after the provisioning delay, drawn as the
 * simulator draws it. Worker processes run on meanwhile.
 */
import type { ReplicaMeter } from "../../core/metrics/meters.ts";
import { ProvisioningDelays } from "../../core/provisioning-delays.ts";
import type { System } from "../../core/system.ts";
import type { WakeTimers } from "./run-clock.ts";

export class ScaledReplicas {
  /** Rings when a replica that was ordered is up. */
  readonly #readiness: WakeTimers;
  readonly #meter: ReplicaMeter | null;
  /** Released, or ordered and not up yet. */
  readonly #off = new Set<number>();
  readonly #delays: ProvisioningDelays;

  constructor(system: System, seed: string, readiness: WakeTimers, meter: ReplicaMeter | null) {
    this.#delays = new ProvisioningDelays(system, seed);
    this.#readiness = readiness;
    this.#meter = meter;
  }

  /** Whether a replica takes no batch although its worker may be up. */
  isOff(replica: number): boolean {
    return this.#off.has(replica);
  }

  order(replica: number, nowUs: number): void {
    this.#meter?.paid(replica, true, nowUs);
    this.#readiness.set(replica, nowUs + this.#delays.nextUs(replica));
  }

  /** A replica that was ordered is up. */
  isReady(replica: number): void {
    this.#off.delete(replica);
  }

  release(replica: number, isBusy: boolean, nowUs: number): void {
    this.#off.add(replica);
    this.#readiness.set(replica, Number.POSITIVE_INFINITY);
    if (!isBusy) this.left(replica, nowUs);
  }

  /** A released replica has nothing to run any more. */
  left(replica: number, nowUs: number): void {
    this.#meter?.ready(replica, false, nowUs);
    this.#meter?.paid(replica, false, nowUs);
  }
}
