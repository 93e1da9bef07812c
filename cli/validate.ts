/** `tandem validate`: chosen configurations simulated and run for real, compared and judged. */

import { existsSync } from "node:fs";
import { join } from "node:path";
import { collectInputs } from "../calibration/collect-inputs.ts";
import { type ContentsSource, contentsFor } from "../calibration/contents.ts";
import {
  type ConfigurationEvidence,
  EVIDENCE_FILE,
  type EvidenceDocument,
  logFile,
} from "../calibration/evidence.ts";
import { type KnownContents, matchContents } from "../calibration/match-contents.ts";
import { ModelWorker } from "../calibration/model-worker.ts";
import { validateConfiguration } from "../calibration/validate.ts";
import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import { countArrivals } from "../core/arrivals/count-arrivals.ts";
import { expectedRequests } from "../core/arrivals/expected-requests.ts";
import { compileSystem } from "../core/compile.ts";
import { Fault } from "../core/fault.ts";
import type { ResultsDocument, ValidationDocument, ValidationResult } from "../core/results.ts";
import type { LoadedScenario } from "../core/scenario/parse.ts";
import type { BackendName } from "../core/scenario/schema/run.ts";
import { validationSchema } from "../core/scenario/schema/run.ts";
import type {
  ScenarioDocument,
  ValidationDocument as ValidationSettings,
  WorkloadDocument,
} from "../core/scenario/schema.ts";
import { refuseUnreal, simulatedOnlyTerms } from "../core/scenario/simulated-only.ts";
import { type Configuration, expandValidation } from "../core/scenario/sweep.ts";
import { validationTable } from "../reports/text-table.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { writeAtomically, writeJson } from "./atomic-file.ts";
import { interruptSignal } from "./interrupt.ts";
import { refuseOverload } from "./refuse-overload.ts";
import { repeatCommand } from "./repeat-command.ts";
import { inputsOf, loadScenario, requireBackend, type ScenarioArguments } from "./scenario-file.ts";

export interface ValidateArguments extends ScenarioArguments, ContentsSource {
  readonly json: boolean;
  readonly out?: string;
  readonly repeats?: number;
  readonly backend?: BackendName;
}

/** What a run's requests carry, in order. */
type Contents = (configuration: Configuration, seed: string) => readonly RequestContents[];

export async function validate(args: ValidateArguments): Promise<void> {
  const loaded = await loadScenario(args, { requireTimes: true });
  const settings = settingsOf(args, loaded);
  const configurations = expandValidation(loaded, { checkScheduler, requireTimes: true });
  const documents = configurations.map(({ document }) => document);
  refuseUnreal(loaded, documents);
  refuseOverload(loaded, documents, settings.timeScale);
  const contents =
    settings.backend !== "replay"
      ? await realContents(args, loaded)
      : replayContents(loaded.document);
  const interrupt = interruptSignal();
  const results: ValidationResult[] = [];
  const evidences: ConfigurationEvidence[] = [];
  try {
    for (const [i, configuration] of configurations.entries()) {
      if (interrupt.signal.aborted) break;
      const label = `${i + 1}/${configurations.length} ${configuration.id}`;
      process.stderr.write(`validate ${label}: ${settings.backend}, ${settings.repeats} runs\n`);
      const { result, logs, evidence } = await validateConfiguration({
        configuration,
        inputs: inputsOf(loaded),
        backend: settings.backend,
        repeats: settings.repeats,
        timeScale: settings.timeScale,
        tolerance: settings.metrics,
        contents: (seed) => contents(configuration, seed),
        onRun: ({ health }, healthyRuns) => {
          const state = health.healthy ? `run ${healthyRuns} of ${settings.repeats}` : "set aside";
          process.stderr.write(
            `  ${state}${health.reasons.map((reason) => `; ${reason}`).join("")}\n`,
          );
        },
        signal: interrupt.signal,
      });
      results.push(withUnrealised(result, configuration.document));
      if (args.out !== undefined) writeLogs(args.out, i, logs);
      evidences.push(evidence);
    }
  } finally {
    interrupt.dispose();
  }
  if (args.out !== undefined && evidences.length > 0) {
    writeEvidence(args.out, { inputs: inputsOf(loaded), configurations: evidences });
  }
  finish(args, loaded, results, configurations.length);
}

/** Says which terms of the prediction the real runs did without. */
function withUnrealised(result: ValidationResult, document: ScenarioDocument): ValidationResult {
  const terms = simulatedOnlyTerms(document);
  if (terms.length === 0) return result;
  const note = `not realised by the cluster: ${terms.join(", ")}`;
  return { ...result, notes: [...(result.notes ?? []), note] };
}

function settingsOf(args: ValidateArguments, loaded: LoadedScenario): ValidationSettings {
  const { backend, repeats } = args;
  if (repeats !== undefined && !(Number.isInteger(repeats) && repeats >= 3)) {
    throw new Fault("usage", `--repeats is a whole number of at least 3, got ${repeats}`, {
      hint: "fewer runs give no spread to judge by",
    });
  }
  const settings = {
    ...validationSchema.parse(loaded.document.validation ?? {}),
    ...(backend === undefined ? {} : { backend }),
    ...(repeats === undefined ? {} : { repeats }),
  };
  requireBackend(loaded, settings.backend);
  return settings;
}

/** Real contents, each sent where the draws say that a request takes their branches. */
async function realContents(args: ContentsSource, loaded: LoadedScenario): Promise<Contents> {
  const { document } = loaded;
  const workers = new Map<string, ModelWorker>();
  try {
    for (const [name, model] of Object.entries(document.models)) {
      if (model.implementation !== undefined)
        workers.set(name, await ModelWorker.start(name, model, inputsOf(loaded).folder));
    }
    const byPipeline = await contentsFor(document, workers, args);
    const { ran } = await collectInputs(document, workers, byPipeline);
    const known: Record<string, readonly KnownContents[]> = {};
    for (const [name, own] of Object.entries(byPipeline)) {
      known[name] = own.map((contents, i) => ({ contents, ran: ran[name][i] }));
    }
    return ({ document: own }, seed) => {
      const system = compileSystem(own, loaded);
      return matchContents(system, seed, requestsOf(own.workload, loaded, seed), known);
    };
  } finally {
    await Promise.all([...workers.values()].map((worker) => worker.stop()));
  }
}

/** As many as a run sends; where its answers set the pace, more than it may be. */
function requestsOf(workload: WorkloadDocument, { traces }: LoadedScenario, seed: string): number {
  const traceUs = workload.arrivals === "trace" ? traces[workload.file] : null;
  const count = countArrivals(workload, seed, traceUs ?? null);
  return count ?? Math.ceil(1.5 * expectedRequests(workload)) + 100;
}

/** Replay workers read nothing, so a payload is bytes of the declared size. */
function replayContents(document: ScenarioDocument): Contents {
  const sizes = Object.values(document.pipelines).flatMap((pipeline) =>
    Object.values(pipeline.tasks).map((task) => task.payloadBytes),
  );
  const payload = payloadRequest(new Uint8Array(Math.max(...sizes, 64)));
  return () => [payload];
}

/** Notes by the letters that the table gives the configurations. */
function notesText(results: readonly ValidationResult[]): string {
  return results
    .flatMap(({ notes = [] }, i) =>
      notes.map((note) => `${String.fromCharCode(65 + i)}: ${note}\n`),
    )
    .join("");
}

/** The predicted side alone is a results document too, for a folder without a sweep's results. */
function writeDocuments(
  out: string,
  document: ValidationDocument,
  predicted: ResultsDocument,
): void {
  writeJson(join(out, "validation.json"), document);
  const results = join(out, "results.json");
  if (!existsSync(results)) writeJson(results, predicted);
}

/** For `tandem explain`. */
function writeEvidence(out: string, evidence: Omit<EvidenceDocument, "schema">): void {
  const document: EvidenceDocument = { schema: "tandem/evidence@1", ...evidence };
  writeAtomically(join(out, EVIDENCE_FILE), JSON.stringify(document));
}

function writeLogs(out: string, configuration: number, logs: readonly string[]): void {
  for (const [run, log] of logs.entries()) {
    writeAtomically(join(out, logFile(configuration, run)), log);
  }
}

function finish(
  args: ValidateArguments,
  loaded: LoadedScenario,
  results: readonly ValidationResult[],
  wanted: number,
): void {
  const { name, run } = loaded.document;
  const slo = Object.values(loaded.document.pipelines)[0]?.slo;
  const header = {
    schema: "tandem/results@1" as const,
    scenario: { name, digest: loaded.digest },
    seed: run.seed,
    command: repeatCommand("validate", { ...args, seed: run.seed }),
    ...(slo === undefined ? {} : { slo }),
    ...(loaded.capacity === undefined ? {} : { capacity: loaded.capacity }),
  };
  const document: ValidationDocument = { ...header, kind: "validation", configurations: results };
  if (args.out !== undefined)
    writeDocuments(args.out, document, { ...header, configurations: results });
  if (args.json) process.stdout.write(`${JSON.stringify(document)}\n`);
  else process.stdout.write(`${validationTable(document, process.stdout.columns ?? 120)}\n`);
  if (!args.json) process.stdout.write(notesText(results));
  if (results.length < wanted) {
    throw new Fault("interrupted", `${results.length} of ${wanted} configurations were validated`);
  }
  const refused = results.filter((result) => result.verdict === "refused");
  if (refused.length > 0) {
    throw new Fault("unhealthy", `${refused.length} configurations could not be judged`, {
      hint: "the load generator or the host was not healthy; run on a quieter machine",
    });
  }
  const outside = results.filter((result) => result.verdict === "out of tolerance");
  if (outside.length > 0) {
    throw new Fault(
      "out-of-tolerance",
      `${outside.length} of ${wanted} configurations are out of tolerance`,
    );
  }
}
