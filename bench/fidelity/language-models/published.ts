/** Runs and step times that others have published, as `../shared/data/llm` has them (its README says what ran). */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { layerTables, publishedCoefficients } from "../../../calibration/foreign-steps.ts";
import type { StepTimes } from "../../../engine/tokens/step-times.ts";
import { documentTimes } from "../../../scenario/compile/engines.ts";
import type { TokenRequest } from "./engine-run.ts";

/** Beside the checkout, from which study and tests are started; absent elsewhere. */
const FOLDER = join("..", "shared", "data", "llm");

export interface MeasuredRequest extends TokenRequest {
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

/** Of OPT-13B, split over so many GPUs; `overhead` as a processor adds it. */
export function coefficientTimesOf(file: string, gpus: 1 | 2) {
  const text = readFileSync(join(FOLDER, file), "utf8");
  const times = publishedCoefficients(file, text, "facebook/opt-13b", gpus);
  return (overhead: { readonly stepMs: number; readonly sequenceMs: number }): StepTimes =>
    documentTimes({ ...times, stepMs: overhead.stepMs, sequenceMs: overhead.sequenceMs });
}

export function tableTimes(folder: string, layers: number): StepTimes {
  const read = (name: string): string => readFileSync(join(FOLDER, folder, name), "utf8");
  return documentTimes(layerTables(read, layers));
}
