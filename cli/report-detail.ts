/**
 * The runs that a report looks into: one replication of the decision's configuration, simulated again
 * with a log, and a real run of it where the folder has one.
 */
import { existsSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { importTexts } from "../build/import-text.ts";
import { EVIDENCE_FILE, type EvidenceDocument, logFile } from "../calibration/evidence.ts";
import { givenWarmupS } from "../core/arrivals/extent.ts";
import type { ProvenanceDocument } from "../core/provenance.ts";
import type { ConfigurationResult, ResultsDocument } from "../core/results.ts";
import { type RunDetail, runDetail } from "../core/run-detail.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import { type Configuration, openSweep } from "../core/scenario/sweep.ts";
import type { ReadDocuments } from "../reports/read-documents.ts";
import { decisionsOf } from "../reports/tables/decision.ts";
import { ownScheduler } from "../schedulers/own-scheduler.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import { observeLog, observeReplication } from "./run-trace.ts";

/** Longer logs are not read again. */
const MOST_LOG_BYTES = 64e6;

interface Source {
  readonly document: ScenarioDocument;
  readonly inputs: SimulationInputs;
}

/** Empty where the folder does not say enough. */
export async function detailsOf(
  directory: string,
  documents: ReadDocuments,
): Promise<readonly RunDetail[]> {
  const { results, validation } = documents;
  const decisions = decisionsOf(results, validation);
  const met = decisions.filter(({ state, chosen }) => state !== "bad" && chosen !== undefined);
  const chosen = (met[met.length - 1] ?? decisions[0])?.chosen ?? results.configurations[0];
  const evidence = readEvidence(directory);
  const source =
    (await sweptSource(documents, chosen)) ?? (await validatedSource(evidence, chosen.id));
  const simulated = source === undefined ? undefined : simulatedDetail(source, chosen.id);
  const measured =
    evidence === undefined ? undefined : await measuredDetail(directory, evidence, chosen);
  return [simulated, measured].filter((one) => one !== undefined);
}

function simulatedDetail({ document, inputs }: Source, id: string): RunDetail {
  const { run, note, warmupUs } = observeReplication(document, inputs, 0);
  const cut = note === undefined ? {} : { note };
  return runDetail(run, { side: "simulated", id, warmupUs, ...cut });
}

/** By the folder's provenance. */
async function sweptSource(
  { provenance, results }: ReadDocuments,
  chosen: ConfigurationResult,
): Promise<Source | undefined> {
  if (provenance === undefined || provenance.omitted !== undefined) return undefined;
  const configuration = configurationOf(provenance, results, chosen);
  if (configuration === undefined) return undefined;
  const { document } = configuration;
  return { document, inputs: await withOwn(provenance.inputs) };
}

/** By the evidence of a validation. */
async function validatedSource(
  evidence: EvidenceDocument | undefined,
  id: string,
): Promise<Source | undefined> {
  const own = evidence?.configurations.find((one) => one.id === id);
  if (evidence === undefined || own === undefined) return undefined;
  return { document: own.document, inputs: await withOwn(evidence.inputs) };
}

async function withOwn(inputs: SimulationInputs): Promise<SimulationInputs> {
  return { ...inputs, own: await importTexts(inputs.schedulerFiles ?? {}, ownScheduler) };
}

/** Undefined where the scenario makes another sweep than the results have. */
function configurationOf(
  { scenario, digest, inputs, sample }: ProvenanceDocument,
  { configurations }: ResultsDocument,
  chosen: ConfigurationResult,
): Configuration | undefined {
  const { sectionFiles, ...files } = inputs;
  const loaded = {
    ...{ document: scenario, digest, file: "scenario", sectionFiles },
    ...{ ...files, traces: files.traces as Record<string, number[]> },
    traceSizes: files.traceSizes as Record<string, number[]>,
    positions: new Map(),
  };
  const sweep = openSweep(loaded, sample);
  const index = configurations.indexOf(chosen);
  if (index < 0 || index >= sweep.count) return undefined;
  const configuration = sweep.at(index);
  return configuration.id === chosen.id ? configuration : undefined;
}

function readEvidence(directory: string): EvidenceDocument | undefined {
  const file = join(directory, EVIDENCE_FILE);
  if (!existsSync(file)) return undefined;
  const evidence = JSON.parse(readFileSync(file, "utf8")) as EvidenceDocument;
  const isKnown = evidence.schema === "tandem/evidence@1" && evidence.configurations.length > 0;
  return isKnown ? evidence : undefined;
}

/** The first real run of the chosen configuration, or of the first that was validated. */
async function measuredDetail(
  directory: string,
  { configurations, inputs }: EvidenceDocument,
  chosen: ConfigurationResult,
): Promise<RunDetail | undefined> {
  const index = Math.max(
    0,
    configurations.findIndex(({ id }) => id === chosen.id),
  );
  const { id, document } = configurations[index];
  const log = join(directory, logFile(index, 0));
  if (!existsSync(log) || statSync(log).size > MOST_LOG_BYTES) return undefined;
  const run = observeLog(readFileSync(log, "utf8"), document, await withOwn(inputs));
  const warmupUs = givenWarmupS(document.workload) * 1e6;
  return runDetail(run, { side: "measured", id, warmupUs });
}
