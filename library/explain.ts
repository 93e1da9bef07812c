/** `explain`: where the gaps of a validation come from; `trace`: one run, simulated or real, batch by batch. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { importTexts } from "../build/import-text.ts";
import { loadHighs } from "../build/load-highs.ts";
import {
  EVIDENCE_FILE,
  type EvidenceDocument,
  type Explanation,
  explainConfiguration,
  logFile,
} from "../calibration/explain.ts";
import { givenWarmupS } from "../engine/arrivals/arrival-source.ts";
import { Fault } from "../engine/basics/fault.ts";
import { finished } from "../engine/basics/iterables.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { type ObservedRun, observeRun } from "../engine/record/observed-run.ts";
import { traceEvents, tracePids } from "../engine/record/trace-events.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { checkedSweep } from "../scenario/expand-sweep.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { Sample } from "../scenario/sweep/axes.ts";
import { ownScheduler } from "../schedulers/own-scheduler.ts";
import { useSolver } from "../schedulers/rules/solver.ts";
import { runReplication, type SimulationInputs, withWarmUp } from "../sim/replication.ts";
import { AtomicFile } from "../sweep/atomic-file.ts";
import { contentOf, inputsOf, type Scenario, schedulerChecks } from "./scenario.ts";
import type { Validation } from "./validate.ts";

/**
 * Says where the gap between prediction and measurement comes from, by configuration: service, network, gateway,
 * queueing, load. `validation` is what `validate` gave, or the folder that it wrote. Throws
 * Fault("not-found") for a folder without evidence, Fault("invalid-input") for evidence that cannot be read.
 */
export async function explain(validation: string | Validation): Promise<readonly Explanation[]> {
  const { inputs, configurations } = await (typeof validation === "string"
    ? readEvidence(validation)
    : ready(validation.evidence));
  return configurations.map((one, i) => {
    const logs =
      typeof validation === "string"
        ? one.runs.map((_, run) => readLog(validation, logFile(i, run)))
        : validation.logs[i];
    return explainConfiguration(one, inputs, logs);
  });
}

async function ready(evidence: EvidenceDocument): Promise<EvidenceDocument> {
  return { ...evidence, inputs: await withOwn(evidence.inputs) };
}

/** Loads the solver, and the user's schedulers from their texts. */
export async function withOwn(inputs: SimulationInputs): Promise<SimulationInputs> {
  useSolver(await loadHighs());
  return { ...inputs, own: await importTexts(inputs.schedulerFiles ?? {}, ownScheduler) };
}

/** The evidence in a folder of `validate`. Rejects as `explain` does. */
export async function readEvidence(directory: string): Promise<EvidenceDocument> {
  return ready(evidenceIn(directory));
}

function evidenceIn(directory: string): EvidenceDocument {
  const file = join(directory, EVIDENCE_FILE);
  if (!existsSync(file)) {
    throw new Fault("not-found", `${directory} has no ${EVIDENCE_FILE}`, {
      hint: "give the folder of `tandem validate … --out DIR`",
    });
  }
  try {
    const document = JSON.parse(readFileSync(file, "utf8")) as EvidenceDocument;
    if (document.schema === "tandem/evidence@1") return document;
  } catch (cause) {
    throw new Fault("invalid-input", `${file} is no JSON: ${(cause as Error).message}`, { cause });
  }
  throw new Fault("invalid-input", `${file} is of another version`, {
    hint: "validate again with this version",
  });
}

export function readLog(directory: string, path: string): string {
  const file = join(directory, path);
  return contentOf(file, `the run log ${file}`).toString();
}

/** A log of so many events takes a second, and 300 MB of memory. */
const MOST_EVENTS = 300_000;

export interface ObservedReplication {
  readonly run: ObservedRun;
  /** Set where the run was cut. */
  readonly note?: string;
  readonly warmupUs: number;
}

/** A replication, simulated again with a log; long ones are cut. */
export function observeReplication(
  given: ScenarioDocument,
  inputs: SimulationInputs,
  replication: number,
): ObservedReplication {
  const { document } = finished(withWarmUp(given, inputs));
  const log = new RunLog();
  const { events } = runReplication(document, inputs, replication, {
    log,
    maxEvents: MOST_EVENTS,
  });
  const warmupUs = givenWarmupS(document.workload) * 1e6;
  const run = observeRun(log, compileSystem(document, inputs));
  const cut = events >= MOST_EVENTS;
  const count = run.requests.length.toLocaleString("en-US");
  return {
    run,
    warmupUs,
    ...(cut ? { note: `the first ${count} requests of the run` } : {}),
  };
}

/** A real run, from the text of its log. */
export function observeLog(
  text: string,
  document: ScenarioDocument,
  inputs: SimulationInputs,
): ObservedRun {
  return observeRun(RunLog.parse(text), compileSystem(document, inputs));
}

/** A trace that was written. */
export interface Trace {
  /** The configuration that it is of. */
  readonly id: string;
  /** The sweep or the validation has this many. */
  readonly configurations: number;
  /** Set where the run was cut. */
  readonly note?: string;
}

/**
 * Writes every batch and request of one run to a file that ui.perfetto.dev opens: the first replication of
 * a scenario's first configuration, or, of the folder of a validation, the first real run beside its prediction.
 * Nobody could read the traces of a whole sweep.
 */
export async function trace(
  source: Scenario | string,
  file: string,
  options: { readonly sample?: Sample | undefined } = {},
): Promise<Trace> {
  if (typeof source !== "string") {
    const checks = { ...schedulerChecks(source.own), allowLarge: true, ...options };
    const { count, at } = checkedSweep(source, checks);
    const { id, document } = at(0);
    const { run, note } = observeReplication(document, inputsOf(source), 0);
    writeTrace(file, [{ name: "simulated", run }]);
    return { id, configurations: count, ...(note === undefined ? {} : { note }) };
  }
  const { inputs, configurations } = await readEvidence(source);
  const [{ id, document, runs }] = configurations;
  const measured = observeLog(readLog(source, logFile(0, 0)), document, inputs);
  const { run } = observeReplication(document, inputs, runs[0].replication);
  writeTrace(file, [
    { name: "measured", run: measured },
    { name: "simulated", run },
  ]);
  return { id, configurations: configurations.length };
}

interface NamedRun {
  readonly name: string;
  readonly run: ObservedRun;
}

/** Writes runs to a file, whole. Throws the system's error where it cannot be written. */
function writeTrace(file: string, runs: readonly NamedRun[]): void {
  const target = new AtomicFile(file);
  try {
    for (const piece of tracePieces(runs)) target.write(piece);
    target.keep();
  } finally {
    target.close();
  }
}

/** Runs side by side in the JSON trace event format, piece by piece. */
function* tracePieces(runs: readonly NamedRun[]): Generator<string, void, void> {
  yield '{"displayTimeUnit":"ms","traceEvents":[';
  let separator = "\n";
  let firstPid = 1;
  for (const { name, run } of runs) {
    const prefix = runs.length === 1 ? "" : `${name}: `;
    for (const event of traceEvents(run, { prefix, firstPid })) {
      yield `${separator}${JSON.stringify(event)}`;
      separator = ",\n";
    }
    firstPid += tracePids(run);
  }
  yield "\n]}\n";
}
