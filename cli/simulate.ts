/** `tandem simulate`: all configurations × replications, to the terminal, as JSON, or to a folder. */

import { once } from "node:events";
import { createReadStream } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Fault } from "../core/fault.ts";
import type { Comparison } from "../core/results.ts";
import { stoppingRule } from "../core/scenario/check-run.ts";
import type { LoadedScenario } from "../core/scenario/files.ts";
import { parameterColumns } from "../core/scenario/parameter-columns.ts";
import type { Configuration } from "../core/scenario/sweep.ts";
import { shellWord } from "../library/provenance.ts";
import { writeProvenance } from "../library/provenance-file.ts";
import {
  type Ranked,
  RESULTS_FILE,
  ResultsGathering,
  type ResultsHeader,
  type ResultsPlace,
  ResultsText,
} from "../library/results-gathering.ts";
import { sampleText } from "../library/results-header.ts";
import { observeReplication, writeTrace } from "../library/run-trace.ts";
import { inputsOf } from "../library/scenario.ts";
import { plural } from "../reports/tables/format.ts";
import { placementLines } from "../reports/tables/result-tables.ts";
import {
  configurationsText,
  documentNotesText,
  goalLines,
  notesText,
  pipelinesText,
  rankingText,
} from "../reports/tables/terminal-text.ts";
import type { ReadyScenario, SweepPlan } from "../sweep/configuration-work.ts";
import { MemoryStore, type RecordStore, recordsOf } from "../sweep/record.ts";
import { hasRequests, RequestWriter } from "../sweep/request-files.ts";
import { ResultStore, type StoreKey } from "../sweep/result-store.ts";
import { runSweep } from "../sweep/run-sweep.ts";
import { expectedEvents } from "../sweep/shards/shard-plan.ts";
import { columns } from "./command-line.ts";
import { interruptSignal, printWarning } from "./failure.ts";
import { progress } from "./progress.ts";
import { prepareSweep, type SimulateArguments } from "./sweep-preparation.ts";

/** For the best of more, there is the report. */
const MOST_JUDGED = 10_000;

/** Returns the number of configurations. */
export async function simulate(args: SimulateArguments): Promise<number> {
  const { plan, sweep, key, header } = await prepareSweep(args);
  const { loaded } = plan;
  const { count } = sweep;
  const store = openStore(args, plan, key, count);
  const gathering = new ResultsGathering(store, count, placeOf(args, loaded, header));
  try {
    await sweepWithProgress(args, plan, store, count, gathering);
    const ranked = await gathering.finish(loaded.document.run.compare?.over, header.margin);
    if (args.out !== undefined)
      writeProvenance(args.out, [RESULTS_FILE], loaded, header.command, plan.sample);
    const { comparisons } = ranked;
    if (args.json && args.out !== undefined) await printFile(join(args.out, RESULTS_FILE));
    else if (args.json) await printResults(header, comparisons, store, count);
    else if (args.quiet !== true) printTables(header, ranked, store, args.out);
    if (args.trace !== undefined) await writeSimulatedTrace(args.trace, loaded, sweep.at(0), count);
  } finally {
    await gathering.close();
    if (store instanceof ResultStore) store.close();
  }
  return count;
}

/** Writes the first configuration's trace: nobody could read the traces of a whole sweep. */
async function writeSimulatedTrace(
  file: string,
  loaded: ReadyScenario,
  { id, document }: Configuration,
  count: number,
): Promise<void> {
  const { run, note } = observeReplication(document, inputsOf(loaded), 0);
  await writeTrace(file, [{ name: "simulated", run }]);
  const which = count === 1 ? "" : ` of ${id}, the first of ${count} configurations`;
  const cut = note === undefined ? "" : `, ${note}`;
  process.stderr.write(`trace${which}: ${file}${cut}; open it in ui.perfetto.dev\n`);
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
  const { replications } = document.run;
  const most = Math.max(replications, stoppingRule(document.run)?.maxReplications ?? 0);
  const threads = Math.min(workers ?? availableParallelism(), count * most);
  const many = count * replications * expectedEvents(document) > MANY_EVENTS;
  return { threads, aloneMs: many || workers !== undefined ? 0 : START_UP_MS };
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
function openStore(
  { out }: SimulateArguments,
  { loaded, sample }: SweepPlan,
  key: StoreKey,
  count: number,
): RecordStore {
  if (count === 1 && out === undefined) return new MemoryStore();
  const text = sampleText(sample);
  const name = [loaded.digest, ...(text === null ? [] : [text.replace(" ", "-")])].join("-");
  const store = ResultStore.open(out ?? join(".tandem", "sweeps", name), key, count);
  if (store.setAside !== undefined) printWarning(store.setAside);
  return store;
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
  const configurations = [...recordsOf(store, read)].map(
    ({ result: { latencyCurve: _, gantt: __, ...one } }) => one,
  );
  const document = { ...header, configurations };
  const lines = [
    configurationsText(document, width),
    ...pipelinesText(document, width),
    ...(count > read ? [`of the first ${read} of ${count} configurations`] : []),
    ...placementLines(document, width),
    ...documentNotesText(header, width),
    ...notesText(configurations, width),
    ...(count > read ? [] : goalLines(document, width)),
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

/** The document of a sweep's `count` configurations, one at a time in memory. */
async function printResults(
  header: ResultsHeader,
  comparisons: readonly Comparison[],
  store: RecordStore,
  count: number,
): Promise<void> {
  const text = new ResultsText();
  await print(text.start(header));
  for (const { result } of recordsOf(store, count)) await print(text.configuration(result));
  await print(text.end(comparisons));
}

/** Prints a file's contents. */
async function printFile(path: string): Promise<void> {
  for await (const piece of createReadStream(path)) await print(piece as Buffer);
}

/** Waits for a reader that is slower, so that no more than a piece is held. */
async function print(piece: string | Buffer): Promise<void> {
  if (!process.stdout.write(piece)) await once(process.stdout, "drain");
}
