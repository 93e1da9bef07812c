/** `tandem simulate`: all configurations × replications, to the terminal, as JSON, or to a folder. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { compareConfigurations, comparedPaths } from "../core/comparison/compare.ts";
import { Fault } from "../core/fault.ts";
import type { ConfigurationResult, ResultsDocument } from "../core/results.ts";
import type { LoadedScenario } from "../core/scenario/parse.ts";
import { type Configuration, expandSweep } from "../core/scenario/sweep.ts";
import { resultsTable } from "../reports/text-table.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { ResultStore } from "../sweep/result-store.ts";
import { runSweep } from "../sweep/run-sweep.ts";
import { writeJson } from "./atomic-file.ts";
import { interruptSignal } from "./interrupt.ts";
import { progress } from "./progress.ts";
import { repeatCommand } from "./repeat-command.ts";
import { inputsOf, loadScenario, type ScenarioArguments } from "./scenario-file.ts";
import { VERSION } from "./version.ts";

export interface SimulateArguments extends ScenarioArguments {
  readonly json: boolean;
  readonly out?: string;
  readonly workers?: number;
  readonly yes: boolean;
  /** Print no table. */
  readonly quiet?: boolean;
}

export async function simulate(args: SimulateArguments): Promise<ResultsDocument> {
  checkCounts(args);
  const loaded = loadScenario(args, { requireTimes: true });
  const configurations = expandSweep(loaded, { allowLarge: args.yes, checkScheduler });
  const threads = threadsFor(args, loaded, configurations.length);
  const results = await sweepWithProgress(args, loaded, configurations, threads);
  const document = resultsDocument(args, loaded, results);
  if (args.out !== undefined) writeJson(join(args.out, "results.json"), document);
  if (args.json) process.stdout.write(`${JSON.stringify(document)}\n`);
  else if (args.quiet !== true) printResults(document, args.out);
  return document;
}

function checkCounts({ workers, replications }: SimulateArguments): void {
  for (const [name, value] of Object.entries({ workers, replications })) {
    if (value !== undefined && (!Number.isInteger(value) || value < 1)) {
      throw new Fault("usage", `--${name} must be a whole number of at least 1, got ${value}`);
    }
  }
}

/** A single short run is over before threads are up. */
function threadsFor(args: SimulateArguments, loaded: LoadedScenario, count: number): number {
  if (args.workers !== undefined) return args.workers;
  const runs = count * loaded.document.run.replications;
  return runs === 1 ? 1 : Math.min(availableParallelism(), runs);
}

async function sweepWithProgress(
  args: SimulateArguments,
  loaded: LoadedScenario,
  configurations: readonly Configuration[],
  threads: number,
): Promise<ConfigurationResult[]> {
  const store = openStore(args, loaded, configurations.length);
  const interrupt = interruptSignal();
  const shown = progress("simulate", configurations.length);
  try {
    const results = await runSweep({
      configurations,
      inputs: inputsOf(loaded),
      threads,
      signal: interrupt.signal,
      onProgress: (done) => shown.update(done),
      ...(store === null ? {} : { store }),
    });
    if (results.length < configurations.length) {
      throw new Fault(
        "interrupted",
        `interrupted: ${results.length} of ${configurations.length} configurations are kept`,
        { hint: "the same command goes on from there" },
      );
    }
    return results;
  } finally {
    shown.stop();
    store?.close();
    interrupt.dispose();
  }
}

/** Sweeps are resumable: in the folder given, else in one named by the scenario's digest. */
function openStore(
  args: SimulateArguments,
  loaded: LoadedScenario,
  count: number,
): ResultStore | null {
  if (count === 1 && args.out === undefined) return null;
  const { seed, replications } = loaded.document.run;
  const folder = args.out ?? join(".tandem", "sweeps", loaded.digest);
  return ResultStore.open(folder, {
    scenarioDigest: loaded.digest,
    seed,
    replications,
    version: VERSION,
  });
}

function resultsDocument(
  args: SimulateArguments,
  loaded: LoadedScenario,
  configurations: readonly ConfigurationResult[],
): ResultsDocument {
  const { seed, replications } = loaded.document.run;
  const slo = Object.values(loaded.document.pipelines)[0]?.slo;
  return {
    schema: "tandem/results@1",
    scenario: { name: loaded.document.name, digest: loaded.digest },
    seed,
    command: repeatCommand("simulate", {
      ...args,
      seed,
      extra: ["--replications", String(replications)],
    }),
    ...(slo === undefined ? {} : { slo }),
    configurations,
    ...comparisonsOf(configurations),
  };
}

function comparisonsOf(
  configurations: readonly ConfigurationResult[],
): Pick<ResultsDocument, "comparisons"> {
  const paths = new Set(configurations.flatMap(({ parameters }) => Object.keys(parameters)));
  const comparisons = compareConfigurations(configurations, comparedPaths([...paths]));
  return comparisons.length === 0 ? {} : { comparisons };
}

function printResults(document: ResultsDocument, out: string | undefined): void {
  const lines = [
    resultsTable(document, process.stdout.columns ?? 120),
    `seed ${document.seed} · scenario ${document.scenario.digest} · repeat: ${document.command}`,
  ];
  if (out !== undefined)
    lines.push(`results: ${join(out, "results.json")} · charts: tandem report ${out}`);
  process.stdout.write(`${lines.join("\n")}\n`);
}
