import type { WorkloadDocument } from "../scenario/schema.ts";
import { diurnalTimeOf } from "./diurnal.ts";
import { rampTimeOf } from "./ramp.ts";
import type { TimeOf } from "./rescaled.ts";

/** Of a rate that is known beforehand, when so many arrivals are expected. */
export function changingTimeOf(
  workload: Extract<WorkloadDocument, { arrivals: "diurnal" | "ramp" }>,
): TimeOf {
  return workload.arrivals === "ramp" ? rampTimeOf(workload.rates) : diurnalTimeOf(workload);
}
