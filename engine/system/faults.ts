/** Faults of a system: which replicas each hits and when, how soon they are noticed, and the speed that they leave. */
import type { Shape } from "../random/sampler.ts";
import type { VariableService } from "../service/service.ts";

export interface FaultSystem {
  readonly causes: readonly FaultCause[];
  readonly detection: Detection;
  /** Services of the replicas that can be slow. */
  readonly slowable: ReadonlyMap<number, VariableService>;
}

export interface FaultCause {
  readonly kind: "crash" | "slow" | "partition";
  /** Name of its random stream: `faults/<kind>/<target>`, with a number when it comes again. */
  readonly name: string;
  /** The replicas that fail together. */
  readonly replicas: readonly number[];
  /** Service times are multiplied by this while it lasts; 1 unless slow. */
  readonly factor: number;
  readonly timing: Timing;
}

export type Timing =
  | { readonly kind: "once"; readonly atUs: number; readonly forUs: number }
  /** Up and down in turn; times of the given means. */
  | {
      readonly kind: "renewal";
      readonly upUs: number;
      readonly up: Shape;
      readonly downUs: number;
      readonly down: Shape;
    };

export interface Detection {
  readonly intervalUs: number;
  readonly timeoutUs: number;
  readonly failures: number;
}

/**
 * The instant at which the gateway notices a replica that is silent since `sinceUs`: `failures` health
 * checks in a row, sent at whole multiples of the interval, have each waited for the time-out.
 */
export function noticedUs({ intervalUs, timeoutUs, failures }: Detection, sinceUs: number): number {
  const firstUs = intervalUs === 0 ? sinceUs : Math.ceil(sinceUs / intervalUs) * intervalUs;
  return firstUs + (failures - 1) * intervalUs + timeoutUs;
}

/**
 * Share of a span that a replica is expected to be reachable for, if nothing is broken at time 0; null where it does not
 * crash and come back at exponential times by one cause at most, of which the two-state Markov chain knows it.
 */
export function reachableShare(
  faults: FaultSystem | null,
  replica: number,
  fromUs: number,
  toUs: number,
): number | null {
  const isCause = ({ kind, replicas }: FaultCause) => kind !== "slow" && replicas.includes(replica);
  const [cause, ...others] = (faults?.causes ?? []).filter(isCause);
  if (cause === undefined) return 1;
  const { timing } = cause;
  if (others.length > 0 || timing.kind === "once") return null;
  if (timing.up.kind !== "exponential" || timing.down.kind !== "exponential") return null;
  const { upUs, downUs } = timing;
  const relaxationUs = (upUs * downUs) / (upUs + downUs);
  const wholeUs =
    relaxationUs * (Math.exp(-fromUs / relaxationUs) - Math.exp(-toUs / relaxationUs));
  return 1 - (downUs / (upUs + downUs)) * (1 - wholeUs / (toUs - fromUs));
}

/**
 * Share of its full speed that a replica has in the long run: mtbf / (mtbf + mttr) for each random crash or
 * partition, and the mean speed for each random slow-down. Repeated work is not counted.
 */
export function speedShare(faults: FaultSystem | null, replica: number): number {
  let share = 1;
  for (const { kind, replicas, factor, timing } of faults?.causes ?? []) {
    if (timing.kind === "once" || !replicas.includes(replica)) continue;
    const up = timing.upUs / (timing.upUs + timing.downUs);
    share *= kind === "slow" ? up + (1 - up) / factor : up;
  }
  return share;
}
