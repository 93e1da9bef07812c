/**
 * One engine that serves a language model in iterations: a pure state machine, the same in simulation and around a
 * real model. Its driver asks for the next iteration, runs it (or passes its time), and says that it has ended.
 *
 *   add ─> waiting ─(policy takes)─> running: its prompt in chunks, then a token an iteration ─> removed
 *             ^───────(preempted: its blocks are freed, it computes its tokens again)──┘
 *
 * Keys and values of tokens are kept in blocks: a sequence holds those of all its tokens that are computed.
 * Source: Kwon et al., "Efficient memory management for large language model serving with PagedAttention", SOSP 2023,
 * sections 4.2, 4.3 and 4.5.
 */
import { assert } from "../basics/fault.ts";
import { type ContentOf, KvBlocks } from "./kv-blocks.ts";

export interface EngineLimits {
  /** Sequences that run at once. */
  readonly maxSequences: number;
  /** Tokens of one iteration. */
  readonly maxBatchedTokens: number;
  /** Blocks of keys and values. */
  readonly blocks: number;
  /** Tokens that a block holds. */
  readonly blockTokens: number;
  /** Whether a sequence uses the kept blocks of another that began with the same tokens, or its own from before. */
  readonly prefixCaching: boolean;
}

/** A request on an engine. */
export interface Sequence {
  readonly id: number;
  readonly promptTokens: number;
  readonly arrivedUs: number;
  /** Larger: more urgent. */
  readonly priority: number;
  /** Whose it is. */
  readonly client: number;
  readonly contentOf: ContentOf;
  isRunning: boolean;
  /** Tokens made so far. */
  made: number;
  /** Tokens, of the prompt and made, whose keys and values are there. */
  computed: number;
  /** Blocks that it holds, in order. */
  readonly blocks: number[];
}

/** Default contents: nothing that another sequence has. */
const BLOCKS_OF_ITS_OWN = 2 ** 24;

export function newSequence(
  id: number,
  promptTokens: number,
  arrivedUs: number,
  { priority = 0, client = 0, contentOf = (block: number) => id * BLOCKS_OF_ITS_OWN + block } = {},
): Sequence {
  const empty = { isRunning: false, made: 0, computed: 0, blocks: [] };
  return { id, promptTokens, arrivedUs, priority, client, contentOf, ...empty };
}

/** The part of a sequence in one iteration. */
export interface Share {
  readonly sequence: Sequence;
  /** Tokens that the iteration computes. */
  readonly tokens: number;
}

/** What a policy sees and may do: it plans one iteration. */
export interface EngineView extends Omit<EngineLimits, "prefixCaching"> {
  /** In order of admission. */
  readonly running: readonly Sequence[];
  /** In order of arrival, preempted ones first. */
  readonly waiting: readonly Sequence[];
  /** The iteration so far. */
  readonly shares: readonly Share[];
  /** Tokens that the iteration still has room for. */
  readonly tokensLeft: number;
  readonly freeBlocks: number;
  /** Tokens to compute before the sequence makes its next one, without those that kept blocks hold. */
  due(sequence: Sequence): number;
  /** Free blocks that it takes to compute so many more of its tokens. */
  blocksFor(sequence: Sequence, tokens: number): number;
  /** Puts a running or waiting sequence into the iteration; false where blocks or a place are missing. */
  take(sequence: Sequence, tokens: number): boolean;
  /** Frees the blocks of a running sequence, which then waits before all others. */
  preempt(sequence: Sequence): void;
}

/** Which sequences run in an iteration. */
export interface IterationPolicy {
  readonly name: string;
  /** Prompts run whole, so that a sequence has at most as many tokens as an iteration. */
  readonly whole?: true;
  plan(view: EngineView): void;
}

export class TokenEngine implements EngineView {
  readonly maxSequences: number;
  readonly maxBatchedTokens: number;
  readonly blocks: number;
  readonly blockTokens: number;
  readonly running: Sequence[] = [];
  readonly waiting: Sequence[] = [];
  tokensLeft = 0;
  /** Sequences that were preempted so far. */
  preemptions = 0;
  readonly #policy: IterationPolicy;
  readonly #memory: KvBlocks;
  shares: Share[] = [];

  constructor(limits: EngineLimits, policy: IterationPolicy) {
    this.maxSequences = limits.maxSequences;
    this.maxBatchedTokens = limits.maxBatchedTokens;
    this.blocks = limits.blocks;
    this.blockTokens = limits.blockTokens;
    this.#memory = new KvBlocks(limits.blocks, limits.prefixCaching);
    this.#policy = policy;
  }

  get freeBlocks(): number {
    return this.#memory.free;
  }

  /** Whether a sequence of so many tokens in all can ever end here. */
  holds(tokens: number): boolean {
    const isShort = this.#policy.whole === undefined || tokens <= this.maxBatchedTokens;
    return isShort && Math.ceil(tokens / this.blockTokens) <= this.blocks;
  }

  add(sequence: Sequence): void {
    this.waiting.push(sequence);
  }

  /** The next iteration; empty: nothing can run before another sequence comes or leaves. */
  plan(): readonly Share[] {
    this.tokensLeft = this.maxBatchedTokens;
    this.shares = [];
    this.#policy.plan(this);
    return this.shares;
  }

  due(sequence: Sequence): number {
    const { promptTokens, made, computed } = sequence;
    return promptTokens + made - computed - this.#kept(sequence).length * this.blockTokens;
  }

  blocksFor(sequence: Sequence, tokens: number): number {
    const kept = this.#kept(sequence);
    const computed = sequence.computed + kept.length * this.blockTokens;
    const more = Math.ceil((computed + tokens) / this.blockTokens) - sequence.blocks.length;
    return more - kept.length + this.#memory.freeAmong(kept);
  }

  take(sequence: Sequence, tokens: number): boolean {
    assert(tokens > 0 && tokens <= this.tokensLeft, "an iteration takes what it has room for");
    if (!sequence.isRunning && this.running.length >= this.maxSequences) return false;
    if (this.blocksFor(sequence, tokens) > this.freeBlocks) return false;
    const kept = this.#kept(sequence);
    this.#memory.use(kept);
    sequence.blocks.push(...kept);
    sequence.computed += kept.length * this.blockTokens;
    const wanted = Math.ceil((sequence.computed + tokens) / this.blockTokens);
    this.#memory.take(wanted - sequence.blocks.length, sequence.blocks);
    this.tokensLeft -= tokens;
    this.shares.push({ sequence, tokens });
    if (!sequence.isRunning) {
      this.waiting.splice(this.waiting.indexOf(sequence), 1);
      this.running.push(sequence);
      sequence.isRunning = true;
    }
    return true;
  }

  preempt(sequence: Sequence): void {
    this.preemptions++;
    const own = this.shares.findIndex((share) => share.sequence === sequence);
    if (own >= 0) this.tokensLeft += this.shares.splice(own, 1)[0].tokens;
    this.#release(sequence);
    sequence.computed = 0;
    this.waiting.unshift(sequence);
  }

  /** The iteration has ended: the sequences that made a token in it, in its order. */
  ended(shares: readonly Share[]): readonly Sequence[] {
    const made: Sequence[] = [];
    for (const { sequence, tokens } of shares) {
      // It was removed while the iteration ran: nobody waits for it.
      if (!sequence.isRunning) continue;
      const before = Math.floor(sequence.computed / this.blockTokens);
      sequence.computed += tokens;
      for (let i = before; (i + 1) * this.blockTokens <= sequence.computed; i++) {
        this.#memory.filled(sequence.blocks[i], sequence.contentOf(i));
      }
      if (sequence.computed < sequence.promptTokens + sequence.made) continue;
      sequence.made++;
      made.push(sequence);
    }
    return made;
  }

  /** A running or waiting sequence leaves: it has ended, or nobody waits for it. */
  remove(sequence: Sequence): void {
    if (sequence.isRunning) this.#release(sequence);
    else this.waiting.splice(this.waiting.indexOf(sequence), 1);
  }

  /** Whether a sequence that has this block would not compute it. */
  isKept(content: number): boolean {
    return this.#memory.isKnown(content);
  }

  /** No block holds anything that another sequence could use. */
  forget(): void {
    this.#memory.forgetAll();
  }

  /** A running sequence goes on elsewhere: its blocks stay until `free`. */
  handOver(sequence: Sequence): void {
    this.running.splice(this.running.indexOf(sequence), 1);
    sequence.isRunning = false;
  }

  free(sequence: Sequence): void {
    this.#memory.release(sequence.blocks);
    sequence.blocks.length = 0;
  }

  /** Blocks that hold the first tokens of a sequence without any; never all, for its last token must be computed. */
  #kept({ blocks, computed, promptTokens, made, contentOf }: Sequence): readonly number[] {
    if (blocks.length > 0 || computed > 0) return [];
    return this.#memory.found(contentOf, Math.floor((promptTokens + made - 1) / this.blockTokens));
  }

  #release(sequence: Sequence): void {
    this.handOver(sequence);
    this.free(sequence);
  }
}
