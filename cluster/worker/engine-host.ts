/**
 * One engine of a language model on its worker: the jobs of all its places, in the iterations that the policy of the
 * scenario plans. The decisions are those of the simulator's engine; `Steps` computes an iteration, or lets its time
 * pass. Tokens go out as they are made.
 */
import { assert, Fault } from "../../engine/basics/fault.ts";
import type { EngineUse } from "../../engine/metrics/token-tally.ts";
import { contentsOf } from "../../engine/requests/token-lengths.ts";
import type { PrefixTerms, Sharing } from "../../engine/system/system.ts";
import { loadOf, type StepTimes } from "../../engine/tokens/step-times.ts";
import {
  newSequence,
  type Sequence,
  type Share,
  TokenEngine,
} from "../../engine/tokens/token-engine.ts";
import type { Tensor } from "../../models/tensor.ts";
import { iterationPolicy } from "../../schedulers/iterations/registry.ts";
import type { TokenOrder, WrittenPart } from "../protocol/messages.ts";
import type { Clock } from "../time/clock.ts";
import type { Backend, Batch, BatchResult } from "./backend.ts";
import { contentsOfText } from "./text-contents.ts";

/** A job as the engine takes it. */
export interface EngineJob extends TokenOrder {
  readonly prompt: number;
  /** The model may end its text before `output` tokens. */
  readonly mayEnd: boolean;
  /** Its tokens, where they are a text's or another engine's, then with the first that it made; made ones are added. */
  readonly text?: number[];
  /** Keys and values that another engine computed of the prompt. */
  readonly state?: Uint8Array;
}

/** The token that a sequence made in an iteration. */
export interface MadeToken {
  readonly text: string;
  /** The model ended its text: the sequence makes no more. */
  readonly isLast: boolean;
}

interface Iteration {
  readonly shares: readonly Share[];
  /** It begins as the one before ends. */
  readonly follows: boolean;
  /** Nobody measures the jobs in it. */
  readonly warmUp: boolean;
  /** Whether the engine keeps a block of this content. */
  readonly isKept: (content: number) => boolean;
}

/** Computes iterations, one at a time. */
export interface Steps extends Pick<Backend, "provenance" | "cost"> {
  /** Tokens that a sequence may have in all; Infinity: as many as there are blocks for. */
  readonly most: number;
  /** Throws Fault("invalid-input") for a batch that gives no lengths where it must. */
  job(batch: Batch): EngineJob;
  /** Calls one of the two once and never from within; `ended` with the iteration's time in the scenario's µs. */
  run(
    iteration: Iteration,
    ended: (us: number, made: ReadonlyMap<Sequence, MadeToken>) => void,
    failed: (error: Error) => void,
  ): void;
  /** The sequence gets a job. */
  began(sequence: Sequence, job: EngineJob): void;
  /** Everything that another engine needs to go on with the sequence after its first token; null: nothing. */
  handOver(sequence: Sequence): Promise<readonly Tensor[]> | null;
  /** Its keys and values are not needed any more. */
  left(sequence: Sequence): void;
  close(): Promise<void>;
}

/** A job on the engine. */
interface Writing {
  readonly sequence: Sequence;
  readonly output: number;
  readonly goesOn: boolean;
  readonly warmUp: boolean;
  readonly beganUs: number;
  readonly told: (part: WrittenPart) => void;
  text: string;
  /** Its latest token, and the text of it. */
  latest: WrittenPart;
  /** For the engine that goes on with it. */
  tensors: readonly Tensor[];
  /** Numbers of the sequences that are kept for its place. */
  readonly kept: Set<number>;
  readonly ended: (error: Error | null) => void;
}

type Terms = Pick<Extract<Sharing, { kind: "iterations" }>, "policy" | "limits">;

const NO_TOKEN: WrittenPart = { tokens: 0, text: "" };
const NONE: EngineUse = { preemptions: 0, busyUs: 0, usedUs: 0, ranUs: 0, profiledUs: 0 };
/** An unmeasured job. */
const WARM_UP: EngineJob = {
  prompt: 1,
  output: 2,
  mayEnd: false,
  priority: 0,
  client: 0,
  beginning: 0,
};

interface HostOptions {
  /** Called when the last place is closed. */
  readonly closed?: () => void;
  /** What prompts of a pipeline begin with, by its number; default: nothing in common. */
  readonly prefixOf?: (pipeline: number) => PrefixTerms | null;
  /** The times that iterations take by their profile, to be told beside those that they took; default: not told. */
  readonly profile?: StepTimes;
}

export class EngineHost {
  readonly #engine: TokenEngine;
  readonly #steps: Steps;
  readonly #clock: Pick<Clock, "nowUs">;
  readonly #writings = new Map<Sequence, Writing>();
  /** Those of other engines that have had no room here yet. */
  readonly #incoming = new Set<Sequence>();
  /** By number, those that go on elsewhere, whose blocks are kept. */
  readonly #kept = new Map<number, Sequence>();
  #ids = 0;
  #isRunning = false;
  /** Since the last answer. */
  #use = NONE;
  #preemptions = 0;
  #users = 0;
  readonly #closed: () => void;
  readonly #prefixOf: (pipeline: number) => PrefixTerms | null;
  readonly #profile: StepTimes | null;
  /** When the latest iteration ended. */
  #endedUs = 0;

  constructor(
    { policy, limits }: Terms,
    steps: Steps,
    clock: Pick<Clock, "nowUs">,
    { closed = () => undefined, prefixOf = () => null, profile }: HostOptions = {},
  ) {
    this.#closed = closed;
    this.#prefixOf = prefixOf;
    this.#profile = profile ?? null;
    this.#engine = new TokenEngine(limits, iterationPolicy(policy));
    this.#steps = steps;
    this.#clock = clock;
  }

  /** No sequence is on it, and no block is taken. */
  get isIdle(): boolean {
    const { running, waiting, freeBlocks, blocks } = this.#engine;
    return running.length + waiting.length === 0 && freeBlocks === blocks;
  }

  /** The backend of one of its places. */
  place(): Backend {
    const { provenance, cost } = this.#steps;
    let stop = (): void => undefined;
    const kept = new Set<number>();
    const free = (one: number): void => {
      kept.delete(one);
      this.#free(one);
    };
    this.#users++;
    return {
      inputs: null,
      outputs: null,
      provenance,
      cost,
      stopsUnwanted: true,
      run: (batch, told) => {
        const [done, leave] = this.#write(batch, told, kept);
        stop = leave;
        return done;
      },
      stop: () => stop(),
      free: (one) => {
        for (const own of one === null ? [...kept] : [one]) free(own);
        this.#next();
      },
      close: async () => {
        for (const own of [...kept]) free(own);
        if (--this.#users > 0) return;
        this.#closed();
        await this.#steps.close();
      },
    };
  }

  /** Throws Fault("invalid-input") for a job that has no room here. */
  #write(
    batch: Batch,
    told: (part: WrittenPart) => void,
    kept: Set<number>,
  ): readonly [done: Promise<BatchResult>, leave: () => void] {
    // The policy of an engine that hands over makes no second token.
    const warmUp = batch.tokens?.goesOn === true ? { ...WARM_UP, output: 1 } : WARM_UP;
    const job = batch.warmUp ? warmUp : this.#steps.job(batch);
    const { prompt, output, priority, client, beginning, goesOn = false, continues = false } = job;
    this.#checkRoom(prompt, goesOn ? 1 : output);
    const beganUs = this.#clock.nowUs();
    const id = ++this.#ids;
    const { blockTokens } = this.#engine;
    const contentOf =
      job.mayEnd && job.text !== undefined
        ? contentsOfText(job.text, blockTokens)
        : contentsOf(this.#prefixOf(client), id, { prompt, beginning, blockTokens });
    const sequence = newSequence(id, prompt, beganUs, { priority, client, contentOf });
    if (continues) Object.assign(sequence, { made: 1, computed: prompt });
    let leave = (): void => undefined;
    const done = new Promise<BatchResult>((resolve, reject) => {
      const ended = (error: Error | null): void => {
        this.#writings.delete(sequence);
        this.#incoming.delete(sequence);
        if (!this.#kept.has(id)) this.#engine.remove(sequence);
        else if (error !== null) this.#free(id);
        this.#steps.left(sequence);
        if (error === null) resolve(this.#resultOf(writing));
        else reject(error);
      };
      const writing: Writing = {
        sequence,
        output,
        goesOn,
        warmUp: batch.warmUp,
        beganUs,
        told,
        ended,
        text: "",
        latest: NO_TOKEN,
        tensors: [],
        kept,
      };
      this.#writings.set(sequence, writing);
      leave = () => {
        if (!this.#writings.has(sequence)) return;
        ended(new Fault("interrupted", `stopped after ${sequence.made} tokens`));
        this.#next();
      };
    });
    this.#steps.began(sequence, job);
    this.#engine.add(sequence);
    if (continues) this.#incoming.add(sequence);
    // Its first token was all.
    if (sequence.made >= output) this.#writings.get(sequence)?.ended(null);
    else this.#next();
    return [done, leave];
  }

  #checkRoom(prompt: number, output: number): void {
    const all = prompt + output;
    const { most } = this.#steps;
    const { blocks, blockTokens } = this.#engine;
    const what = `a prompt of ${prompt} tokens and ${output} more`;
    if (all > most) {
      throw new Fault("invalid-input", `${what} exceed the model's context of ${most} tokens`);
    }
    if (this.#engine.holds(all)) return;
    const room = `${blocks} blocks of ${blockTokens} tokens and its policy have room for`;
    throw new Fault("invalid-input", `${what} are more than ${room}`);
  }

  /** Starts the next iteration unless one runs. */
  #next(follows = false): void {
    if (this.#isRunning) return;
    const shares = this.#engine.plan();
    if (shares.length === 0) return;
    this.#isRunning = true;
    if (this.#incoming.size > 0) this.#tellRoom(shares);
    const inUse = 1 - this.#engine.freeBlocks / this.#engine.blocks;
    const warmUp = shares.every(({ sequence }) => this.#writings.get(sequence)?.warmUp === true);
    const profiledUs = warmUp ? 0 : (this.#profile?.(loadOf(shares)) ?? 0);
    // Tokens go on their way between two iterations: that belongs to the second.
    const beganUs = follows ? this.#endedUs : this.#clock.nowUs();
    this.#steps.run(
      { shares, follows, warmUp, isKept: (content) => this.#engine.isKept(content) },
      (us, made) => {
        this.#endedUs = this.#clock.nowUs();
        const ranUs = profiledUs === 0 ? 0 : this.#endedUs - beganUs;
        this.#count({ us, inUse, ranUs, profiledUs });
        for (const sequence of this.#engine.ended(shares)) this.#made(sequence, made.get(sequence));
        this.#isRunning = false;
        this.#next(true);
      },
      (error) => {
        this.#isRunning = false;
        const fault = new Fault("cluster-failure", `the engine failed: ${error.message}`);
        for (const { ended } of [...this.#writings.values()]) ended(fault);
      },
    );
  }

  #made(sequence: Sequence, { text, isLast }: MadeToken = { text: "", isLast: false }): void {
    const writing = this.#writings.get(sequence);
    assert(writing !== undefined, "only sequences with a job are in the engine");
    writing.text += text;
    writing.latest = { tokens: 1, text };
    if (writing.goesOn) this.#handOver(writing);
    else if (isLast || sequence.made >= writing.output) writing.ended(null);
    else writing.told(writing.latest);
  }

  /** The engines that keep these sequences need not any more. */
  #tellRoom(shares: readonly Share[]): void {
    for (const { sequence } of shares) {
      if (this.#incoming.delete(sequence)) this.#writings.get(sequence)?.told(NO_TOKEN);
    }
  }

  #handOver(writing: Writing): void {
    const { sequence } = writing;
    this.#engine.handOver(sequence);
    this.#kept.set(sequence.id, sequence);
    writing.kept.add(sequence.id);
    const end = (error: Error | null): void => {
      if (this.#writings.has(sequence)) writing.ended(error);
    };
    const state = this.#steps.handOver(sequence);
    if (state === null) end(null);
    else
      state.then((tensors) => {
        writing.tensors = tensors;
        end(null);
      }, end);
  }

  #free(kept: number): void {
    const sequence = this.#kept.get(kept);
    if (sequence === undefined) return;
    this.#kept.delete(kept);
    this.#engine.free(sequence);
  }

  #count({
    us,
    inUse,
    ranUs,
    profiledUs,
  }: Record<"us" | "inUse" | "ranUs" | "profiledUs", number>) {
    const { preemptions } = this.#engine;
    const more = preemptions - this.#preemptions;
    this.#preemptions = preemptions;
    const before = this.#use;
    this.#use = {
      preemptions: before.preemptions + more,
      busyUs: before.busyUs + us,
      usedUs: before.usedUs + us * inUse,
      ranUs: before.ranUs + ranUs,
      profiledUs: before.profiledUs + profiledUs,
    };
  }

  /** Its last token goes with the answer. */
  #resultOf({ beganUs, sequence, text, latest: last, tensors }: Writing): BatchResult {
    const kept = this.#kept.has(sequence.id) ? { kept: sequence.id } : {};
    const written = { last, promptTokens: sequence.promptTokens, use: this.#use, ...kept };
    this.#use = NONE;
    const value = text === "" ? null : { text, tokens: sequence.made };
    const output = { text: Buffer.from(JSON.stringify({ labels: [], value })), tensors };
    return { outputs: [output], serviceUs: this.#clock.nowUs() - beganUs, written };
  }
}
