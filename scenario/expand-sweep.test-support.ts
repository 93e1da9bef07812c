import { type Configuration, checkedSweep, type SweepOptions } from "./expand-sweep.ts";
import type { LoadedScenario } from "./reading/files.ts";

/** All configurations of `checkedSweep` at once. Throws as it does. */
export function expandSweep(loaded: LoadedScenario, options: SweepOptions = {}): Configuration[] {
  const sweep = checkedSweep(loaded, options);
  return Array.from({ length: sweep.count }, (_, index) => sweep.at(index));
}
