/**
 * Ensembles: several variants answer the same request, and their votes make one answer with a confidence.
 * In the system each variant of an ensemble is a task of its own, its member, with the same tasks before
 * and after it. Source: Crankshaw et al., Clipper, NSDI 2017, section 5.2.
 */
import type { EnsembleSystem } from "../system.ts";
import type { CountedVote } from "./driver.ts";
import { JOB, type RequestTable } from "./request-table.ts";
import type { EnsembleStep, Shared } from "./steps.ts";
import type { Variants } from "./variants.ts";

/** Confidences are whole millionths, in decisions as in the log. */
const CONFIDENCE_UNITS = 1e6;

/** The label of no answer. */
export const NO_LABEL = -1;

type Vote = Pick<CountedVote, "label" | "confidence">;

/** The label with the most weight, of equal ones the first; `NO_LABEL` where no answer has come. */
export function vote(labels: readonly number[], shares: readonly number[]): Vote {
  const weights = new Map<number, number>();
  labels.forEach((label, i) => {
    if (label !== NO_LABEL) weights.set(label, (weights.get(label) ?? 0) + shares[i]);
  });
  let best: Vote = { label: NO_LABEL, confidence: 0 };
  for (const [label, weight] of weights) {
    const confidence = Math.round(weight * CONFIDENCE_UNITS) / CONFIDENCE_UNITS;
    if (best.label === NO_LABEL || confidence > best.confidence) best = { label, confidence };
  }
  return best;
}

export class Ensembles {
  readonly #requests: RequestTable;

  constructor(
    private readonly shared: Shared,
    private readonly variants: Variants,
  ) {
    this.#requests = shared.requests;
  }

  /** Whether a member is asked: decided for all of them when the first begins. */
  isAsked(job: number, step: EnsembleStep, nowUs: number): boolean {
    const notes = this.shared.answers.ballot(this.#requests.requestOf(job), step.number);
    notes.asked ??= this.variants.ask(job, step.pools, nowUs);
    return notes.asked.includes(step.pools[step.members.indexOf(this.#requests.taskOf(job))]);
  }

  /** Whether the votes of a request are counted, or no member was asked yet. */
  isOver(request: number, { number }: EnsembleStep): boolean {
    const { asked, vote } = this.shared.answers.ballot(request, number);
    return asked === null || vote !== null;
  }

  /** Whether the votes are to be counted now: all asked have answered, or one has and time is up. */
  isComplete(request: number, step: EnsembleStep): boolean {
    const ballot = this.shared.answers.ballot(request, step.number);
    if (ballot.vote !== null) return false;
    const { state, shift } = this.#requests;
    const isAwaited = (task: number): boolean => {
      const own = state[(request << shift) + task];
      return own >= 0 || own === JOB.running;
    };
    return ballot.isHurried || !step.members.some(isAwaited);
  }

  /** Counts the votes as soon as one has come. */
  hurry(request: number, { number }: EnsembleStep): void {
    this.shared.answers.ballot(request, number).isHurried = true;
  }

  hasAnswer(request: number, { members }: EnsembleStep): boolean {
    const { state, shift } = this.#requests;
    return members.some((task) => state[(request << shift) + task] === JOB.ran);
  }

  /** Counts the answers that have come, once. */
  count(request: number, step: EnsembleStep, nowUs: number): void {
    if (this.isOver(request, step)) return;
    const ballot = this.shared.answers.ballot(request, step.number);
    const { state, shift } = this.#requests;
    const asked = ballot.asked ?? [];
    const members = step.members.filter((_, i) => asked.includes(step.pools[i]));
    const labels = members.map((task) =>
      state[(request << shift) + task] === JOB.ran ? this.#labelOf(request, task) : NO_LABEL,
    );
    const shares = this.variants.shares(step.pools, asked);
    const { label, confidence } = vote(labels, shares);
    const terms =
      this.shared.system.pipelines[this.#requests.pipeline[request]].ensembles[step.number];
    const isSure = label !== NO_LABEL && confidence >= terms.minConfidence;
    const agreeing = members.filter((_, i) => label !== NO_LABEL && labels[i] === label);
    const counted = { label, confidence, isSure, agreeing };
    ballot.vote = counted;
    this.shared.log?.add(
      "vote",
      request,
      step.number,
      label,
      Math.round(confidence * CONFIDENCE_UNITS),
    );
    this.#requests.accuracy[request] *= this.#accuracyOf(counted, terms, step);
    this.shared.driver.voted?.(request, step.number, counted, nowUs);
  }

  #labelOf(request: number, task: number): number {
    const label = this.shared.driver.labels?.of(request, task) ?? NO_LABEL;
    this.shared.log?.add("answer", request, task, label);
    return label;
  }

  /** Where nobody knows the truth, that of the most accurate model that agrees. */
  #accuracyOf(
    { label, isSure, agreeing }: CountedVote,
    { fallback }: EnsembleSystem,
    { members, pools }: EnsembleStep,
  ): number {
    if (!isSure && fallback !== null) return fallback.accuracy;
    const truth = this.shared.driver.labels?.truth ?? null;
    if (truth !== null) return label === truth ? 1 : 0;
    const accuracies = agreeing.map(
      (task) => this.shared.system.pools[pools[members.indexOf(task)]].accuracy ?? 1,
    );
    return Math.max(0, ...accuracies);
  }
}
