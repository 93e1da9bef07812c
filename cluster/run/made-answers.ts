/**
 * Answers that no replica gave: an ensemble's, from the votes of its members, and the answer in place of
 * a straggler's. Source: Crankshaw et al., Clipper, NSDI 2017, section 5.2.2.
 */
import type { AnswerLabels, CountedVote } from "../../engine/dispatch/driver.ts";
import { NO_LABEL } from "../../engine/dispatch/variants.ts";
import { RIGHT } from "../../engine/requests/draws.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
import type { EnsembleSystem } from "../../engine/system/system.ts";
import { arrayOf, asBuffer, type Tensor } from "../../models/tensor.ts";
import type { JobResult } from "../protocol/tensors.ts";
import { parseOutput } from "./batch.ts";
import { type LiveRequest, type TaskResult, unservedAt } from "./live-request.ts";

interface Source {
  readonly isReplay: boolean;
  /** The request of a slot, and the drawn label of a task of it. */
  readonly live: (slot: number) => LiveRequest;
  readonly drawn: (slot: number, task: number) => number;
}

/** Labels of members' answers, by number: drawn as in the simulator for a replay, else the models' own. */
export class EnsembleAnswers implements AnswerLabels {
  readonly truth: number | null;
  readonly #source: Source;
  readonly #numbers = new Map<string, number>();

  constructor(source: Source) {
    this.#source = source;
    this.truth = source.isReplay ? RIGHT : null;
  }

  of(slot: number, task: number): number {
    const { isReplay, live, drawn } = this.#source;
    if (isReplay) return drawn(slot, task);
    const result = live(slot).results[task];
    const label = result === null || result === undefined ? null : labelOf(result);
    if (label === null) return NO_LABEL;
    const known = this.#numbers.get(label);
    if (known !== undefined) return known;
    this.#numbers.set(label, this.#numbers.size);
    return this.#numbers.size - 1;
  }

  /** The ensemble's answer: that of its first member that agrees, its fallback's, or none. */
  answer(
    { results }: LiveRequest,
    { fallback }: EnsembleSystem,
    { label, confidence, isSure, agreeing }: CountedVote,
    nowUs: number,
  ): TaskResult {
    const usesFallback = !isSure && fallback !== null;
    const given = agreeing.length === 0 || usesFallback ? null : results[agreeing[0]];
    const own = given == null ? null : parseOutput(given.text);
    const value = own === null || "error" in own ? null : (own.value ?? null);
    let labels = given?.labels ?? [];
    if (usesFallback) labels = [fallback.label];
    else if (this.#source.isReplay && label !== NO_LABEL) labels = [`class ${label}`];
    const text = JSON.stringify({
      labels,
      value,
      confidence,
      ...(isSure ? {} : { unsure: true }),
      ...(usesFallback ? { fallback: true } : {}),
    });
    return { text, labels, tensors: given?.tensors ?? [], timing: unservedAt(nowUs) };
  }
}

/** All labels of an answer together; without any, its value, if that is one. */
function labelOf({ text, labels }: TaskResult): string | null {
  if (labels.length > 0) return labels.join("\n");
  const output = parseOutput(text);
  const value = "error" in output ? null : output.value;
  return ["string", "number", "boolean"].includes(typeof value) ? String(value) : null;
}

/** Answers of each model that count. */
const WINDOW = 100;

interface Recent {
  /** Labels and values of the answers, as JSON values. */
  readonly texts: { readonly labels: readonly string[]; readonly value: unknown }[];
  /** The newest, which tensors of other kinds than floats are taken from; and means of those. */
  tensors: readonly Tensor[];
}

/** Recent answers of each model: their mean, else the most frequent, stands in place of a straggler's. */
export class RecentAnswers {
  readonly #byPool = new Map<number, Recent>();

  /** The answers of a batch that ran. */
  add(pool: number, results: readonly JobResult[]): void {
    const recent = this.#byPool.get(pool) ?? { texts: [], tensors: [] };
    this.#byPool.set(pool, recent);
    for (const { text, tensors } of results) {
      const output = parseOutput(asBuffer(text).toString());
      if ("error" in output) continue;
      recent.texts.push({ labels: output.labels ?? [], value: output.value ?? null });
      if (recent.texts.length > WINDOW) recent.texts.shift();
      const weight = 1 / recent.texts.length;
      const before = recent.tensors;
      recent.tensors = tensors.map((tensor, i) => movedMean(before[i], tensor, weight));
    }
  }

  /** In place of an answer of the pool; without labels and value where it has given none yet. */
  imputed(pool: number, nowUs: number): TaskResult {
    const { texts, tensors } = this.#byPool.get(pool) ?? { texts: [], tensors: [] };
    const labels = mostFrequent(texts.map((each) => each.labels)) ?? [];
    const value = meanOf(texts.map((each) => each.value)) ?? null;
    const text = JSON.stringify({ labels, value, imputed: true });
    return { text, tensors, labels, imputed: true, timing: unservedAt(nowUs) };
  }
}

/** The mean of numbers, also within arrays and objects of one form; else the most frequent value. */
export function meanOf(values: readonly unknown[]): unknown {
  if (values.length === 0) return undefined;
  if (values.every((value) => typeof value === "number")) return sumOf(values) / values.length;
  const [first] = values;
  const formOf = (value: unknown): string =>
    JSON.stringify([Array.isArray(value), Object.keys(Object(value))]);
  const isAlike = (value: unknown): boolean =>
    typeof value === "object" && value !== null && formOf(value) === formOf(first);
  if (!values.every(isAlike)) return mostFrequent(values);
  const alike = values as readonly Readonly<Record<string, unknown>>[];
  const means = Object.keys(Object(first)).map((key) => [
    key,
    meanOf(alike.map((value) => value[key])),
  ]);
  return Array.isArray(first) ? means.map(([, mean]) => mean) : Object.fromEntries(means);
}

/** The most frequent JSON value; the first to come wins a tie. */
function mostFrequent<T>(values: readonly T[]): T | undefined {
  const counts = new Map<string, number>();
  for (const value of values) {
    const key = JSON.stringify(value);
    counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const most = Math.max(...counts.values());
  return values.find((value) => counts.get(JSON.stringify(value)) === most);
}

/** Moves a mean of floats towards a tensor by `weight`; of other kinds or shapes, the tensor itself. */
function movedMean(mean: Tensor | undefined, tensor: Tensor, weight: number): Tensor {
  const { name, datatype } = tensor;
  const raw = new Uint8Array(tensor.raw);
  const isAlike = mean?.name === name && mean.raw.length === raw.length;
  if (mean === undefined || !isAlike || (datatype !== "FP32" && datatype !== "FP64")) {
    return { ...tensor, raw };
  }
  const [before, floats] = [mean.raw, raw].map((from) => arrayOf(datatype, from) as Float64Array);
  const moved = floats.map((value, i) => before[i] * (1 - weight) + value * weight);
  return { ...tensor, raw: new Uint8Array(moved.buffer) };
}
