/** `simulate` and `sweep`: one configuration on this thread, or all of them on as many as pay. */
import { availableParallelism } from "node:os";
import { setImmediate as turn } from "node:timers/promises";
import { DEFAULT_MARGIN } from "../core/compare.ts";
import type { ConfigurationResult, ResultsDocument } from "../core/results.ts";
import type { Sample } from "../core/scenario/axes.ts";
import { parameterColumns } from "../core/scenario/parameter-columns.ts";
import { checkedSweep } from "../core/scenario/sweep.ts";
import type { Part } from "../sweep/configuration-result.ts";
import { ConfigurationWork } from "../sweep/configuration-work.ts";
import { MemoryStore, type RecordStore, recordAt, recordsOf } from "../sweep/record.ts";
import { ResultStore } from "../sweep/result-store.ts";
import { runSweep } from "../sweep/run-sweep.ts";
import { configurationsOf, tryOutOwn } from "./own-scheduler.ts";
import { writeProvenance } from "./provenance-file.ts";
import { commandFor } from "./repeat.ts";
import { RESULTS_FILE, ResultsGathering } from "./results-gathering.ts";
import { resultsHeader, sampleText, storeKey } from "./results-header.ts";
import { type Scenario, schedulerChecks } from "./scenario.ts";
import type { Watch } from "./watch.ts";

/** The scenario's own configuration, without its sweep. Progress counts replications. */
export async function simulate(
  { document: { sweep: _, ...document }, ...rest }: Scenario,
  { onProgress, signal }: Watch = {},
): Promise<ConfigurationResult> {
  const loaded = { ...rest, document };
  checkedSweep(loaded, schedulerChecks(loaded.own));
  const work = new ConfigurationWork({ loaded });
  const parts: Part[] = [];
  let total = work.replications(0);
  while (parts.length < total) {
    // Lets an abort be heard.
    await turn();
    signal?.throwIfAborted();
    parts.push(work.part(0, parts.length, parts.length + 1));
    if (parts.length === total) total = work.wanted(0, parts);
    onProgress?.({ done: parts.length, total });
  }
  return work.record(0, parts).result;
}

export interface SweepOptions extends Watch {
  /** Default: as many as pay; 1: the calling thread alone. Results do not depend on it. */
  readonly threads?: number;
  /** Draws so many of the sweep's configurations. Default: all. */
  readonly sample?: Sample;
  /** Folder for results.json, Parquet files and the store, from which the same call goes on after an abort. */
  readonly directory?: string;
  /** Accept more than 10,000 configurations. */
  readonly allowLarge?: boolean;
  /** Differences up to this share of the best mean are ties. Default: 0.01. */
  readonly margin?: number;
  /** Called with each configuration's result as it is finished, in any order. */
  readonly onResult?: (result: ConfigurationResult) => void;
}

/** Time for which the calling thread works alone: others take as long to start. */
const ALONE_MS = 200;

/** Every configuration of the scenario's sweep. Progress counts configurations. */
export async function sweep(
  loaded: Scenario,
  options: SweepOptions = {},
): Promise<ResultsDocument> {
  const { sample, directory, allowLarge = false, margin = DEFAULT_MARGIN, signal } = options;
  const checked = { ...schedulerChecks(loaded.own), allowLarge, sample };
  const checkedOnes = checkedSweep(loaded, checked);
  tryOutOwn(loaded, configurationsOf(checkedOnes));
  const { count } = checkedOnes;
  const plan = { loaded, sample };
  const command = commandFor("simulate", loaded, {
    replications: loaded.document.run.replications,
    ...(sample === undefined ? {} : { sample: sampleText(sample)?.split(" ") }),
  });
  const header = resultsHeader(loaded, command, margin);
  const store = directory === undefined ? null : ResultStore.open(directory, storeKey(plan), count);
  const kept = store ?? new MemoryStore();
  const onWarning = (line: string): void => options.onNote?.(line);
  if (store?.setAside !== undefined) onWarning(store.setAside);
  const parameters = parameterColumns(loaded.document.sweep);
  const place = directory === undefined ? null : { directory, header, parameters, onWarning };
  const gathering = new ResultsGathering(kept, count, place);
  try {
    const threads = loaded.inProgram ? 1 : (options.threads ?? availableParallelism());
    await runSweep({
      ...{ plan, threads, store: told(kept, options.onResult) },
      aloneMs: options.threads === undefined ? ALONE_MS : 0,
      ...(signal === undefined ? {} : { signal }),
      onProgress: (done) => {
        options.onProgress?.({ done, total: count });
        gathering.advance();
      },
    });
    if (kept.finished < count) signal?.throwIfAborted();
    const { comparisons } = await gathering.finish(loaded.document.run.compare?.over, margin);
    if (directory !== undefined)
      writeProvenance(directory, [RESULTS_FILE], loaded, command, sample);
    const configurations = [...recordsOf(kept, count)].map(({ result }) => result);
    return { ...header, configurations, ...(comparisons.length === 0 ? {} : { comparisons }) };
  } finally {
    await gathering.close();
    store?.close();
  }
}

/** The store, with each new record told. */
function told(store: RecordStore, onResult: SweepOptions["onResult"]): RecordStore {
  if (onResult === undefined) return store;
  return {
    get finished() {
      return store.finished;
    },
    has: (index) => store.has(index),
    line: (index) => store.line(index),
    add: (index, line) => {
      store.add(index, line);
      onResult(recordAt(store, index).result);
    },
  };
}
