/** Lengths of prompts and outputs: drawn when a request arrives, so that they are the same under every scheduler. */
import { grown } from "../dispatch/request-table.ts";
import { ValueSampler } from "../random/sampler.ts";
import type { System, TokenLengthTerms } from "../system/system.ts";

interface Streams {
  readonly prompt: ValueSampler;
  readonly output: ValueSampler;
  readonly most: number;
}

/** Lengths of the jobs in the system, by job. */
export interface JobLengths {
  readonly prompt: Int32Array;
  readonly output: Int32Array;
}

export class TokenLengths {
  readonly jobs: { prompt: Int32Array; output: Int32Array };
  readonly #tasks: readonly (readonly (Streams | null)[])[];

  /** Null where no task is a language model's. */
  static for({ pipelines }: System, seed: string): TokenLengths | null {
    const tasks = pipelines.map((pipeline) =>
      pipeline.tasks.map(({ name, tokens }) =>
        tokens === null ? null : streamsOf(tokens, seed, `${pipeline.name}/${name}`),
      ),
    );
    return tasks.flat().every((own) => own === null) ? null : new TokenLengths(tasks);
  }

  private constructor(tasks: readonly (readonly (Streams | null)[])[]) {
    this.#tasks = tasks;
    this.jobs = { prompt: new Int32Array(0), output: new Int32Array(0) };
  }

  /** Room for so many jobs. */
  grow(jobs: number): void {
    this.jobs.prompt = grown(this.jobs.prompt, new Int32Array(jobs));
    this.jobs.output = grown(this.jobs.output, new Int32Array(jobs));
  }

  /** Draws the lengths of one request into the jobs from `base`. */
  draw(pipeline: number, base: number): void {
    this.#tasks[pipeline].forEach((own, task) => {
      if (own === null) return;
      const prompt = Math.min(own.most - 1, whole(own.prompt.next()));
      this.jobs.prompt[base + task] = prompt;
      this.jobs.output[base + task] = Math.min(own.most - prompt, whole(own.output.next()));
    });
  }

  /** Gives another attempt at a request the lengths of the first. */
  drawnFor(from: number, to: number): JobLengths {
    const { prompt, output } = this.jobs;
    return { prompt: prompt.slice(from, to), output: output.slice(from, to) };
  }

  place(base: number, { prompt, output }: JobLengths): void {
    this.jobs.prompt.set(prompt, base);
    this.jobs.output.set(output, base);
  }
}

function streamsOf({ prompt, output, most }: TokenLengthTerms, seed: string, name: string) {
  return {
    prompt: new ValueSampler(prompt, seed, `prompt-tokens/${name}`),
    output: new ValueSampler(output, seed, `output-tokens/${name}`),
    most,
  };
}

function whole(tokens: number): number {
  return Math.max(1, Math.round(tokens));
}
