/** What `tandem simulate` is asked for, checked: the scenario, its sweep, and the key and header of its results. */
import { Fault } from "../core/fault.ts";
import { SAMPLE_METHODS, type Sample } from "../core/scenario/axes.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { parameterColumns, parameterKinds } from "../core/scenario/parameter-columns.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { checkedSweep, openSweep, type Sweep } from "../core/scenario/sweep.ts";
import { goalsShown } from "../core/slo.ts";
import { PRESETS } from "../schedulers/registry.ts";
import type { SweepPlan } from "../sweep/configuration-work.ts";
import { STORE_FORMAT, type StoreKey } from "../sweep/result-store.ts";
import { configurationsOf, tryOutOwn } from "./own-scheduler.ts";
import { asNotes, repeatCommand, simulationNotes } from "./provenance.ts";
import type { ResultsHeader } from "./results-gathering.ts";
import {
  loadScenario,
  marginOf,
  precisionWords,
  type ScenarioArguments,
  schedulerCheck,
} from "./scenario-file.ts";
import { buildKey } from "./version.ts";

export interface SimulateArguments extends ScenarioArguments {
  readonly json: boolean;
  readonly out?: string;
  readonly workers?: number;
  readonly yes: boolean;
  /** A method and a number of configurations. */
  readonly sample?: readonly string[];
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
  return { plan, sweep, key, header: resultsHeader(args, loaded) };
}

function checked({ yes }: SimulateArguments, { loaded, sample }: SweepPlan): Sweep {
  const checkScheduler = schedulerCheck(loaded.own);
  const sweep = checkedSweep(loaded, { allowLarge: yes, checkScheduler, sample });
  tryOutOwn(loaded, configurationsOf(sweep));
  return sweep;
}

function requestsFolder({ requests, out }: SimulateArguments): string | undefined {
  if (requests !== true) return undefined;
  if (out !== undefined) return out;
  throw new Fault("usage", "--requests needs a folder to write to", { hint: "give --out DIR" });
}

function checkOptions({ workers, replications, out }: SimulateArguments): void {
  if (out?.trim() === "") throw new Fault("usage", "--out is empty", { hint: "name a folder" });
  for (const [name, value] of Object.entries({ workers, replications })) {
    if (value !== undefined && (!Number.isInteger(value) || value < 1)) {
      throw new Fault("usage", `--${name} must be a whole number of at least 1, got ${value}`);
    }
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

function storeKey({ loaded, sample }: SweepPlan): StoreKey {
  const { digest, document } = loaded;
  const { seed, replications } = document.run;
  const parameters = parameterColumns(document.sweep);
  const scenario = {
    ...{ scenario: digest, seed, replications },
    sample: sampleText(sample),
    parameters,
  };
  return { format: STORE_FORMAT, ...scenario, ...buildKey() };
}

export function sampleText(sample: Sample | undefined): string | null {
  return sample === undefined ? null : `${sample.method} ${sample.count}`;
}

function resultsHeader(args: SimulateArguments, loaded: LoadedScenario): ResultsHeader {
  const { seed, replications } = loaded.document.run;
  return {
    schema: "tandem/results@1",
    scenario: { name: loaded.document.name, digest: loaded.digest },
    seed,
    command: repeatCommand("simulate", {
      ...args,
      seed,
      extra: [
        "--replications",
        String(replications),
        ...precisionWords(args),
        ...sampleOptions(args),
      ],
    }),
    ...(sweepsGoals(loaded.document) ? {} : goalsShown(loaded.document)),
    margin: marginOf(args),
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
