/**
 * What messages cost in one run: their round trips, and the gateway's work on them. Round trips as they
 * are measured hold the gateway's work on the message up to where its handler takes over; that work is
 * a cost of its own in the simulator, so it is taken out here. What is taken out and what is told as
 * the gateway's cost must be of the same run, or a part of a message's way is lost.
 */
import type { MeasuredRun } from "../cluster/deploy/measured-run.ts";
import type { OverheadProfile } from "../core/profile.ts";
import { equalShareMeans, MAX_QUANTILES } from "./quantiles.ts";

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
