/**
 * Messages of one run beside those of calibration. Their costs follow the host more than the models' times do: they rose
 * by half within one calibration while its probe rose by a tenth.
 */
import { meanOf } from "../engine/statistics/estimate.ts";
import type { OverheadProfile } from "../scenario/schema/profile.ts";
import type { SimulationInputs } from "../sim/replication.ts";

export type MessageCosts = Pick<
  OverheadProfile,
  "clientRoundTripUs" | "workerRoundTripUs" | "gateway"
>;

/** Both round trips and the gateway's work for a request of one task, µs. */
export function messagesUs({
  clientRoundTripUs,
  workerRoundTripUs,
  gateway: { arrivalUs, dispatchUs, completionUs },
}: MessageCosts): number {
  const wayUs = [clientRoundTripUs, workerRoundTripUs].map((us) =>
    us.length === 0 ? 0 : meanOf(us),
  );
  return wayUs[0] + wayUs[1] + arrivalUs + dispatchUs + completionUs;
}

/** All costs of messages `factor` times as long. */
export function pacedCosts<T extends MessageCosts>(costs: T, factor: number): T {
  const paced = (us: number): number => us * factor;
  const { arrivalUs, dispatchUs, completionUs } = costs.gateway;
  return {
    ...costs,
    clientRoundTripUs: costs.clientRoundTripUs.map(paced),
    workerRoundTripUs: costs.workerRoundTripUs.map(paced),
    gateway: {
      arrivalUs: paced(arrivalUs),
      dispatchUs: paced(dispatchUs),
      completionUs: paced(completionUs),
    },
  };
}

export function pacedMessages(inputs: SimulationInputs, factor: number): SimulationInputs {
  const { overheadProfile } = inputs;
  return overheadProfile === undefined
    ? inputs
    : { ...inputs, overheadProfile: pacedCosts<OverheadProfile>(overheadProfile, factor) };
}
