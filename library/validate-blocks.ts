/** The blocks of a validation of real models: their budget, the brackets between them, and their progress. */
import { measureBracket } from "../calibration/blocks.ts";
import { warmUp } from "../calibration/in-place.ts";
import { signedPercent } from "../calibration/judge.ts";
import { type Effort, effortOf, fitBudget, type RunForecast } from "../calibration/predict.ts";
import type { RealRunPlan } from "../calibration/real-runs.ts";
import type { ValidationResult } from "../results/validation.ts";
import type { LoadedInventory } from "../scenario/inventory/read-inventory.ts";
import { replays } from "../scenario/schema/implementation-kinds.ts";
import type { BackendName } from "../scenario/schema/run.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import type { LightLoad } from "./validate-contents.ts";

/** Blocks of real models go on until a verdict, or until this is over, s. */
export const BLOCKS_BUDGET_S = 600;

/** Without a bound, all runs; within one fewer, then shorter ones. Blocks go on while there is time. */
export function effortWithin(
  boundS: number | undefined,
  forecasts: readonly RunForecast[],
  backend: BackendName,
  repeats: number,
  beforeS: number,
): Effort {
  const all = effortOf(forecasts, backend, repeats);
  if (boundS === undefined) return all;
  const fitting = fitBudget(forecasts, backend, repeats, boundS, beforeS);
  if (replays(backend) || fitting.share < 1 || fitting.repeats === repeats) return fitting;
  return { ...all, seconds: boundS - beforeS };
}

interface BracketsOf extends LightLoad {
  readonly document: ScenarioDocument;
  readonly inputs: SimulationInputs;
  readonly signal: AbortSignal | undefined;
  readonly inventory: LoadedInventory | undefined;
}

export function bracketOf({
  inventory,
  ...measured
}: BracketsOf): NonNullable<RealRunPlan["bracket"]> {
  let brackets = 0;
  const plan = { ...measured, isLocal: (inventory?.inventory.kind ?? "local") === "local" };
  return async (deployment) => {
    if (brackets === 0) await warmUp(deployment, plan, "validation/warm");
    return measureBracket(deployment, plan, `validation/light/${brackets++}`);
  };
}

/** The error of the mean, as far as it is known. */
export function intervalLine({ latencyMeanMs }: ValidationResult["judgements"]): string {
  const { interval90 = null } = latencyMeanMs ?? {};
  if (interval90 === null) return "    the error is not bounded yet";
  const { low, high } = interval90;
  return `    error of the mean latency: ${signedPercent(low)} to ${signedPercent(high)}`;
}
