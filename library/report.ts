/** `report`: results as one HTML page, and each chart as Vega-Lite JSON, SVG and PNG. */
import { existsSync, readFileSync, statSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { builtFile } from "../build/version.ts";
import { EVIDENCE_FILE, type EvidenceDocument, logFile } from "../calibration/explain.ts";
import { givenWarmupS } from "../engine/arrivals/arrival-source.ts";
import { type RunDetail, runDetail } from "../engine/record/run-detail.ts";
import { mainDecision } from "../reports/tables/answer.ts";
import { decisionsOf } from "../reports/tables/decision.ts";
import { type ReadDocuments, readDocuments } from "../reports/tables/documents.ts";
import { choicesOf, nearestOf } from "../reports/tables/goals.ts";
import { isSameAt } from "../reports/tables/parameters.ts";
import { isFit } from "../reports/tables/validation-tables.ts";
import { type ReportFiles, type ReportOptions, writeReport } from "../reports/write-report.ts";
import type { ConfigurationResult } from "../results/documents.ts";
import type { ProvenanceDocument } from "../results/provenance.ts";
import { openSweep } from "../scenario/expand-sweep.ts";
import type { LoadedScenario } from "../scenario/reading/files.ts";
import type { TraceColumns } from "../scenario/reading/trace-columns.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { asksForSolver } from "../schedulers/rules/solver.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import { adviceFor } from "./advice.ts";
import { observeLog, observeReplication, readEvidence, withOwn } from "./explain.ts";

/**
 * Writes the report of a folder of `sweep` or `validate`: one HTML page, each chart as Vega-Lite, SVG and PNG. It simulates one run of the decision's
 * configuration again to look into it, and puts the simulator into the page. Throws Fault("not-found") without
 * results.
 */
export async function report(directory: string, options: ReportOptions = {}): Promise<ReportFiles> {
  const documents = options.documents ?? (await readDocuments(directory));
  const inspected = await inspect(directory, documents);
  const whatIf = whatIfAsset(documents.provenance?.scenario);
  return writeReport(directory, { ...inspected, whatIf, ...options, documents });
}

/**
 * The fragment, for the body of a page after its place (an element with the id `what-if`) and its scenario
 * (`application/json` in an element with the id `what-if-scenario`: `scenario`, the document, and
 * `inputs`, its data files, as in provenance.json). It starts when its place comes into view, fetches
 * nothing, and needs `script-src 'unsafe-inline'; style-src 'unsafe-inline'; worker-src blob:`. For a scenario with proteus
 * or loki it brings their solver, 1.7 MB, which needs `script-src 'wasm-unsafe-eval'` too.
 */
export function whatIfAsset(scenario?: ScenarioDocument): string {
  const asset = readFileSync(builtFile("what-if.html"), "utf8");
  if (!asksForSolver(scenario)) return asset;
  const code = createRequire(import.meta.url).resolve("highs");
  const parts = { "what-if-solver": code, "what-if-solver-wasm": code.replace(/js$/, "wasm") };
  const elements = Object.entries(parts).map(([id, file]) => {
    const packed = gzipSync(readFileSync(file), { level: 9 }).toString("base64");
    return `<script type="application/octet-stream" id="${id}">${packed}</script>\n`;
  });
  return `${elements.join("")}${asset}`;
}

/** Each takes some runs. */
const MOST_ADVISED = 4;

/** Longer logs are not read again. */
const MOST_LOG_BYTES = 64e6;

interface Source {
  readonly document: ScenarioDocument;
  readonly inputs: SimulationInputs;
}

/**
 * The runs that a report looks into: one replication of the decision's configuration, simulated again with a log; a
 * real run, of the same values where the folder has one, with its prediction; and the decision's configuration, for What
 * if to start from. Empty where the folder does not say enough.
 */
async function inspect(directory: string, documents: ReadDocuments) {
  const { results, validation } = documents;
  const decision = mainDecision(decisionsOf(results, validation), results, validation);
  const chosen = decision?.chosen ?? results.configurations[0];
  const evidence = await evidenceOf(directory);
  const source = (await sweptSource(documents, chosen)) ?? validatedSource(evidence, chosen.id);
  const simulated = source && [simulatedDetail(source, chosen.id, 0)];
  const measured = evidence && measuredPair(directory, evidence, validation, chosen);
  const { provenance } = documents;
  const isWhole = provenance !== undefined && provenance.omitted === undefined;
  return {
    details: [...(simulated ?? []), ...(measured ?? [])],
    advice: await adviceOf(documents),
    ...(isWhole && source && { scenario: { ...provenance, scenario: source.document } }),
  };
}

function simulatedDetail({ document, inputs }: Source, id: string, replication: number): RunDetail {
  const { run, ...about } = observeReplication(document, inputs, replication);
  return runDetail(run, { side: "simulated", id, ...about });
}

/** By the folder's provenance; undefined where its scenario makes another sweep than the results have. */
async function sweptSource(
  { provenance, results: { configurations } }: ReadDocuments,
  chosen: ConfigurationResult,
): Promise<Source | undefined> {
  if (provenance === undefined || provenance.omitted !== undefined) return undefined;
  const { inputs, sample } = provenance;
  const sweep = openSweep(loadedFrom(provenance), sample);
  const index = configurations.indexOf(chosen);
  const configuration = index >= 0 && index < sweep.count ? sweep.at(index) : undefined;
  if (configuration?.id !== chosen.id) return undefined;
  return { document: configuration.document, inputs: await withOwn(inputs) };
}

function loadedFrom({ scenario, digest, inputs }: ProvenanceDocument): LoadedScenario {
  const { traces, traceColumns, ...files } = inputs;
  return {
    ...files,
    document: scenario,
    digest,
    file: "scenario",
    positions: new Map(),
    traces: traces as Record<string, number[]>,
    traceColumns: traceColumns as Record<string, TraceColumns>,
  };
}

/** For the loads whose best configuration misses its SLO, the heaviest first. */
async function adviceOf(documents: ReadDocuments): Promise<Readonly<Record<string, string>>> {
  const { results, provenance } = documents;
  const missed = choicesOf(results).filter(
    ({ best, members }) => best.length === 0 && members.some(({ slo }) => slo === "misses"),
  );
  const advice: Record<string, string> = {};
  for (const { load, members } of missed.slice(-MOST_ADVISED)) {
    const lightest = members.toSorted(
      (a, b) => (a.offeredLoadRatio ?? 0) - (b.offeredLoadRatio ?? 0),
    )[0];
    const one = nearestOf(members, results)?.one ?? lightest;
    const source = await sweptSource(documents, one);
    const text =
      source && provenance && adviceFor(loadedFrom(provenance), source.document, source.inputs);
    if (text !== undefined) advice[load] = text;
  }
  return advice;
}

/** By the evidence of a validation. */
function validatedSource(evidence: EvidenceDocument | undefined, id: string): Source | undefined {
  const own = evidence?.configurations.find((one) => one.id === id);
  if (evidence === undefined || own === undefined) return undefined;
  return { document: own.document, inputs: evidence.inputs };
}

/** The evidence, where there is any for this version. */
async function evidenceOf(directory: string): Promise<EvidenceDocument | undefined> {
  if (!existsSync(join(directory, EVIDENCE_FILE))) return undefined;
  const evidence = await readEvidence(directory).catch(() => undefined);
  return evidence?.configurations.length === 0 ? undefined : evidence;
}

/**
 * The first real run of the configuration with the chosen one's values, or of the first that was fit to be judged; and its
 * prediction, as other configurations or loads have other slow requests.
 */
function measuredPair(
  directory: string,
  { configurations, inputs }: EvidenceDocument,
  validation: ReadDocuments["validation"],
  chosen: ConfigurationResult,
): readonly RunDetail[] {
  const paths = Object.keys(chosen.parameters);
  const unfit = validation?.configurations.filter((one) => !isFit(one)).map(({ id }) => id) ?? [];
  const fit = configurations.filter(({ id }) => !unfit.includes(id));
  const one = fit.find((each) => isSameAt(paths, each, chosen)) ?? fit[0];
  if (one === undefined) return [];
  const { id, document, runs } = one;
  const index = configurations.indexOf(one);
  const log = join(directory, logFile(index, 0));
  if (!existsSync(log) || statSync(log).size > MOST_LOG_BYTES) return [];
  const run = observeLog(readFileSync(log, "utf8"), document, inputs);
  const warmupUs = givenWarmupS(document.workload) * 1e6;
  return [
    simulatedDetail({ document, inputs }, id, runs[0].replication),
    runDetail(run, { side: "measured", id, warmupUs }),
  ];
}
