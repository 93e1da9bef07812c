/**
 * Costs of messages in one run: their round trips, and the gateway's work on them. A measured round
 * trip includes the gateway's work up to its handler; the simulator has that work as a cost of its
 * own, so it is subtracted here. Both must be of the same run.
 */
import type { MeasuredRun } from "../cluster/deploy/measured-run.ts";
import { hostLine } from "../cluster/worker/host-line.ts";
import type { OverheadProfile } from "../core/profile.ts";

export type MessageCosts = Pick<
  OverheadProfile,
  "clientRoundTripUs" | "workerRoundTripUs" | "gateway"
>;

export function messageCosts({
  clientRoundTripUs,
  workerRoundTripUs,
  costs: { receiveUs, arrivalUs, dispatchUs, completionUs },
}: MeasuredRun["overheads"]): MessageCosts {
  return {
    clientRoundTripUs: without(clientRoundTripUs, receiveUs),
    workerRoundTripUs: without(workerRoundTripUs, dispatchUs + receiveUs),
    gateway: { arrivalUs, dispatchUs, completionUs },
  };
}

function without(roundTripsUs: readonly number[], gatewayUs: number): number[] {
  const rest = roundTripsUs.map((us) => Math.max(0, us - gatewayUs));
  return equalShareMeans(rest, MAX_QUANTILES);
}

/** The provenance of a measurement on this machine. */
export function measuredHere(
  model: string,
  runtime: string,
  device: string,
  date: string,
): OverheadProfile["provenance"] {
  return { kind: "measured", model, modelFiles: [], device, host: hostLine(), runtime, date };
}

/** Most quantiles that a profile keeps for one batch size. */
export const MAX_QUANTILES = 200;

/** At most `count` ascending values, each the mean of an equal share of the sorted samples; all samples if they are few. */
export function equalShareMeans(samples: readonly number[], count: number): number[] {
  const sorted = [...samples].sort((a, b) => a - b);
  if (sorted.length <= count) return sorted.map(Math.round);
  const cumulative = [0];
  for (const value of sorted) cumulative.push(cumulative[cumulative.length - 1] + value);
  const share = sorted.length / count;
  // The last share may end a little beyond the last sample, by rounding.
  const upTo = (shares: number): number => {
    const at = Math.min(shares * share, sorted.length);
    const whole = Math.floor(at);
    const rest = at - whole;
    return cumulative[whole] + (rest > 0 ? rest * sorted[whole] : 0);
  };
  return Array.from({ length: count }, (_, i) => Math.round((upTo(i + 1) - upTo(i)) / share));
}
