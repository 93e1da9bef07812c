/** The load on a configuration's stations, before anything runs. */
import { compileSystem, type MeasuredInputs } from "../core/compile.ts";
import type { ServingCapacity } from "../core/scenario/checks.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { offeredRatePerS } from "../core/stability/judge-stability.ts";
import { type OfferedLoad, offeredLoad } from "../core/stability/offered-load.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { replicationSeed, type SimulationInputs } from "./replication.ts";

/** Null where the arrival rate is not given beforehand, or the traffic equations do not reach. */
export function configurationLoad(
  document: ScenarioDocument,
  inputs: SimulationInputs,
): OfferedLoad | null {
  const { workload } = document;
  const traceUs = workload.arrivals === "trace" ? (inputs.traces[workload.file] ?? null) : null;
  const ratePerS = offeredRatePerS(workload, traceUs);
  if (ratePerS === undefined) return null;
  return loadAt(document, inputs, ratePerS);
}

/** Null where the traffic equations do not reach. */
export function servingCapacity(
  document: ScenarioDocument,
  inputs: MeasuredInputs & Pick<SimulationInputs, "own">,
): ServingCapacity | null {
  // Every station's load is proportional to the rate.
  const load = loadAt(document, inputs, 1);
  return load === null ? null : { perS: 1 / load.ratio, station: load.station };
}

function loadAt(
  document: ScenarioDocument,
  inputs: MeasuredInputs & Pick<SimulationInputs, "own">,
  ratePerS: number,
): OfferedLoad | null {
  const system = compileSystem(document, inputs);
  const seed = replicationSeed(document.run.seed, 0);
  const scheduler = createScheduler(document.scheduler, system, seed, inputs.own);
  return offeredLoad(system, scheduler, ratePerS);
}
