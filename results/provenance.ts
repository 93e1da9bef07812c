/** `tandem/provenance@1`: where the files of a results folder come from, and the inputs that made them. */

import type { DataFiles, LoadedScenario } from "../scenario/reading/files.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { Sample } from "../scenario/sweep/axes.ts";

export const PROVENANCE_FILE = "provenance.json";

/** How one file of the folder was made. */
export interface Origin {
  /** Repeats it. */
  readonly command: string;
  /** Version of the program, with a digest of its code. */
  readonly version: string;
  /** ISO 8601, in UTC. */
  readonly date: string;
  /** Processor, cores, memory, system and Node's version. */
  readonly host: string;
  /** Git commit of the scenario's folder; absent outside a repository. */
  readonly commit?: string;
}

/** The data files that the scenario names, by path as written in it. Long traces are left out: see `omitted`. */
type ProvenanceInputs = DataFiles & Pick<LoadedScenario, "sectionFiles">;

export interface ProvenanceDocument {
  readonly schema: "tandem/provenance@1";
  /** By the file's name: results.json, validation.json, plan.json. */
  readonly made: Readonly<Record<string, Origin>>;
  /** The scenario of results.json, with all overrides. */
  readonly scenario: ScenarioDocument;
  readonly digest: string;
  /** Set where the results are of a sample of the sweep. */
  readonly sample?: Sample;
  readonly inputs: ProvenanceInputs;
  /** Paths of traces that are too long to keep here. */
  readonly omitted?: readonly string[];
}
