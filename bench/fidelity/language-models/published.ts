/** Runs and step times that others have published, as `../shared/data/llm` has them (its README says what ran). */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  layerTables,
  publishedCoefficients,
  type StepTimesDocument,
} from "../../../calibration/foreign-steps.ts";

/** Beside the checkout, from which study and tests are started; absent elsewhere. */
const FOLDER = join("..", "shared", "data", "llm");

export interface MeasuredRequest {
  readonly arrivalUs: number;
  readonly promptTokens: number;
  readonly outputTokens: number;
  readonly firstTokenMs: number;
  readonly lastTokenMs: number;
}

type Row = Readonly<Record<string, string>>;

export function isPublishedHere(): boolean {
  return existsSync(FOLDER);
}

function rows(file: string): readonly Row[] {
  const [head, ...lines] = readFileSync(join(FOLDER, file), "utf8").trim().split(/\r?\n/);
  const names = head.split(",");
  return lines.map((line) => {
    const cells = line.split(",");
    return Object.fromEntries(names.map((name, i) => [name, cells[i]]));
  });
}

/** In order of arrival. `ttft_ms` and `latency_ms` are NaN in runs that are held back. */
export function publishedRun(file: string): readonly MeasuredRequest[] {
  return rows(file).map((row) => ({
    arrivalUs: Math.round(Number(row.arrival_s) * 1e6),
    promptTokens: Number(row.prompt_tokens),
    outputTokens: Number(row.output_tokens),
    firstTokenMs: Number(row.ttft_ms ?? Number.NaN),
    lastTokenMs: Number(row.latency_ms ?? Number.NaN),
  }));
}

/** Of OPT-13B, split over so many GPUs; `overhead` as a processor adds it, ms. */
export function coefficientTimesOf(file: string, gpus: 1 | 2) {
  const text = readFileSync(join(FOLDER, file), "utf8");
  const times = publishedCoefficients(file, text, "facebook/opt-13b", gpus);
  return ({ stepMs, sequenceMs }: { readonly stepMs: number; readonly sequenceMs: number }) => {
    return { ...times, stepMs, sequenceMs };
  };
}

export function tableTimes(folder: string, layers: number): StepTimesDocument {
  return layerTables((name) => readFileSync(join(FOLDER, folder, name), "utf8"), layers);
}
