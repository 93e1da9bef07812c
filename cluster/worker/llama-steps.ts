/**
 * Iterations of a language model by llama.cpp. The engine's policy has planned them: exactly its tokens of exactly its
 * sequences go into one evaluation. Memory is a fixed slice for each sequence, so blocks are the engine's count alone;
 * a sequence that is preempted leaves its slice, which is cleared.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { assert, Fault } from "../../engine/basics/fault.ts";
import type { EngineLimits, Sequence, Share } from "../../engine/tokens/token-engine.ts";
import { type LlamaModel, type LlamaSlice, loadLlamaCpp } from "../../models/llama-cpp.ts";
import { asBuffer, type Tensor } from "../../models/tensor.ts";
import { type Weights, weightsOf } from "../../models/weights.ts";
import type { Clock } from "../time/clock.ts";
import type { Batch, Job } from "./backend.ts";
import type { EngineJob, MadeToken, Steps } from "./engine-host.ts";

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
  { maxSequences, maxBatchedTokens }: Pick<EngineLimits, "maxSequences" | "maxBatchedTokens">,
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
    ...{ sequences: maxSequences, contextSize: contextTokens, threads },
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
  const own = mkdtempSync(join(tmpdir(), "tandem-llama-"));
  const run = new LlamaRun(model, slices, own);
  return {
    provenance: provenanceOf(weights, threads),
    cost: {
      loadMs: (clock.nowUs() - startUs) / 1000,
      memoryBytes: Math.max(0, process.memoryUsage.rss() - before),
    },
    // Its last place is never used.
    most: contextTokens - 1,
    job: (batch) => jobOf(batch, model),
    run({ shares }, ended, failed) {
      const beganUs = clock.nowUs();
      expected = shares;
      run.evaluate(shares).then((made) => ended(clock.nowUs() - beganUs, made), failed);
    },
    began: (sequence, job) => run.began(sequence, job),
    handOver: (sequence) => run.handOver(sequence),
    left: (sequence) => run.left(sequence),
    async close() {
      rmSync(own, { recursive: true, force: true });
      await context.dispose();
      await model.dispose();
      await llama.dispose();
    },
  };
}

function provenanceOf({ name, sha256, source, license }: Weights, threads: number) {
  return {
    ...{ name, source, license, files: [{ name, sha256 }] },
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
  const text = model.tokenize(asBuffer(jobs[0].payload).toString());
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
  /** Keys and values go through files in it, since llama.cpp gives them out in no other form. */
  readonly #folder: string;
  readonly #free: LlamaSlice[];
  readonly #numbers: ReadonlyMap<LlamaSlice, number>;
  readonly #held = new Map<Sequence, Held>();
  /** Slices whose sequences have left. */
  readonly #left: LlamaSlice[] = [];
  /** Resolves when no slice is being read for another engine. */
  #read: Promise<unknown> = Promise.resolve();

  constructor(model: LlamaModel, slices: readonly LlamaSlice[], folder: string) {
    this.#model = model;
    this.#folder = folder;
    this.#free = [...slices];
    this.#numbers = new Map(slices.map((slice, number) => [slice, number]));
  }

  began(sequence: Sequence, job: EngineJob): void {
    const tokens = [...(job.text ?? meaningless(sequence, this.#model))];
    const { state = null } = job;
    this.#held.set(sequence, { job, tokens, slice: null, unsaid: [], state });
  }

  async handOver(sequence: Sequence): Promise<readonly Tensor[]> {
    const held = this.#held.get(sequence) as Held;
    const { slice, tokens } = held;
    assert(slice !== null, "a sequence that has made a token has a slice");
    const file = join(this.#folder, String(sequence.id));
    const saved = slice.saveStateToFile(file).finally(() => this.#leave(held));
    this.#read = Promise.allSettled([this.#read, saved]);
    await saved;
    const state = await readFile(file);
    await rm(file);
    const all = Int32Array.from(tokens);
    return [
      { name: STATE, datatype: "UINT8", shape: [state.length], raw: state },
      { name: TOKENS, datatype: "INT32", shape: [all.length], raw: new Uint8Array(all.buffer) },
    ];
  }

  left(sequence: Sequence): void {
    const held = this.#held.get(sequence);
    this.#held.delete(sequence);
    if (held !== undefined) this.#leave(held);
  }

  async evaluate(shares: readonly Share[]): Promise<ReadonlyMap<Sequence, MadeToken>> {
    await this.#read;
    for (const [sequence, held] of this.#held) if (!sequence.isRunning) this.#leave(held);
    for (const slice of this.#left.splice(0)) {
      await slice.clearHistory();
      this.#free.push(slice);
    }
    const made = new Map<Sequence, MadeToken>();
    const placed = this.#apart(shares);
    for (const [slice, held, { sequence }] of placed) await this.#restore(slice, held, sequence);
    const evaluated = placed.map(async ([slice, held, { sequence, tokens }]) => {
      const { computed, promptTokens, made: already } = sequence;
      const chunk = held.tokens.slice(computed, computed + tokens);
      if (computed + tokens < promptTokens + already) await slice.controlledEvaluate(chunk);
      else made.set(sequence, this.#made(held, await next(slice, chunk)));
    });
    await Promise.all(evaluated);
    return made;
  }

  /** A sequence that was preempted before it ran here computes all its tokens. */
  async #restore(slice: LlamaSlice, held: Held, { id, computed }: Sequence): Promise<void> {
    const { state } = held;
    if (state === null) return;
    held.state = null;
    if (computed === 0) return;
    const file = join(this.#folder, String(id));
    await writeFile(file, state);
    await slice.loadStateFromFile(file, { acceptRisk: true });
    await rm(file);
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

  #leave(held: Held): void {
    if (held.slice !== null) this.#left.push(held.slice);
    held.slice = null;
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

/** A prompt of a drawn length: its tokens take their time whatever they say. */
function meaningless({ id, promptTokens }: Sequence, model: LlamaModel): number[] {
  const words = model.tokenize(WORDS);
  return Array.from({ length: promptTokens }, (_, i) => words[(id * 7 + i * 3) % words.length]);
}

const WORDS = "The quick brown fox jumps over the lazy dog and then writes a long story about it.";
