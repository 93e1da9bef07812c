import { ProvisioningDelays } from "../../core/draws.ts";
import type { ReplicaMeter } from "../../core/metrics/meters.ts";
import type { System } from "../../core/system.ts";
import type { WakeTimers } from "./run-clock.ts";

export type ScaledReplicas = ReturnType<typeof scaledReplicas>;

/**
 * Carries out the orders of scaling among the replicas that a deployment has: one that is released
 * takes no batch, one that is ordered serves again after the provisioning delay, drawn as the
 * simulator draws it. Worker processes run on meanwhile. `readiness` rings when an ordered one is up.
 */
export function scaledReplicas(
  system: System,
  seed: string,
  readiness: WakeTimers,
  meter: ReplicaMeter | null,
) {
  /** Released, or ordered and not up yet. */
  const off = new Set<number>();
  const delays = new ProvisioningDelays(system, seed);
  /** A released replica has nothing to run any more. */
  const left = (replica: number, nowUs: number): void => {
    meter?.ready(replica, false, nowUs);
    meter?.paid(replica, false, nowUs);
  };
  return {
    left,
    /** Whether a replica takes no batch although its worker may be up. */
    isOff: (replica: number): boolean => off.has(replica),
    order(replica: number, nowUs: number): void {
      meter?.paid(replica, true, nowUs);
      readiness.set(replica, nowUs + delays.nextUs(replica));
    },
    /** A replica that was ordered is up. */
    isReady: (replica: number): void => void off.delete(replica),
    release(replica: number, isBusy: boolean, nowUs: number): void {
      off.add(replica);
      readiness.set(replica, Number.POSITIVE_INFINITY);
      if (!isBusy) left(replica, nowUs);
    },
  };
}
