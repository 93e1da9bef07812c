/** The head of a sweep's results document, and the key of its store. */

import { buildKey } from "../build/version.ts";
import type { Sample } from "../core/scenario/axes.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { parameterColumns, parameterKinds } from "../core/scenario/parameter-columns.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { goalsShown } from "../core/slo.ts";
import { PRESETS } from "../schedulers/registry.ts";
import type { SweepPlan } from "../sweep/configuration-work.ts";
import { STORE_FORMAT, type StoreKey } from "../sweep/result-store.ts";
import { asNotes, simulationNotes } from "./provenance.ts";
import type { ResultsHeader } from "./results-gathering.ts";

/** `command` repeats the sweep; differences up to the share `margin` of the best mean are ties. */
export function resultsHeader(
  loaded: LoadedScenario,
  command: string,
  margin: number,
): ResultsHeader {
  return {
    schema: "tandem/results@1",
    scenario: { name: loaded.document.name, digest: loaded.digest },
    seed: loaded.document.run.seed,
    command,
    ...(sweepsGoals(loaded.document) ? {} : goalsShown(loaded.document)),
    margin,
    simplestFirst: Object.keys(PRESETS),
    parameterKinds: parameterKinds(loaded.document),
    ...(loaded.capacity === undefined ? {} : { capacity: loaded.capacity }),
    ...asNotes(simulationNotes(loaded)),
  };
}

/** Then no goal is that of all configurations. */
function sweepsGoals({ sweep }: ScenarioDocument): boolean {
  const paths = parameterColumns(sweep).map(({ path }) => path);
  return paths.some((path) => /^pipelines(\.[^.]+(\.slo(\..*)?)?)?$/.test(path));
}

/** All that results depend on: a store of another key is set aside. */
export function storeKey({ loaded, sample }: SweepPlan): StoreKey {
  const { digest, document } = loaded;
  const { seed, replications } = document.run;
  const parameters = parameterColumns(document.sweep);
  const scenario = { scenario: digest, seed, replications, sample: sampleText(sample), parameters };
  return { format: STORE_FORMAT, ...scenario, ...buildKey() };
}

export function sampleText(sample: Sample | undefined): string | null {
  return sample === undefined ? null : `${sample.method} ${sample.count}`;
}
