/** `tandem explain`: where the gaps of a validation come from. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { importTexts } from "../build/import-text.ts";
import { EVIDENCE_FILE, type EvidenceDocument, logFile } from "../calibration/evidence.ts";
import { type Explanation, explainConfiguration, PARTS } from "../calibration/explain.ts";
import { Fault } from "../core/fault.ts";
import type { RunEstimate } from "../core/results.ts";
import { plural } from "../reports/tables/format.ts";
import { tableText, wrapped } from "../reports/tables/table.ts";
import { ownScheduler } from "../schedulers/own-scheduler.ts";
import { columns } from "./command-line.ts";
import { observeLog, observeReplication, writeTrace } from "./run-trace.ts";

export interface ExplainArguments {
  /** The folder of `validate --out`. */
  readonly directory: string;
  readonly json: boolean;
  /** File for a trace of the first configuration's first run, beside its prediction. */
  readonly trace?: string;
}

export async function explain({ directory, json, trace }: ExplainArguments): Promise<void> {
  const { inputs: read, configurations } = readEvidence(directory);
  const own = await importTexts(read.schedulerFiles ?? {}, ownScheduler);
  const inputs = { ...read, own };
  const explanations = configurations.map((evidence, i) => {
    const logs = evidence.runs.map((_, run) => readLog(directory, logFile(i, run)));
    return explainConfiguration(evidence, inputs, logs);
  });
  if (trace !== undefined) {
    const [{ document, runs }] = configurations;
    const measured = observeLog(readLog(directory, logFile(0, 0)), document, inputs);
    const { run } = observeReplication(document, inputs, runs[0].replication);
    await writeTrace(trace, [
      { name: "measured", run: measured },
      { name: "simulated", run },
    ]);
    process.stderr.write(`trace: ${trace}; open it in ui.perfetto.dev\n`);
  }
  if (json) {
    const document = { schema: "tandem/explanation@1", configurations: explanations };
    process.stdout.write(`${JSON.stringify(document)}\n`);
    return;
  }
  const width = columns();
  process.stdout.write(explanations.map((one) => `${explanationText(one, width)}\n`).join("\n"));
}

function readEvidence(directory: string): EvidenceDocument {
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

function readLog(directory: string, path: string): string {
  try {
    return readFileSync(join(directory, path), "utf8");
  } catch (cause) {
    throw new Fault("not-found", `cannot read the run log ${join(directory, path)}`, { cause });
  }
}

function explanationText(explanation: Explanation, width: number): string {
  const { id, runs, predictedMs, measuredMs, gapMs, parts, figures } = explanation;
  const { verdict, sentence, unknown } = explanation;
  const table = tableText(
    {
      caption: "",
      headings: ["part of the gap", "ms", "±"],
      rows: [...PARTS.map((part) => row(part, parts[part])), row("predicted − measured", gapMs)],
    },
    width,
  );
  const evidence = tableText(
    {
      caption: "",
      headings: ["evidence", "part", "unit", "predicted", "measured", "±"],
      rows: figures.map(({ what, part, unit, predicted, measured }) => [
        { text: what },
        { text: part },
        { text: unit },
        { text: predicted.mean.toFixed(3), numeric: true },
        { text: measured.mean.toFixed(3), numeric: true },
        { text: widthText(measured), numeric: true },
      ]),
    },
    width,
  );
  return [
    `${id}: mean latency, of ${plural(runs, "run")}${verdict === undefined ? "" : `; verdict: ${verdict}`}`,
    `predicted ${shown(predictedMs)}, measured ${shown(measuredMs)}`,
    "",
    table,
    "",
    evidence,
    "",
    wrapped(sentence, width),
    ...(unknown.length === 0 ? [] : ["", "not known:"]),
    ...unknown.map((line) => `  ${wrapped(line, width - 4).replaceAll("\n", "\n    ")}`),
  ].join("\n");
}

function row(text: string, estimate: RunEstimate) {
  const { mean } = estimate;
  const signed = `${mean >= 0 ? "+" : "−"}${Math.abs(mean).toFixed(3)}`;
  return [{ text }, { text: signed, numeric: true }, { text: widthText(estimate), numeric: true }];
}

/** Empty for a single run, and for predictions on the same draws. */
function widthText({ halfWidth95 }: RunEstimate): string {
  return halfWidth95 === null || halfWidth95 === 0 ? "" : halfWidth95.toFixed(3);
}

function shown(estimate: RunEstimate): string {
  const width = widthText(estimate);
  return `${estimate.mean.toFixed(3)}${width === "" ? "" : ` ± ${width}`} ms`;
}
