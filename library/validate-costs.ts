/** The cost of messages for each configuration of a validation, measured at about its own number of replicas. */
import {
  needsPilot,
  PILOT_SECONDS,
  type ReplayPilotInput,
  sizeOf,
  withMessageCosts,
} from "../calibration/message-costs.ts";
import { unlessAborted } from "../cluster/processes/child.ts";
import type { Configuration } from "../scenario/expand-sweep.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import { inputsOf, type Scenario } from "./scenario.ts";

export interface FoundCosts {
  readonly inputs: SimulationInputs;
  /** Where they are from; null: the scenario gives them. */
  readonly note: string | null;
  /** Why no verdict may rest on them. */
  readonly doubt: string | null;
}

type PilotOptions = Omit<ReplayPilotInput, "document" | "inputs" | "date">;

/** `optionsOf` is called before each pilot. */
export function messageCostsBySize(
  loaded: Scenario,
  optionsOf: (configuration: Configuration) => PilotOptions,
): (configuration: Configuration) => Promise<FoundCosts> {
  const inputs = inputsOf(loaded);
  const costs = new Map<number, FoundCosts>();
  return async (configuration) => {
    if (!needsPilot(loaded)) return { inputs, note: null, doubt: null };
    const { document } = configuration;
    const size = sizeOf(document, inputs);
    const known = costs.get(size);
    if (known !== undefined) return known;
    const options = optionsOf(configuration);
    const date = new Date().toISOString();
    const measuring = withMessageCosts({ ...options, document, inputs, date });
    const found = await unlessAborted(options.signal, measuring);
    costs.set(size, found);
    return found;
  };
}

/** Seconds of all pilots. */
export function pilotsSeconds(loaded: Scenario, documents: readonly ScenarioDocument[]): number {
  if (!needsPilot(loaded)) return 0;
  const inputs = inputsOf(loaded);
  return new Set(documents.map((one) => sizeOf(one, inputs))).size * PILOT_SECONDS;
}
