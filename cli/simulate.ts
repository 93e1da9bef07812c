/** `tandem simulate`: all configurations × replications, to the terminal, as JSON, or to a folder. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { expectedRequests } from "../core/arrivals/extent.ts";
import { Fault } from "../core/fault.ts";
import { SAMPLE_METHODS, type Sample } from "../core/scenario/axes.ts";
import { stoppingRule } from "../core/scenario/check-run.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { parameterColumns } from "../core/scenario/parameter-columns.ts";
import { checkedSweep } from "../core/scenario/sweep.ts";
import { configurationsOf, tryOutOwn } from "../library/own-scheduler.ts";
import { repeatCommand, shellWord } from "../library/provenance.ts";
import { writeProvenance } from "../library/provenance-file.ts";
import {
  type Ranked,
  RESULTS_FILE,
  ResultsGathering,
  type ResultsHeader,
  type ResultsPlace,
} from "../library/results-gathering.ts";
import { resultsHeader, sampleText, storeKey } from "../library/results-header.ts";
import { schedulerCheck } from "../library/scenario.ts";
import { plural } from "../reports/tables/format.ts";
import { placementLines } from "../reports/tables/result-tables.ts";
import {
  documentNotesText,
  goalLines,
  notesText,
  rankingText,
  resultsTable,
} from "../reports/tables/terminal-text.ts";
import type { SweepPlan } from "../sweep/configuration-work.ts";
import { MemoryStore, type RecordStore, recordsOf } from "../sweep/record.ts";
import { hasRequests, RequestWriter } from "../sweep/request-files.ts";
import { ResultStore } from "../sweep/result-store.ts";
import { runSweep } from "../sweep/run-sweep.ts";
import { columns } from "./command-line.ts";
import { interruptSignal, printWarning } from "./failure.ts";
import { printFile, printResults } from "./print-results.ts";
import { progress } from "./progress.ts";
import { loadScenario, marginOf, precisionWords, type ScenarioArguments } from "./scenario-file.ts";

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

/** A table on the terminal has at most so many configurations. */
const MOST_ROWS = 200;
/** For the cheapest of more, there is the report. */
const MOST_JUDGED = 2000;

/** Returns the number of configurations. */
export async function simulate(args: SimulateArguments): Promise<number> {
  checkOptions(args);
  const loaded = await loadScenario(args, { requireTimes: true });
  const plan = { loaded, sample: sampleOf(args), requestsIn: requestsFolder(args) };
  const options = {
    allowLarge: args.yes,
    checkScheduler: schedulerCheck(loaded.own),
    sample: plan.sample,
  };
  const sweep = checkedSweep(loaded, options);
  tryOutOwn(loaded, configurationsOf(sweep));
  const { count } = sweep;
  const header = headerOf(args, loaded);
  const store = openStore(args, plan, count);
  const gathering = new ResultsGathering(store, count, placeOf(args, loaded, header));
  try {
    await sweepWithProgress(args, plan, store, count, gathering);
    const ranked = await gathering.finish(loaded.document.run.compare?.over, header.margin);
    if (args.out !== undefined) writeProvenance(args.out, [RESULTS_FILE], loaded, header.command);
    const { comparisons } = ranked;
    if (args.json && args.out !== undefined) await printFile(join(args.out, RESULTS_FILE));
    else if (args.json) await printResults(header, comparisons, store, count);
    else if (args.quiet !== true) printTables(header, ranked, store, args.out);
  } finally {
    await gathering.close();
    if (store instanceof ResultStore) store.close();
  }
  return count;
}

function placeOf(
  { out }: SimulateArguments,
  { document }: LoadedScenario,
  header: ResultsHeader,
): ResultsPlace | null {
  if (out === undefined) return null;
  return {
    directory: out,
    header,
    parameters: parameterColumns(document.sweep),
    onWarning: printWarning,
  };
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

/** Events that take one thread about a second. */
const MANY_EVENTS = 4_000_000;
/** Time that threads need to start. */
const START_UP_MS = 200;

/** Threads by `--workers`; else started at once for long sweeps, and after the first runs for others. */
function threading(
  { workers }: SimulateArguments,
  { document }: LoadedScenario,
  count: number,
): { readonly threads: number; readonly aloneMs: number } {
  if (workers !== undefined) return { threads: workers, aloneMs: 0 };
  const { replications } = document.run;
  const most = Math.max(replications, stoppingRule(document.run)?.maxReplications ?? 0);
  const tasks = Object.values(document.pipelines).map((pipeline) => Object.keys(pipeline.tasks));
  const eventsEach =
    expectedRequests(document.workload) * 2 * Math.max(...tasks.map(({ length }) => length));
  const many = count * replications * eventsEach > MANY_EVENTS;
  const threads = Math.min(availableParallelism(), count * most);
  return { threads, aloneMs: many ? 0 : START_UP_MS };
}

async function sweepWithProgress(
  args: SimulateArguments,
  plan: SweepPlan,
  store: RecordStore,
  count: number,
  gathering: ResultsGathering,
): Promise<void> {
  const interrupt = interruptSignal();
  const requests = await openRequests(plan, store);
  const shown = progress("simulate", { total: count, already: store.finished });
  try {
    await runSweep({
      plan,
      ...threading(args, plan.loaded, count),
      store,
      signal: interrupt.signal,
      ...(requests === null ? {} : { beforeStored: (index) => requests.convert(index) }),
      onProgress: (done) => {
        shown.update(done);
        gathering.advance();
      },
    });
    if (store.finished < count) {
      throw new Fault(
        "interrupted",
        `interrupted: ${store.finished} of ${plural(count, "configuration")} kept`,
        { hint: "the same command goes on from there" },
      );
    }
  } finally {
    shown.stop();
    interrupt.dispose();
    requests?.close();
  }
}

/** Configurations that finished without their requests run again when these are wanted. */
async function openRequests(plan: SweepPlan, store: RecordStore): Promise<RequestWriter | null> {
  const { requestsIn, loaded } = plan;
  if (requestsIn === undefined || !(store instanceof ResultStore)) return null;
  store.forgetUnless((index) => hasRequests(requestsIn, index));
  return RequestWriter.open(requestsIn, Object.keys(loaded.document.pipelines));
}

/** Sweeps are resumable: in the folder given, else in one named by the scenario's digest. */
function openStore(args: SimulateArguments, plan: SweepPlan, count: number): RecordStore {
  if (count === 1 && args.out === undefined) return new MemoryStore();
  const sample = sampleText(plan.sample);
  const words = sample === null ? [] : [sample.replace(" ", "-")];
  const name = [plan.loaded.digest, ...words].join("-");
  const folder = args.out ?? join(".tandem", "sweeps", name);
  const key = storeKey(plan);
  const store = ResultStore.open(folder, key, count);
  if (store.setAside !== undefined) printWarning(store.setAside);
  return store;
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

function printTables(
  header: ResultsHeader,
  ranked: Ranked,
  store: RecordStore,
  out: string | undefined,
): void {
  const width = columns();
  const count = store.finished;
  const read = Math.min(count, MOST_JUDGED);
  const all = [...recordsOf(store, read)].map(({ result: { latencyCurve: _, ...one } }) => one);
  const configurations = all.slice(0, MOST_ROWS);
  const lines = [
    resultsTable({ ...header, configurations }, width),
    ...(count > MOST_ROWS ? [`the first ${MOST_ROWS} of ${count} configurations`] : []),
    ...placementLines({ ...header, configurations }, width),
    ...documentNotesText(header, width),
    ...notesText(configurations, width),
    ...(count > read ? [] : goalLines({ ...header, configurations: all }, width)),
    ...rankingText({ ...header, ...ranked }, width),
    ...(configurations.length > 1 && configurations.every((one) => one.replications === 1)
      ? ["one replication: no difference between configurations can be told from noise"]
      : []),
    `seed ${header.seed} · scenario ${header.scenario.digest} · repeat: ${header.command}`,
  ];
  if (out !== undefined) {
    const charts = `npx tandem report ${shellWord(out)}`;
    lines.push(`results: ${join(out, RESULTS_FILE)} · charts: ${charts}`);
  }
  process.stdout.write(`${lines.join("\n")}\n`);
}
