/**
 * Round trips as they are measured hold the gateway's own work on the message up to where its
 * handler takes over; that work is a cost of its own in the simulator, so it is taken out here.
 */
import type { MeasuredRun } from "../cluster/measured-run.ts";
import { equalShareMeans, MAX_QUANTILES } from "./quantiles.ts";

export interface RoundTrips {
  readonly clientRoundTripUs: number[];
  readonly workerRoundTripUs: number[];
}

export function roundTripsAlone({
  clientRoundTripUs,
  workerRoundTripUs,
  costs,
}: MeasuredRun["overheads"]): RoundTrips {
  const { receiveUs, dispatchUs } = costs;
  return {
    clientRoundTripUs: without(clientRoundTripUs, receiveUs),
    workerRoundTripUs: without(workerRoundTripUs, dispatchUs + receiveUs),
  };
}

function without(roundTripsUs: readonly number[], gatewayUs: number): number[] {
  const rest = roundTripsUs.map((us) => Math.max(0, us - gatewayUs));
  return equalShareMeans(rest, MAX_QUANTILES);
}
