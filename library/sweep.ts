/** `simulate` and `sweep`: one configuration on this thread, or all of them on as many as pay. */
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { Fault } from "../engine/basics/fault.ts";
import { DEFAULT_MARGIN } from "../results/compare.ts";
import type { ConfigurationResult, ResultsDocument } from "../results/documents.ts";
import { stoppingRule } from "../scenario/checks/checks.ts";
import { checkedSweep, openSweep, type Sweep } from "../scenario/expand-sweep.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { parameterColumns } from "../scenario/sweep/parameter-columns.ts";
import type { Part } from "../sweep/configuration-result.ts";
import { ConfigurationWork, type SweepPlan } from "../sweep/configuration-work.ts";
import {
  MemoryStore,
  type RecordStore,
  ResultStore,
  recordAt,
  type StoreKey,
} from "../sweep/records.ts";
import { hasRequests, RequestWriter } from "../sweep/request-files.ts";
import { inTurns, runSweep } from "../sweep/run-sweep.ts";
import { expectedEvents } from "../sweep/shards/shard-work.ts";
import { configurationsOf, tryOutOwn } from "./check.ts";
import type { Watch } from "./follow.ts";
import { checkedOptions, type Given } from "./option.ts";
import { SWEEP } from "./options.ts";
import { commandFor, writeProvenance } from "./provenance.ts";
import {
  RESULTS_FILE,
  type ResultsHeader,
  resultsHeader,
  type Swept,
  sampleText,
  storeKey,
  sweptFrom,
  writeResults,
} from "./results.ts";
import { type Scenario, schedulerChecks } from "./scenario.ts";

/** Simulates the scenario's own configuration, without its sweep. Progress counts replications. */
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
    parts.push(await inTurns(work.part(0, parts.length, parts.length + 1), signal));
    if (parts.length === total) total = work.wanted(0, parts);
    onProgress?.({ done: parts.length, total });
  }
  return work.record(0, parts).result;
}

export interface SweepOptions extends Watch, Given<typeof SWEEP> {
  /** Without `directory`: the folder for stores of sweeps, each in one of its scenario's. Default: none is kept. */
  readonly stores?: string | undefined;
  /** Repeats the sweep, for its documents. Default: the command line of this call. */
  readonly command?: string | undefined;
  /** Called with each configuration's result as it is finished, in any order. */
  readonly onResult?: ((result: ConfigurationResult) => void) | undefined;
}

/**
 * Simulates every configuration of the scenario's sweep, on threads: the document of `tandem simulate --json`.
 * Progress counts configurations. With `directory`, an aborted sweep goes on where it was.
 * Throws Fault("invalid-input") with the sweep's issues.
 */
export async function sweep(
  loaded: Scenario,
  options: SweepOptions = {},
): Promise<ResultsDocument> {
  return sweepThen(loaded, options, ({ configurations, comparisons, count: _, ...header }) => ({
    ...header,
    configurations: [...configurations],
    ...(comparisons.length === 0 ? {} : { comparisons }),
  }));
}

export async function sweepThen<T>(
  loaded: Scenario,
  options: SweepOptions,
  use: (swept: Swept) => T | Promise<T>,
): Promise<T> {
  const { plan, sweep: checked, key, header } = prepareSweep(loaded, options);
  const { document } = loaded;
  const { count } = checked;
  const { directory, onProgress, onResult, signal } = options;
  const onWarning = (line: string): void => options.onNote?.(line);
  const store = openStore(options, plan, key, count);
  if (store instanceof ResultStore && store.setAside !== undefined) onWarning(store.setAside);
  try {
    const requests = await openRequests(plan, store);
    await runSweep({
      plan,
      store,
      signal,
      ...threading(loaded, options, count),
      ...(requests === null ? {} : { beforeStored: (index) => requests.convert(index) }),
      onProgress: (done, index) => {
        if (index !== undefined) onResult?.(recordAt(store, index).result);
        onProgress?.({ done, total: count });
      },
    }).finally(() => requests?.close());
    if (store.finished < count) signal?.throwIfAborted();
    const swept = sweptFrom(store, count, header, document.run.compare?.over);
    if (directory !== undefined) {
      await writeResults(directory, swept, store, parameterColumns(document.sweep), onWarning);
      writeProvenance(directory, [RESULTS_FILE], loaded, header.command, plan.sample);
    }
    return await use(swept);
  } finally {
    if (store instanceof ResultStore) store.close();
  }
}

export interface PreparedSweep {
  readonly plan: SweepPlan;
  readonly sweep: Sweep;
  readonly key: StoreKey;
  readonly header: ResultsHeader;
}

/**
 * Checks everything before any work starts. A sweep that `isChecked` knows by its key is only read.
 * Throws as `checkedSweep` does, and Fault("usage") for requests without a folder.
 */
export function prepareSweep(
  loaded: Scenario,
  options: SweepOptions,
  isChecked: (key: StoreKey) => boolean = () => false,
): PreparedSweep {
  const { sample, directory, margin, requests, allowLarge } = checkedOptions(SWEEP, options);
  if (requests && directory === undefined) {
    const hint = "give --out DIR";
    throw new Fault("usage", "requests need a folder to be written to", { hint });
  }
  const plan = { loaded, sample, requestsIn: requests ? directory : undefined };
  const key = storeKey(plan);
  const isKnown = isChecked(key);
  const checks = { ...schedulerChecks(loaded.own), sample, allowLarge };
  const opened = isKnown ? openSweep(loaded, sample) : checkedSweep(loaded, checks);
  if (!isKnown) tryOutOwn(loaded, configurationsOf(opened));
  const command =
    options.command ??
    commandFor("simulate", loaded, {
      sample: sampleText(sample)?.split(" "),
      margin: margin === DEFAULT_MARGIN ? undefined : margin,
    });
  return { plan, sweep: opened, key, header: resultsHeader(loaded, command, margin) };
}

function openStore(
  { directory, stores }: SweepOptions,
  { loaded, sample }: SweepPlan,
  key: StoreKey,
  count: number,
): RecordStore {
  if (directory !== undefined) return ResultStore.open(directory, key, count);
  if (stores === undefined || count === 1) return new MemoryStore();
  const name = [loaded.digest, ...(sampleText(sample)?.split(" ") ?? [])].join("-");
  return ResultStore.open(join(stores, name), key, count);
}

/** Configurations that finished without their requests run again when these are wanted. */
async function openRequests(plan: SweepPlan, store: RecordStore): Promise<RequestWriter | null> {
  const { requestsIn, loaded } = plan;
  if (requestsIn === undefined || !(store instanceof ResultStore)) return null;
  store.forgetUnless((index) => hasRequests(requestsIn, index));
  return RequestWriter.open(requestsIn, Object.keys(loaded.document.pipelines));
}

/** Events that take one thread about a second. */
const MANY_EVENTS = 4_000_000;
/** Time that threads need to start. */
const START_UP_MS = 200;

/** Threads as asked; else started at once for long sweeps, and after the first runs for others. */
function threading(
  { document, inProgram }: Scenario,
  { threads }: SweepOptions,
  count: number,
): { readonly threads: number; readonly aloneMs: number } {
  if (inProgram) return { threads: 1, aloneMs: 0 };
  const many = count * document.run.replications * expectedEvents(document) > MANY_EVENTS;
  return {
    threads: Math.min(threads ?? availableParallelism(), count * mostReplications(document)),
    aloneMs: many || threads !== undefined ? 0 : START_UP_MS,
  };
}

function mostReplications({ run }: ScenarioDocument): number {
  return Math.max(run.replications, stoppingRule(run)?.maxReplications ?? 0);
}
