/** A device slot that serves a language model: its replicas are places of sequences, which run in iterations. */
import type { WinnerTree } from "../basics/priority-queues.ts";
import type { RunRecorder } from "../metrics/recorder.ts";
import { TokenTally } from "../metrics/token-tally.ts";
import type { TokenLengths } from "../requests/token-lengths.ts";
import type { Sharing } from "../system/system.ts";
import type { HandOvers } from "../tokens/hand-overs.ts";
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

/** Engines need these besides the system. */
export interface Iterating {
  readonly lengths: TokenLengths;
  readonly policyOf: (name: string) => IterationPolicy;
  readonly handOvers: HandOvers;
  /** Jobs that were taken off an engine after it had made tokens of them. */
  readonly torn: Set<number>;
  /** Replicas whose jobs have just made a first token that other tasks wait for; the driver empties it. */
  readonly streamed: number[];
}

const NONE = -1;

/** A job on this engine. */
interface Served {
  readonly sequence: Sequence;
  readonly job: number;
  firstUs: number;
  /** The job whose engine keeps its blocks until this one has room; NONE: there is none. */
  before: number;
  /** Another task makes all tokens but the first. */
  readonly isContinued: boolean;
  /** Others wait for its first token. */
  readonly isAwaited: boolean;
}

/** Each batch is one job. An iteration's end is due at the slot of one of its replicas. */
export class Iterations implements Processor {
  readonly #engine: TokenEngine;
  readonly #terms: Extract<Sharing, { kind: "iterations" }>;
  readonly #batches: Batches;
  readonly #iterating: Iterating;
  readonly #tally: TokenTally;
  readonly #slots: WinnerTree;
  /** By replica. */
  readonly #served = new Map<number, Served>();
  /** How many of them have blocks elsewhere. */
  #incoming = 0;
  /** Replicas whose sequences have made their last token here, and leave at this instant. */
  readonly #leaving = new Set<number>();
  #shares: readonly Share[] = [];
  /** The replica whose slot is due at the end of the iteration. */
  #bearer = NONE;
  #endUs = Number.POSITIVE_INFINITY;
  #slowdown = 1;

  constructor(
    terms: Extract<Sharing, { kind: "iterations" }>,
    batches: Batches,
    recorder: RunRecorder,
    iterating: Iterating,
    slots: WinnerTree,
  ) {
    this.#terms = terms;
    this.#engine = new TokenEngine(terms.limits, iterating.policyOf(terms.policy));
    this.#batches = batches;
    this.#iterating = iterating;
    recorder.tokens ??= new TokenTally(batches.system, recorder.warmupUs);
    this.#tally = recorder.tokens;
    this.#slots = slots;
  }

  /** An engine that runs is one busy device. */
  get running(): number {
    return this.#bearer < 0 ? 0 : 1;
  }

  add(replica: number, _aloneUs: number, nowUs: number): void {
    const served = this.#newServed(replica, nowUs);
    const { sequence, job, before } = served;
    this.#served.set(replica, served);
    if (sequence.made < this.#iterating.lengths.jobs.output[job]) {
      this.#engine.add(sequence);
      if (before !== NONE) this.#incoming++;
      return;
    }
    this.#iterating.handOvers.take(before, nowUs);
    this.#wrote(served, nowUs);
    this.#leave(replica);
    this.#slots.set(replica, nowUs);
  }

  due(replica: number, nowUs: number): boolean {
    if (replica === this.#bearer) this.#ended(replica, nowUs);
    return this.#leaving.delete(replica);
  }

  remove(replica: number): void {
    this.#leaving.delete(replica);
    const served = this.#served.get(replica);
    if (served === undefined) return;
    if (served.before !== NONE) this.#incoming--;
    this.#engine.remove(served.sequence);
    this.#served.delete(replica);
    if (served.sequence.made > 0) this.#iterating.torn.add(served.job);
    // The iteration goes on; another replica bears its end.
    if (replica === this.#bearer) this.#bear(this.#shares);
  }

  crashed(): void {
    this.#engine.forget();
  }

  rate(slowdown: number, nowUs: number): void {
    this.#slowdown = slowdown;
    if (this.#bearer >= 0) return;
    this.#shares = this.#engine.plan();
    if (this.#shares.length === 0) return;
    const us = this.#terms.stepTimes(loadOf(this.#shares)) * slowdown;
    this.#endUs = nowUs + Math.max(1, Math.round(us));
    this.#tally.iterated(this.#engine, us);
    this.#bear(this.#shares);
    if (this.#incoming > 0) this.#takeOver(nowUs);
  }

  #newServed(replica: number, nowUs: number): Served {
    const { requests, system } = this.#batches;
    const job = this.#batches.batchJobs[this.#batches.batchAt[replica]];
    const pipeline = requests.pipeline[requests.requestOf(job)];
    const { priority, tasks } = system.pipelines[pipeline];
    const task = requests.taskOf(job);
    const { lengths, handOvers } = this.#iterating;
    const contentOf = lengths.contentOf(pipeline, task, job, this.#engine.blockTokens);
    const prompt = lengths.jobs.prompt[job];
    const sequence = newSequence(replica, prompt, nowUs, {
      priority,
      client: pipeline,
      contentOf,
    });
    const { continuation, successors } = tasks[task];
    const before = continuation === null ? NONE : job - task + continuation.task;
    if (continuation !== null) {
      sequence.made = 1;
      sequence.computed = prompt;
    }
    return {
      sequence,
      job,
      before,
      firstUs: handOvers.firstUs(before),
      isContinued: successors.some((next) => tasks[next].continuation?.task === task),
      isAwaited: successors.some((next) => tasks[next].afterFirstToken.includes(task)),
    };
  }

  /** The slot of `due` has been taken; the others that leave become due at this instant. */
  #ended(due: number, nowUs: number): void {
    this.#bearer = NONE;
    for (const sequence of this.#engine.ended(this.#shares)) {
      const replica = sequence.id;
      const served = this.#served.get(replica) as Served;
      if (sequence.made === 1) {
        served.firstUs = nowUs;
        if (served.isAwaited) this.#iterating.streamed.push(replica);
      }
      if (served.isContinued) this.#handOver(served, nowUs);
      else if (sequence.made < this.#iterating.lengths.jobs.output[served.job]) continue;
      else {
        this.#wrote(served, nowUs);
        this.#engine.remove(sequence);
      }
      this.#leave(replica);
      if (replica !== due) this.#slots.set(replica, nowUs);
    }
  }

  #leave(replica: number): void {
    this.#served.delete(replica);
    this.#leaving.add(replica);
  }

  #wrote({ job, firstUs, sequence }: Served, nowUs: number): void {
    const promptTokens = this.#iterating.lengths.jobs.prompt[job];
    const text = { promptTokens, tokens: sequence.made, firstUs, lastUs: nowUs };
    this.#tally.wrote(this.#batches, job, text);
  }

  /** Its blocks stay here until the next engine has room, unless nobody waits any more. */
  #handOver({ sequence, job }: Served, nowUs: number): void {
    const { requests } = this.#batches;
    this.#engine.handOver(sequence);
    this.#iterating.handOvers.keep(job, nowUs, (freeUs) => {
      this.#engine.free(sequence);
      this.rate(this.#slowdown, freeUs);
    });
    if (!requests.isOpen(requests.requestOf(job))) this.#iterating.handOvers.take(job, nowUs);
  }

  /** The sequences that have found room here need none elsewhere. */
  #takeOver(nowUs: number): void {
    for (const { sequence } of this.#shares) {
      const served = this.#served.get(sequence.id);
      if (served === undefined || served.before === NONE) continue;
      this.#iterating.handOvers.take(served.before, nowUs);
      served.before = NONE;
      this.#incoming--;
    }
  }

  /** Nobody is left: the iteration ends unseen, and the next starts with who comes. */
  #bear(shares: readonly Share[]): void {
    const left = shares.find(
      ({ sequence }) => this.#served.get(sequence.id)?.sequence === sequence,
    );
    this.#bearer = left?.sequence.id ?? NONE;
    if (this.#bearer >= 0) this.#slots.set(this.#bearer, this.#endUs);
  }
}
