/** Reads a scenario file with the command line's overrides. */
import { readFileSync } from "node:fs";
import { Fault } from "../core/fault.ts";
import { type LoadedScenario, parseScenario, parseSetOption } from "../core/scenario/parse.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import type { SimulationInputs } from "../sim/replication.ts";

export interface ScenarioArguments {
  readonly scenario: string;
  readonly set: readonly string[];
  readonly seed?: number;
  readonly replications?: number;
}

const readFile = (path: string): string => readFileSync(path, "utf8");

/** Throws Fault("not-found") for a missing file, Fault("invalid-input") with all its issues. */
export function loadScenario(
  args: ScenarioArguments,
  options: { requireTimes: boolean },
): LoadedScenario {
  const overrides: Record<string, unknown> = Object.fromEntries(args.set.map(parseSetOption));
  if (args.seed !== undefined) overrides["run.seed"] = args.seed;
  if (args.replications !== undefined) overrides["run.replications"] = args.replications;
  return parseScenario(readScenario(args.scenario), args.scenario, readFile, overrides, {
    checkScheduler,
    requireTimes: options.requireTimes,
  });
}

export function inputsOf(loaded: LoadedScenario): SimulationInputs {
  const { profiles, overheadProfile, traces, traceSizes } = loaded;
  return { profiles, traces, overheadProfile, traceSizes };
}

function readScenario(path: string): string {
  try {
    return readFile(path);
  } catch (cause) {
    throw new Fault("not-found", `cannot read the scenario ${path}`, {
      hint: "give the path of a scenario file; `tandem init DIR` writes one to start from",
      cause,
    });
  }
}
