/**
 * What each fault did: when the gateway had noticed that the replica was gone, when it had it back,
 * and for how long clients felt it. Calls felt a fault when they were answered late and were sent
 * shortly before it or in the second after it.
 */
import type { FaultKind } from "./faults.ts";

/** An answer later than this was held up by something. */
const LATE_MS = 250;
const BEFORE_MS = 250;
const AFTER_MS = 1000;

export interface FaultRecord {
  readonly kind: FaultKind;
  readonly target: string;
  /** Since the soak's start. */
  readonly atMs: number;
  /** How long the fault itself lasts; 0 where it is an instant. */
  readonly lastsMs: number;
  /** From the fault until the gateway called the replica down; null: it did not. */
  noticedMs: number | null;
  /** From the fault until it was up again. */
  backMs: number | null;
  /** From the fault until the last call that it held up was answered; 0: nobody noticed. */
  feltMs: number;
}

export interface AnsweredCall {
  readonly sentMs: number;
  readonly endedMs: number;
}

/** Takes note of one look at the replicas' states; the gateway is gone when there is none. */
export function look(
  faults: readonly FaultRecord[],
  states: ReadonlyMap<string, string> | null,
  nowMs: number,
): void {
  for (const fault of faults) {
    if (fault.backMs !== null) continue;
    const state = fault.kind === "restart" ? gatewayState(states) : states?.get(fault.target);
    if (state === undefined) continue;
    if (fault.noticedMs === null && state !== "up") fault.noticedMs = nowMs - fault.atMs;
    else if (fault.noticedMs !== null && state === "up") fault.backMs = nowMs - fault.atMs;
  }
}

function gatewayState(states: ReadonlyMap<string, string> | null): string {
  if (states === null) return "down";
  return [...states.values()].some((state) => state === "up") ? "up" : "down";
}

/** Sets `feltMs` of each fault. */
export function feel(faults: readonly FaultRecord[], calls: readonly AnsweredCall[]): void {
  const late = calls.filter(({ sentMs, endedMs }) => endedMs - sentMs > LATE_MS);
  for (const fault of faults) {
    const { atMs } = fault;
    for (const { sentMs, endedMs } of late) {
      if (endedMs < atMs || sentMs < atMs - BEFORE_MS || sentMs > atMs + AFTER_MS) continue;
      fault.feltMs = Math.max(fault.feltMs, endedMs - atMs);
    }
  }
}
