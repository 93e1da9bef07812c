/**
 * Labels of the answers of ensembles' members, by number, and the answers that their votes give. Replayed
 * answers have drawn labels, the same as in the simulator; real ones those that the models give.
 */

import type { AnswerLabels, CountedVote } from "../../core/dispatch/driver.ts";
import { NO_LABEL } from "../../core/dispatch/ensembles.ts";
import { RIGHT } from "../../core/draws.ts";
import type { EnsembleSystem } from "../../core/system.ts";
import { parseOutput } from "./batch.ts";
import { type LiveRequest, type TaskResult, unservedAt } from "./live-request.ts";

interface Source {
  readonly isReplay: boolean;
  /** The request of a slot, and the drawn label of a task of it. */
  readonly live: (slot: number) => LiveRequest;
  readonly drawn: (slot: number, task: number) => number;
}

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
      ...{ labels, value, confidence },
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
