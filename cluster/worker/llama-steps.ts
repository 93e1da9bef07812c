/**
 * Iterations of a language model by llama.cpp. The engine's policy has planned them: exactly its tokens of exactly its
 * sequences go into one evaluation. Memory is a fixed slice for each sequence, so blocks are the engine's count alone;
 * a sequence that is preempted leaves its slice, which is cleared. Blocks that the engine keeps are copied.
 */
import { assert, Fault } from "../../engine/basics/fault.ts";
import type { EngineLimits, Sequence, Share } from "../../engine/tokens/token-engine.ts";
import { type LlamaModel, type LlamaSlice, loadLlamaCpp } from "../../models/llama-cpp.ts";
import { asBuffer, type Tensor } from "../../models/tensor.ts";
import { type Weights, weightsOf } from "../../models/weights.ts";
import type { Clock } from "../time/clock.ts";
import type { Batch, Job } from "./backend.ts";
import type { EngineJob, MadeToken, Steps } from "./engine-host.ts";
import { type IsKept, SliceStates } from "./slice-states.ts";

interface LlamaSettings {
  /** A GGUF file, or the name of weights that are fetched. */
  readonly weights: string;
  readonly threads: number;
  /** Tokens of a slice. */
  readonly contextTokens: number;
}

/** What a sequence has, and where. */
interface Held {
  readonly job: EngineJob;
  readonly tokens: number[];
  slice: LlamaSlice | null;
  /** Tokens whose keys and values are in the slice. */
  placed: number;
  /** Tokens made whose text is not whole yet: a character may take several. */
  unsaid: number[];
  /** Keys and values of another engine, until they are in the slice. */
  state: Uint8Array | null;
}

/** Tokens before a text that decide how it is written, such as a space at its start. */
const BEFORE = 8;
const REPLACEMENT = "\ufffd";
/** Tensors of a sequence that goes on elsewhere. */
const [STATE, TOKENS] = ["keys-and-values", "tokens"];

/** Rejects with Fault("invalid-input") where package or weights are missing, or the context is larger than the model's. */
export async function llamaSteps(
  settings: LlamaSettings,
  {
    maxSequences,
    maxBatchedTokens,
    blockTokens,
  }: Pick<EngineLimits, "maxSequences" | "maxBatchedTokens" | "blockTokens">,
  folder: string,
  clock: Pick<Clock, "nowUs">,
): Promise<Steps> {
  const startUs = clock.nowUs();
  const before = process.memoryUsage.rss();
  const weights = await weightsOf(settings.weights, folder);
  const { threads, contextTokens } = settings;
  const { getLlama } = await loadLlamaCpp();
  const llama = await getLlama({
    gpu: false,
    build: "never",
    maxThreads: threads,
    logLevel: "error",
  });
  const model = await llama.loadModel({ modelPath: weights.path });
  if (contextTokens > model.trainContextSize) {
    const most = model.trainContextSize;
    const message = `a context of ${contextTokens} tokens, but ${weights.name} was trained with ${most}`;
    throw new Fault("invalid-input", message, { hint: `\`contextTokens: ${most}\` at most` });
  }
  let expected: readonly Share[] = [];
  const context = await model.createContext({
    sequences: maxSequences,
    contextSize: contextTokens,
    threads,
    batchSize: maxBatchedTokens,
    batching: {
      itemPrioritizationStrategy: ({ items }) => {
        const tokens = items.reduce((sum, item) => sum + item.tokens.length, 0);
        const planned = expected.reduce((sum, share) => sum + share.tokens, 0);
        assert(
          tokens === planned,
          `an evaluation has the ${planned} tokens planned, not ${tokens}`,
        );
        return items.map((item) => ({ item, processAmount: item.tokens.length }));
      },
    },
  });
  const slices = Array.from({ length: maxSequences }, () => context.getSequence());
  const run = new LlamaRun(model, slices, blockTokens);
  return {
    provenance: provenanceOf(weights, threads),
    cost: {
      loadMs: (clock.nowUs() - startUs) / 1000,
      memoryBytes: Math.max(0, process.memoryUsage.rss() - before),
    },
    // Its last place is never used.
    most: contextTokens - 1,
    job: (batch) => jobOf(batch, model),
    run({ shares, isKept }, ended, failed) {
      const beganUs = clock.nowUs();
      expected = shares;
      run.evaluate(shares, isKept).then((made) => ended(clock.nowUs() - beganUs, made), failed);
    },
    began: (sequence, job) => run.began(sequence, job),
    handOver: (sequence) => run.handOver(sequence),
    left: (sequence) => run.left(sequence),
    async close() {
      run.close();
      await context.dispose();
      await model.dispose();
      await llama.dispose();
    },
  };
}

function provenanceOf({ name, sha256, source, license }: Weights, threads: number) {
  return {
    name,
    source,
    license,
    files: [{ name, sha256 }],
    runtime: "llama.cpp by node-llama-cpp",
    provider: threads === 1 ? "cpu, 1 thread" : `cpu, ${threads} threads`,
  };
}

/** Drawn lengths are met by tokens of no meaning; a text of a client counts its own, and may end by itself. */
function jobOf({ tokens, jobs }: Batch, model: LlamaModel): EngineJob {
  if (tokens === null) {
    const hint = { hint: "give the parameter output_tokens, and prompt_tokens for any text" };
    throw new Fault("invalid-input", "a language model needs the length of its answer", hint);
  }
  const { prompt } = tokens;
  if (tokens.continues === true) {
    const begun = begunElsewhere(jobs[0]);
    const mayEnd = prompt === null;
    const hasEnded = mayEnd && model.isEogToken(begun.text[begun.text.length - 1]);
    const own = { ...tokens, ...begun, prompt: begun.text.length - 1, mayEnd };
    return hasEnded ? { ...own, output: 1 } : own;
  }
  if (prompt !== null) return { ...tokens, prompt, mayEnd: false };
  const text = [...model.tokenize(asBuffer(jobs[0].payload).toString())];
  if (text.length === 0) throw new Fault("invalid-input", "the prompt is empty");
  return { ...tokens, prompt: text.length, mayEnd: true, text };
}

/** Tokens of a sequence with the first that was made, and its keys and values. */
function begunElsewhere({ upstreamTensors }: Job) {
  const given = Object.values(upstreamTensors).flat();
  const [state, tokens] = [STATE, TOKENS].map((name) => given.find((one) => one.name === name));
  if (state === undefined || tokens === undefined) {
    throw new Fault("invalid-input", "no keys and values came with what another engine began");
  }
  return { state: state.raw, text: [...new Int32Array(new Uint8Array(tokens.raw).buffer)] };
}

class LlamaRun {
  readonly #model: LlamaModel;
  readonly #blockTokens: number;
  readonly #states = new SliceStates();
  readonly #free: LlamaSlice[];
  readonly #numbers: ReadonlyMap<LlamaSlice, number>;
  readonly #held = new Map<Sequence, Held>();
  /** Slices whose sequences have left, and the contents of their blocks. */
  readonly #left: { readonly slice: LlamaSlice; readonly contents: readonly number[] }[] = [];
  /** Resolves when no slice is being read for another engine. */
  #read: Promise<unknown> = Promise.resolve();

  constructor(model: LlamaModel, slices: readonly LlamaSlice[], blockTokens: number) {
    this.#model = model;
    this.#blockTokens = blockTokens;
    this.#free = [...slices];
    this.#numbers = new Map(slices.map((slice, number) => [slice, number]));
  }

  began(sequence: Sequence, job: EngineJob): void {
    const tokens = job.text ?? this.#meaningless(sequence);
    const { state = null } = job;
    this.#held.set(sequence, { job, tokens, slice: null, placed: 0, unsaid: [], state });
  }

  async handOver(sequence: Sequence): Promise<readonly Tensor[]> {
    const held = this.#held.get(sequence) as Held;
    const { slice, tokens } = held;
    assert(slice !== null, "a sequence that has made a token has a slice");
    const saved = this.#states.save(slice).finally(() => this.#leave(sequence, held));
    this.#read = Promise.allSettled([this.#read, saved]);
    const state = await saved;
    const all = Int32Array.from(tokens);
    return [
      { name: STATE, datatype: "UINT8", shape: [state.length], raw: state },
      { name: TOKENS, datatype: "INT32", shape: [all.length], raw: new Uint8Array(all.buffer) },
    ];
  }

  left(sequence: Sequence): void {
    const held = this.#held.get(sequence);
    this.#held.delete(sequence);
    if (held !== undefined) this.#leave(sequence, held);
  }

  close(): void {
    this.#states.close();
  }

  async evaluate(
    shares: readonly Share[],
    isKept: IsKept,
  ): Promise<ReadonlyMap<Sequence, MadeToken>> {
    await this.#read;
    for (const [sequence, held] of this.#held) {
      if (!sequence.isRunning) this.#leave(sequence, held);
    }
    for (const { slice, contents } of this.#left.splice(0)) {
      await this.#states.keep(slice, contents, isKept);
      await slice.clearHistory();
      this.#free.push(slice);
    }
    const made = new Map<Sequence, MadeToken>();
    const placed = this.#apart(shares);
    for (const [slice, held, { sequence }] of placed) {
      await this.#restore(slice, held, sequence, isKept);
    }
    const evaluated = placed.map(async ([slice, held, { sequence, tokens }]) => {
      const { computed, promptTokens, made: already } = sequence;
      const chunk = held.tokens.slice(computed, computed + tokens);
      held.placed += tokens;
      if (computed + tokens < promptTokens + already) await slice.controlledEvaluate(chunk);
      else made.set(sequence, this.#made(held, await next(slice, chunk)));
    });
    await Promise.all(evaluated);
    return made;
  }

  /** The slice gets the tokens that another engine has computed, or that this one has kept. */
  async #restore(
    slice: LlamaSlice,
    held: Held,
    { computed, contentOf }: Sequence,
    isKept: IsKept,
  ): Promise<void> {
    const { state: begun } = held;
    held.state = null;
    if (held.placed === computed) return;
    const content = contentOf(computed / this.#blockTokens - 1);
    const state = begun ?? this.#states.upTo(content) ?? (await this.#copied(content, isKept));
    assert(state !== undefined, "what the engine keeps is in a slice or has been copied from one");
    await this.#states.load(slice, state, computed);
    held.placed = computed;
  }

  /** The state up to the end of such a block, of a sequence that still runs. */
  async #copied(content: number, isKept: IsKept): Promise<Uint8Array | undefined> {
    for (const [sequence, held] of this.#held) {
      const contents = this.#contentsOf(sequence, held);
      if (held.slice === null || !contents.includes(content)) continue;
      await this.#states.keep(held.slice, contents, isKept);
      return this.#states.upTo(content);
    }
    return;
  }

  /**
   * By the numbers of their slices, the last first. llama.cpp computes sequences together where their numbers follow each
   * other upwards without a gap, and the others one by one: which do would depend on those that have left, and so would
   * the time of an iteration. In this order it computes each by itself.
   * Source: ggml-org/llama.cpp, src/llama-batch.cpp, `split_equal`.
   */
  #apart(shares: readonly Share[]): readonly (readonly [LlamaSlice, Held, Share])[] {
    const placed = shares.map((share) => {
      const held = this.#held.get(share.sequence) as Held;
      held.slice ??= this.#free.pop() ?? null;
      assert(held.slice !== null, "there are as many slices as sequences that run");
      return [held.slice, held, share] as const;
    });
    const numberOf = (slice: LlamaSlice): number => this.#numbers.get(slice) as number;
    return placed.sort(([a], [b]) => numberOf(b) - numberOf(a));
  }

  #made(held: Held, token: number): MadeToken {
    const { job, tokens } = held;
    const isLast = job.mayEnd && this.#model.isEogToken(token);
    const before = tokens.slice(-BEFORE - held.unsaid.length, tokens.length - held.unsaid.length);
    tokens.push(token);
    if (isLast) return { text: "", isLast };
    held.unsaid.push(token);
    const text = this.#model.detokenize(held.unsaid, false, before);
    if (text.endsWith(REPLACEMENT)) return { text: "", isLast };
    held.unsaid = [];
    return { text, isLast };
  }

  #leave(sequence: Sequence, held: Held): void {
    const { slice } = held;
    if (slice !== null) this.#left.push({ slice, contents: this.#contentsOf(sequence, held) });
    held.slice = null;
    held.placed = 0;
  }

  /** The contents of the blocks that its tokens in the slice fill. */
  #contentsOf({ contentOf }: Sequence, { placed }: Held): readonly number[] {
    return Array.from({ length: Math.floor(placed / this.#blockTokens) }, (_, i) => contentOf(i));
  }

  /** A prompt of a drawn length: its tokens take their time whatever they say. Blocks of one content are alike. */
  #meaningless({ promptTokens, contentOf }: Sequence): number[] {
    const words = this.#model.tokenize(WORDS);
    return Array.from({ length: promptTokens }, (_, i) => {
      const content = Math.abs(contentOf(Math.floor(i / this.#blockTokens)));
      return words[((content % words.length) * 7 + i * 3) % words.length];
    });
  }
}

async function next(slice: LlamaSlice, chunk: readonly number[]): Promise<number> {
  const last = chunk.length - 1;
  const asked = [chunk[last], { generateNext: { token: true } }] as const;
  const outputs = await slice.controlledEvaluate([...chunk.slice(0, last), asked]);
  const token = outputs[last]?.next.token;
  assert(
    token !== undefined && token !== null,
    "an evaluation gives the token that it is asked for",
  );
  return token;
}

const WORDS = "The quick brown fox jumps over the lazy dog and then writes a long story about it.";
