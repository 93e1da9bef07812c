/** A device slot that serves a language model: its replicas are places of sequences, which run in iterations. */
import type { WinnerTree } from "../basics/priority-queues.ts";
import type { RunRecorder } from "../metrics/recorder.ts";
import { TokenTally } from "../metrics/token-tally.ts";
import type { JobLengths } from "../requests/token-lengths.ts";
import type { Sharing } from "../system/system.ts";
import { loadOf } from "../tokens/step-times.ts";
import {
  type IterationPolicy,
  newSequence,
  type Sequence,
  type Share,
  TokenEngine,
} from "../tokens/token-engine.ts";
import type { Batches } from "./running-batches.ts";
import type { Processor } from "./station.ts";

/** What engines need that the system does not say: the lengths of jobs, and the policy of a name. */
export interface Iterating {
  readonly lengths: JobLengths;
  readonly policyOf: (name: string) => IterationPolicy;
}

/** Each batch is one job. An iteration's end is due at the slot of one of its replicas. */
export class Iterations implements Processor {
  readonly #engine: TokenEngine;
  readonly #terms: Extract<Sharing, { kind: "iterations" }>;
  readonly #batches: Batches;
  readonly #lengths: JobLengths;
  readonly #tally: TokenTally;
  readonly #slots: WinnerTree;
  /** By replica. */
  readonly #sequences = new Map<number, Sequence>();
  readonly #firstUs = new Map<number, number>();
  /** Replicas whose sequences have made their last token, and leave at this instant. */
  readonly #leaving = new Set<number>();
  #shares: readonly Share[] = [];
  /** The replica whose slot is due at the end of the iteration. */
  #bearer = -1;
  #endUs = Number.POSITIVE_INFINITY;

  constructor(
    terms: Extract<Sharing, { kind: "iterations" }>,
    batches: Batches,
    recorder: RunRecorder,
    { lengths, policyOf }: Iterating,
    slots: WinnerTree,
  ) {
    this.#terms = terms;
    this.#engine = new TokenEngine(terms.limits, policyOf(terms.policy));
    this.#batches = batches;
    this.#lengths = lengths;
    recorder.tokens ??= new TokenTally(batches.system, recorder.warmupUs);
    this.#tally = recorder.tokens;
    this.#slots = slots;
  }

  /** An engine that runs is one busy device. */
  get running(): number {
    return this.#bearer < 0 ? 0 : 1;
  }

  add(replica: number, _aloneUs: number, nowUs: number): void {
    const job = this.#jobOf(replica);
    const { requests, system } = this.#batches;
    const { priority } = system.pipelines[requests.pipeline[requests.requestOf(job)]];
    const sequence = newSequence(replica, this.#lengths.prompt[job], nowUs, { priority });
    this.#sequences.set(replica, sequence);
    this.#engine.add(sequence);
  }

  due(replica: number, nowUs: number): boolean {
    if (replica === this.#bearer) this.#ended(replica, nowUs);
    return this.#leaving.delete(replica);
  }

  remove(replica: number): void {
    this.#leaving.delete(replica);
    const sequence = this.#sequences.get(replica);
    if (sequence === undefined) return;
    this.#forget(replica, sequence);
    // The iteration goes on; another replica bears its end.
    if (replica === this.#bearer) this.#bear(this.#shares);
  }

  rate(slowdown: number, nowUs: number): void {
    if (this.#bearer >= 0) return;
    this.#shares = this.#engine.plan();
    if (this.#shares.length === 0) return;
    const us = this.#terms.stepTimes(loadOf(this.#shares)) * slowdown;
    this.#endUs = nowUs + Math.max(1, Math.round(us));
    this.#tally.iterated(this.#engine, us);
    this.#bear(this.#shares);
  }

  /** The slot of `due` has been taken; the others that leave become due at this instant. */
  #ended(due: number, nowUs: number): void {
    this.#bearer = -1;
    for (const sequence of this.#engine.ended(this.#shares)) {
      const replica = sequence.id;
      if (sequence.made === 1) this.#firstUs.set(replica, nowUs);
      const job = this.#jobOf(replica);
      if (sequence.made < this.#lengths.output[job]) continue;
      const firstUs = this.#firstUs.get(replica) as number;
      this.#tally.wrote(this.#batches, job, firstUs, nowUs, sequence.made);
      this.#forget(replica, sequence);
      this.#leaving.add(replica);
      if (replica !== due) this.#slots.set(replica, nowUs);
    }
  }

  #forget(replica: number, sequence: Sequence): void {
    this.#engine.remove(sequence);
    this.#sequences.delete(replica);
    this.#firstUs.delete(replica);
  }

  /** Nobody is left: the iteration ends unseen, and the next starts with who comes. */
  #bear(shares: readonly Share[]): void {
    const left = shares.find(({ sequence }) => this.#sequences.get(sequence.id) === sequence);
    this.#bearer = left?.sequence.id ?? -1;
    if (this.#bearer >= 0) this.#slots.set(this.#bearer, this.#endUs);
  }

  #jobOf(replica: number): number {
    return this.#batches.batchJobs[this.#batches.batchAt[replica]];
  }
}
