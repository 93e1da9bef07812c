/**
 * Lengths of prompts and outputs, and what prompts begin with: known when a request arrives, so that they are the same
 * under every scheduler.
 */
import { grown } from "../dispatch/request-table.ts";
import { ValueSampler } from "../random/sampler.ts";
import { RandomStream } from "../random/stream.ts";
import { sumOf } from "../statistics/estimate.ts";
import type { ContinuationTerms, PrefixTerms, System, TokenLengthTerms } from "../system/system.ts";
import type { ContentOf } from "../tokens/kv-blocks.ts";
import { WHEN_HOLDS } from "./draws.ts";

/** The value of the request that came by a row. */
type OfRow = (row: number) => number;

interface Lengths {
  readonly own: Sources | null;
  readonly continuation: ContinuationTerms | null;
}

interface Sources {
  readonly prompt: OfRow;
  readonly outputsOf: readonly number[];
  readonly output: OfRow;
  readonly most: number;
  readonly cut: { count: number; longest: number };
  /** A group, or a row of the trace. */
  readonly beginning: OfRow;
  readonly prefix: PrefixTerms | null;
}

/** Lengths of the jobs in the system, by job. */
export interface JobLengths {
  readonly prompt: Int32Array;
  readonly output: Int32Array;
  /** The group that the prompt begins like, or its row of the trace. */
  readonly beginning: Int32Array;
}

/** Contents of that many blocks of one beginning have numbers of their own. */
const BLOCKS = 2 ** 24;

export class TokenLengths {
  jobs: JobLengths;
  readonly #tasks: readonly (readonly Lengths[])[];
  /** Tasks of each pipeline, those first whose outputs others hold. */
  readonly #order: readonly (readonly number[])[];
  #arrived = 0;
  #sequences = 0;

  /** Null where no task is a language model's. */
  static for({ pipelines }: System, seed: string): TokenLengths | null {
    const tasks = pipelines.map((pipeline) =>
      pipeline.tasks.map(({ name, tokens, continuation }) => ({
        own: tokens === null ? null : sourcesOf(tokens, seed, `${pipeline.name}/${name}`),
        continuation,
      })),
    );
    return tasks.flat().every(({ own }) => own === null) ? null : new TokenLengths(tasks);
  }

  private constructor(tasks: readonly (readonly Lengths[])[]) {
    this.#tasks = tasks;
    this.#order = tasks.map(inOrder);
    const none = new Int32Array(0);
    this.jobs = { prompt: none, output: none, beginning: none };
  }

  /** Room for so many jobs. */
  grow(jobs: number): void {
    const more = (old: Int32Array): Int32Array => grown(old, new Int32Array(jobs));
    const { prompt, output, beginning } = this.jobs;
    this.jobs = { prompt: more(prompt), output: more(output), beginning: more(beginning) };
  }

  /** Draws the lengths of the request that arrives next into the jobs from `base`, which have these flags. */
  draw(pipeline: number, base: number, flags: Uint8Array): void {
    const row = this.#arrived++;
    const tasks = this.#tasks[pipeline];
    for (const task of this.#order[pipeline]) {
      const { own } = tasks[task];
      if (own === null) continue;
      const earlier = own.outputsOf.map((one) =>
        flags[base + one] & WHEN_HOLDS ? this.jobs.output[base + one] : 0,
      );
      const wanted = whole(own.prompt(row)) + sumOf(earlier);
      const output = whole(own.output(row));
      if (wanted + output > own.most) {
        own.cut.count++;
        own.cut.longest = Math.max(own.cut.longest, wanted + output);
      }
      const prompt = Math.min(own.most - 1, wanted);
      this.jobs.prompt[base + task] = prompt;
      this.jobs.output[base + task] = Math.min(own.most - prompt, output);
      this.jobs.beginning[base + task] = own.beginning(row);
    }
    tasks.forEach(({ continuation }, task) => {
      if (continuation === null) return;
      const first = base + continuation.task;
      this.place(base + task, this.drawnFor(first, first + 1));
    });
  }

  /** How many sequences of a task were longer than its `most` so far, and the tokens of the longest. */
  cutOf(pipeline: number, task: number): { readonly count: number; readonly longest: number } {
    return this.#tasks[pipeline][task].own?.cut ?? { count: 0, longest: 0 };
  }

  /** Bytes of keys and values that go to the replica of a job that another's engine has begun; none where it has all tokens. */
  bytesOf(pipeline: number, task: number, job: number): number {
    const continuation = this.#tasks[pipeline][task].continuation;
    if (continuation === null || this.jobs.output[job] === 1) return 0;
    return continuation.kvBytesPerToken * this.jobs.prompt[job];
  }

  /** Gives another attempt at a request the lengths of the first. */
  drawnFor(from: number, to: number): JobLengths {
    const { prompt, output, beginning } = this.jobs;
    const own = (all: Int32Array): Int32Array => all.slice(from, to);
    return { prompt: own(prompt), output: own(output), beginning: own(beginning) };
  }

  place(base: number, { prompt, output, beginning }: JobLengths): void {
    this.jobs.prompt.set(prompt, base);
    this.jobs.output.set(output, base);
    this.jobs.beginning.set(beginning, base);
  }

  /** The contents of a new sequence's blocks, of so many tokens each: shared ones below -1, its own from 0. */
  contentOf(pipeline: number, task: number, job: number, blockTokens: number): ContentOf {
    const prefix = this.#tasks[pipeline][task].own?.prefix ?? null;
    const prompt = this.jobs.prompt[job];
    const beginning = this.jobs.beginning[job];
    return contentsOf(prefix, this.#sequences++, { prompt, beginning, blockTokens });
  }
}

/** The same for a sequence with a number of its own. */
export function contentsOf(
  prefix: PrefixTerms | null,
  sequence: number,
  {
    prompt,
    beginning,
    blockTokens,
  }: Readonly<Record<"prompt" | "beginning" | "blockTokens", number>>,
): ContentOf {
  const own = sequence * BLOCKS;
  if (prefix === null) return (block) => own + block;
  const sharedOf = "rows" in prefix ? numberedOf(prefix, beginning) : groupOf(prefix, beginning);
  return (block) => {
    const to = (block + 1) * blockTokens;
    const shared = to <= prompt ? sharedOf(block * blockTokens, to) : null;
    return shared === null ? own + block : -2 - shared;
  };
}

/** The number of a block of tokens that others may have as well; null: nobody has. */
type SharedOf = (from: number, to: number) => number | null;

function groupOf({ length }: Extract<PrefixTerms, { groups: number }>, group: number): SharedOf {
  return (from, to) => (to <= length ? group * BLOCKS + from : null);
}

function numberedOf(
  { rows, blockTokens }: Extract<PrefixTerms, { blockTokens: number }>,
  row: number,
): SharedOf {
  const numbers = rows[row % rows.length];
  return (from, to) => {
    // A block that lies over an edge is as much its last part's as its first's.
    const number = numbers[Math.floor((to - 1) / blockTokens)];
    return number === undefined ? null : number * BLOCKS + (from % blockTokens);
  };
}

function inOrder(tasks: readonly Lengths[]): readonly number[] {
  const order = new Set<number>();
  const place = (task: number): void => {
    tasks[task].own?.outputsOf.forEach(place);
    order.add(task);
  };
  for (const task of tasks.keys()) place(task);
  return [...order];
}

function sourcesOf(
  { prompt, outputsOf, output, most, prefix }: TokenLengthTerms,
  seed: string,
  name: string,
): Sources {
  return {
    prompt: lengthOf(prompt, seed, `prompt-tokens/${name}`),
    outputsOf,
    output: lengthOf(output, seed, `output-tokens/${name}`),
    most,
    cut: { count: 0, longest: 0 },
    prefix,
    beginning: beginningOf(prefix, seed, `prefix/${name}`),
  };
}

function lengthOf(length: TokenLengthTerms["prompt"], seed: string, stream: string): OfRow {
  if (typeof length === "object" && "rows" in length) {
    return (row) => length.rows[row % length.rows.length];
  }
  const sampler = new ValueSampler(length, seed, stream);
  return () => sampler.next();
}

function beginningOf(prefix: PrefixTerms | null, seed: string, name: string): OfRow {
  if (prefix === null || "rows" in prefix) return (row) => row;
  const stream = new RandomStream(seed, name);
  return () => Math.floor(stream.uniform() * prefix.groups);
}

function whole(tokens: number): number {
  return Math.max(1, Math.round(tokens));
}
