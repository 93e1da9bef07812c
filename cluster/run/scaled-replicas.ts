/**
 * Scaling among the replicas that a deployment has, whose processes run on: a released one takes no batch, and an
 * ordered one serves again after a delay drawn as in the simulator. Also the meter of what could be used and is paid for.
 */
import type { Scheduler } from "../../engine/dispatch/policies.ts";
import { ReplicaMeter } from "../../engine/metrics/meters.ts";
import type { RunRecorder } from "../../engine/metrics/recorder.ts";
import { ProvisioningDelays } from "../../engine/requests/draws.ts";
import type { System } from "../../engine/system/system.ts";

export type ScaledReplicas = ReturnType<typeof scaledReplicas>;

/** `readyAt` hears when an ordered replica is to be ready; Infinity: it was released meanwhile. */
export function scaledReplicas(
  system: System,
  seed: string,
  readyAt: (replica: number, atUs: number) => void,
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
  /** Whether a replica takes no batch although its worker may be up. */
  const isOff = (replica: number): boolean => off.has(replica);
  return {
    isOff,
    order(replica: number, nowUs: number): void {
      meter?.paid(replica, true, nowUs);
      readyAt(replica, nowUs + delays.nextUs(replica));
    },
    /** A replica that was ordered is ready. */
    isReady: (replica: number): void => void off.delete(replica),
    release(replica: number, isBusy: boolean, nowUs: number): void {
      off.add(replica);
      readyAt(replica, Number.POSITIVE_INFINITY);
      if (!isBusy) left(replica, nowUs);
    },
    joined: (replica: number, nowUs: number): void => meter?.ready(replica, true, nowUs),
    lost(replica: number, nowUs: number): void {
      if (isOff(replica)) left(replica, nowUs);
      meter?.ready(replica, false, nowUs);
    },
    /** Its batch is over: a released replica leaves. */
    freed(replica: number, nowUs: number): void {
      if (isOff(replica)) left(replica, nowUs);
    },
  };
}

interface Scaled {
  readonly system: System;
  /** The system without room for replicas that can be added. */
  readonly ownSystem: System;
  readonly scheduler: Scheduler;
}

/** Measures which replicas a run could use; null where neither operators nor the scheduler change them. */
export function replicaMeter(
  { system, ownSystem, scheduler }: Scaled,
  recorder: RunRecorder,
  retries: Float64Array,
  isUp: (replica: number) => boolean,
): ReplicaMeter | null {
  const scales = scheduler.controllers?.some(({ scales = [] }) => scales.length > 0) ?? false;
  if (system === ownSystem && !scales) return null;
  const meter = new ReplicaMeter(system, recorder, retries);
  recorder.replicas = meter;
  for (const replica of system.replicas.keys()) {
    if (!isUp(replica)) meter.ready(replica, false, 0);
  }
  return meter;
}
