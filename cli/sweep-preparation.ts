/** What `tandem simulate` is asked for, checked: the scenario, its sweep, and the key and header of its results. */
import { availableParallelism } from "node:os";
import { Fault } from "../core/fault.ts";
import { SAMPLE_METHODS, type Sample } from "../core/scenario/axes.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { checkedSweep, openSweep, type Sweep } from "../core/scenario/sweep.ts";
import { configurationsOf, tryOutOwn } from "../library/own-scheduler.ts";
import { repeatCommand } from "../library/provenance.ts";
import type { ResultsHeader } from "../library/results-gathering.ts";
import { resultsHeader, storeKey } from "../library/results-header.ts";
import { schedulerChecks } from "../library/scenario.ts";
import { plural } from "../reports/tables/format.ts";
import type { SweepPlan } from "../sweep/configuration-work.ts";
import type { StoreKey } from "../sweep/result-store.ts";
import { loadScenario, marginOf, precisionWords, type ScenarioArguments } from "./scenario-file.ts";

export interface SimulateArguments extends ScenarioArguments {
  readonly json: boolean;
  readonly out?: string;
  readonly workers?: number;
  readonly yes: boolean;
  /** A method and a number of configurations. */
  readonly sample?: readonly string[];
  /** File for a trace of the first configuration's first replication. */
  readonly trace?: string;
  /** Keep a row for each request, in the folder `out`. */
  readonly requests?: boolean;
  /** Print no table. */
  readonly quiet?: boolean;
}

export interface PreparedSweep {
  readonly plan: SweepPlan;
  readonly sweep: Sweep;
  readonly key: StoreKey;
  readonly header: ResultsHeader;
}

/**
 * Reads and checks everything before any work starts. A sweep that `isChecked` knows by its key is only read.
 * Rejects as `loadScenario` and `checkedSweep` do.
 */
export async function prepareSweep(
  args: SimulateArguments,
  isChecked: (key: StoreKey) => boolean = () => false,
): Promise<PreparedSweep> {
  checkOptions(args);
  const loaded = await loadScenario(args, { requireTimes: true });
  const plan = { loaded, sample: sampleOf(args), requestsIn: requestsFolder(args) };
  const key = storeKey(plan);
  const sweep = isChecked(key) ? openSweep(loaded, plan.sample) : checked(args, plan);
  return { plan, sweep, key, header: headerOf(args, loaded) };
}

function checked({ yes }: SimulateArguments, { loaded, sample }: SweepPlan): Sweep {
  const checks = schedulerChecks(loaded.own);
  const sweep = checkedSweep(loaded, { ...checks, allowLarge: yes, sample });
  tryOutOwn(loaded, configurationsOf(sweep));
  return sweep;
}

function requestsFolder({ requests, out }: SimulateArguments): string | undefined {
  if (requests !== true) return undefined;
  if (out !== undefined) return out;
  throw new Fault("usage", "--requests needs a folder to write to", { hint: "give --out DIR" });
}

/** Each thread has a heap of its own: thousands of them exhaust a machine's memory. */
const MOST_WORKERS = 256;

function checkOptions({ workers, replications, out }: SimulateArguments): void {
  if (out?.trim() === "") throw new Fault("usage", "--out is empty", { hint: "name a folder" });
  for (const [name, value] of Object.entries({ workers, replications })) {
    if (value !== undefined && (!Number.isInteger(value) || value < 1)) {
      throw new Fault("usage", `--${name} must be a whole number of at least 1, got ${value}`);
    }
  }
  if (workers !== undefined && workers > MOST_WORKERS) {
    throw new Fault("usage", `--workers must be at most ${MOST_WORKERS}, got ${workers}`, {
      hint: `this machine has ${plural(availableParallelism(), "processor")}; a thread each is best`,
    });
  }
}

function sampleOf({ sample }: SimulateArguments): Sample | undefined {
  if (sample === undefined) return undefined;
  const [method, text] = sample;
  const count = Number(text);
  const known = SAMPLE_METHODS.find((name) => name === method);
  if (known === undefined || !Number.isInteger(count) || count < 1) {
    throw new Fault("usage", `--sample ${sample.join(" ")}: expected a method and a number`, {
      hint: `the methods are ${SAMPLE_METHODS.join(" and ")}`,
    });
  }
  return { method: known, count };
}

function sampleOptions({ sample }: SimulateArguments): readonly string[] {
  return sample === undefined ? [] : ["--sample", ...sample];
}

function headerOf(args: SimulateArguments, loaded: LoadedScenario): ResultsHeader {
  const { seed, replications } = loaded.document.run;
  const extra = [
    "--replications",
    String(replications),
    ...precisionWords(args),
    ...sampleOptions(args),
  ];
  const command = repeatCommand("simulate", { ...args, seed, extra });
  return resultsHeader(loaded, command, marginOf(args));
}
