/**
 * The package's entry for programs: read a scenario, simulate it.
 *
 *   import { readScenario, simulate } from "tandem-serving";
 *   const [first] = simulate(readScenario("scenario.yaml", { "workload.ratePerS": 40 }));
 */
import { existsSync, readFileSync } from "node:fs";
import { compileSystem } from "../core/compile.ts";
import type { ConfigurationResult } from "../core/results.ts";
import type { LoadedScenario, ReadFile } from "../core/scenario/files.ts";
import { parseScenario } from "../core/scenario/parse.ts";
import { checkedSweep } from "../core/scenario/sweep.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { NO_OWN, type OwnSchedulers } from "../schedulers/own-scheduler.ts";
import { playOnce, type Verdict } from "../schedulers/play.ts";
import { ConfigurationWork, type ReadyScenario } from "./configuration-work.ts";
import { SchedulerTexts } from "./own-schedulers.ts";

export { Fault, type FaultCode, type Issue } from "../core/fault.ts";
export type { ConfigurationResult } from "../core/results.ts";
export type { LoadedScenario } from "../core/scenario/files.ts";
export type { OwnSchedulerFile } from "../schedulers/own-scheduler.ts";
export type { Verdict } from "../schedulers/play.ts";
export type { ReadyScenario } from "./configuration-work.ts";

const fileReader: ReadFile = (path) => readFileSync(path, "utf8");

type Overrides = Readonly<Record<string, unknown>>;

/**
 * Reads and checks a scenario file with its data files; `overrides` are values by path, as from `--set`.
 * Throws Fault("invalid-input") with every issue. Parquet traces are read by the command alone, and
 * schedulers of your own by `loadScenario`.
 */
export function readScenario(file: string, overrides: Overrides = {}): LoadedScenario {
  return parsed(file, overrides, fileReader, NO_OWN);
}

/** As `readScenario`, and loads the file of a scheduler of your own. Rejects as that throws. */
export async function loadScenario(
  file: string,
  overrides: Overrides = {},
): Promise<ReadyScenario> {
  const texts = new SchedulerTexts(fileReader);
  try {
    const loaded = parsed(file, overrides, texts.read, NO_OWN);
    if (!texts.some) return loaded;
  } catch (error) {
    if (!texts.some) throw error;
  }
  const own = await texts.load(file);
  return { ...parsed(file, overrides, fileReader, own), own };
}

function parsed(
  file: string,
  overrides: Overrides,
  read: ReadFile,
  own: OwnSchedulers,
): LoadedScenario {
  const options = { ...checkedBy(own), requireTimes: true, exists: existsSync };
  return parseScenario(read(file), file, read, overrides, options);
}

function checkedBy(own: OwnSchedulers | undefined) {
  const check = (...[scheduler, path, pipelines]: Parameters<typeof checkScheduler>) =>
    checkScheduler(scheduler, path, pipelines, own);
  return { checkScheduler: check };
}

/**
 * Simulates every configuration of a scenario on the calling thread, in the order of its sweep: the
 * `configurations` of `tandem simulate --json`. Throws Fault("invalid-input") with the sweep's issues.
 */
export function simulate(loaded: ReadyScenario): readonly ConfigurationResult[] {
  checkedSweep(loaded, checkedBy(loaded.own));
  const work = new ConfigurationWork({ loaded });
  return Array.from({ length: work.count }, (_, index) => work.whole(index).result);
}

/**
 * Plays random run `number` of the scenario's scheduler, as `tandem check` does: load, losses, returns and
 * cancelled requests in any order. The rule that it breaks, with the steps that lead there; else null.
 */
export function play(loaded: ReadyScenario, number: number): Verdict | null {
  const { document, own } = loaded;
  const system = compileSystem(document, loaded);
  const make = () => createScheduler(document.scheduler, system, "1", own);
  return playOnce(system, make, number, "rough");
}
