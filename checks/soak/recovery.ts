/** The effect of each fault: when the gateway had noticed that the replica was gone, and when it had it back. */
export const FAULTS = ["kill", "stop", "slow", "memory", "cut", "restart"] as const;

export type FaultKind = (typeof FAULTS)[number];

/** Silence takes the gateway 1.2 to 2 s, and a late batch 1 s: what it has not noticed by then it does not. */
const NOTICED_WITHIN_MS = 2500;

/**
 * `open`: it goes on. `unnoticed`: the target was up all the time, as when a slow one answers in
 * time. `overtaken`: it was not back yet when the next fault struck the same target.
 */
export type FaultEnd = "open" | "unnoticed" | "overtaken" | "back";

export interface FaultRecord {
  readonly kind: FaultKind;
  readonly target: string;
  /** Since the soak's start. */
  readonly atMs: number;
  /** How long the fault itself lasts; 0 where it is an instant. */
  readonly lastsMs: number;
  end: FaultEnd;
  /** From the fault until the gateway called the replica down; null: it did not. */
  noticedMs: number | null;
  /** From the fault until it was up again. */
  backMs: number | null;
}

export class Recovery {
  readonly faults: FaultRecord[] = [];

  /** A target's state says something of its last fault only; a gateway's restart takes every replica down. */
  strike(fault: Pick<FaultRecord, "kind" | "target" | "atMs" | "lastsMs">): void {
    const isRestart = fault.kind === "restart";
    for (const earlier of this.faults) {
      if (earlier.end !== "open") continue;
      const isSame = earlier.kind === "restart" ? isRestart : earlier.target === fault.target;
      if (earlier.noticedMs === null && (isSame || isRestart)) earlier.end = "unnoticed";
      else if (isSame) earlier.end = "overtaken";
    }
    this.faults.push({ ...fault, end: "open", noticedMs: null, backMs: null });
  }

  /** Takes note of one look at the replicas' states; the gateway is gone when there are none. */
  look(states: ReadonlyMap<string, string> | null, nowMs: number): void {
    for (const fault of this.faults) {
      if (fault.end !== "open") continue;
      const state = fault.kind === "restart" ? gatewayState(states) : states?.get(fault.target);
      if (state === undefined) continue;
      const sinceMs = nowMs - fault.atMs;
      if (state !== "up") fault.noticedMs ??= sinceMs;
      else if (fault.noticedMs !== null) {
        fault.backMs = sinceMs;
        fault.end = "back";
      } else if (sinceMs > fault.lastsMs + NOTICED_WITHIN_MS) fault.end = "unnoticed";
    }
  }
}

function gatewayState(states: ReadonlyMap<string, string> | null): string {
  if (states === null) return "down";
  return [...states.values()].some((state) => state === "up") ? "up" : "down";
}
