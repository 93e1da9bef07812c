/** `placeGroups`: groups of devices and the models of each, as AlpaServe searches for them before a run. */
import { Fault } from "../engine/basics/fault.ts";
import { searchGroups, type Tried } from "../planning/device-groups.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { inTurns } from "../sweep/run-sweep.ts";
import { inputsOf, type Scenario } from "./scenario.ts";
import { noteOnSweep } from "./which-scheduler.ts";

/** The document of `tandem schedulers --place S --json`. */
export interface PlacedGroups {
  readonly schema: "tandem/groups@1";
  /** The best first: most requests in time, then the least mean latency. */
  readonly tried: readonly Omit<Tried, "document">[];
  /** The scenario with the scheduler `alpaserve` on the best groups. */
  readonly scenario: ScenarioDocument;
  /** Parts of the scenario that it leaves out. */
  readonly notes?: readonly string[];
}

/**
 * Searches for the groups of the scenario's devices that serve most of its requests in time. Throws
 * Fault("invalid-input") for devices that do not have the memory for every model, or of language models.
 */
export async function placeGroups(
  loaded: Scenario,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<PlacedGroups> {
  const { document, file } = loaded;
  if (Object.values(document.models).some(({ tokens }) => tokens !== undefined)) {
    throw new Fault("invalid-input", `${file}: groups of devices have no language models`);
  }
  const found = await inTurns(searchGroups(document, inputsOf(loaded)), signal);
  const tried = found.map(({ document: _, ...one }) => one);
  // A sweep of schedulers, replicas or places would take the groups back.
  const { sweep: _, ...scenario } = found[0].document;
  const notes = noteOnSweep(document);
  const schema = "tandem/groups@1";
  return { schema, tried, scenario, ...(notes.length > 0 && { notes }) };
}
