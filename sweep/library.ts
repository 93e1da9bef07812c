/**
 * The package's entry for programs: read a scenario, simulate it.
 *
 *   import { readScenario, simulate } from "tandem-serving";
 *   const [first] = simulate(readScenario("scenario.yaml", { "workload.ratePerS": 40 }));
 */
import { existsSync, readFileSync } from "node:fs";
import type { ConfigurationResult } from "../core/results.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { parseScenario } from "../core/scenario/parse.ts";
import { checkedSweep } from "../core/scenario/sweep.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { ConfigurationWork } from "./configuration-work.ts";

export { Fault, type FaultCode, type Issue } from "../core/fault.ts";
export type { ConfigurationResult } from "../core/results.ts";
export type { LoadedScenario } from "../core/scenario/files.ts";
export type { OwnSchedulerFile } from "../schedulers/own-scheduler.ts";

/**
 * Reads and checks a scenario file with its data files; `overrides` are values by path, as from `--set`.
 * Throws Fault("invalid-input") with every issue. Parquet traces are read by the command alone.
 */
export function readScenario(
  file: string,
  overrides: Readonly<Record<string, unknown>> = {},
): LoadedScenario {
  const read = (path: string): string => readFileSync(path, "utf8");
  const options = { checkScheduler, requireTimes: true, exists: existsSync };
  return parseScenario(read(file), file, read, overrides, options);
}

/**
 * Simulates every configuration of a scenario on the calling thread, in the order of its sweep: the
 * `configurations` of `tandem simulate --json`. Throws Fault("invalid-input") with the sweep's issues.
 */
export function simulate(loaded: LoadedScenario): readonly ConfigurationResult[] {
  checkedSweep(loaded, { checkScheduler });
  const work = new ConfigurationWork({ loaded });
  return Array.from({ length: work.count }, (_, index) => work.whole(index).result);
}
