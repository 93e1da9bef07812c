/**
 * The answers of models, drawn when a request arrives. Each job has a number from 0 to 1: the answer of a
 * model is wrong if the number is at least its accuracy. So a request that one variant answers right is
 * answered right by all that are more accurate, and the numbers are the same under every scheduler. The
 * members of an ensemble have numbers of their own, except on the requests on which all err together.
 */
import { NO_LABEL } from "./dispatch/ensembles.ts";
import { RandomStream } from "./random/stream.ts";
import type { EnsembleSystem, System } from "./system.ts";

/** The label of a right answer; wrong ones have greater numbers. */
export const RIGHT = 0;

interface TaskStreams {
  readonly own: RandomStream | null;
  /** The terms of the ensemble that the task is a member of; null for other tasks. */
  readonly ensemble: EnsembleSystem | null;
}

export class AnswerDraws {
  readonly #system: System;
  readonly #tasks: readonly (readonly TaskStreams[])[];
  /** By pipeline and ensemble. */
  readonly #shared: readonly (readonly RandomStream[])[];

  constructor(system: System, seed: string) {
    const { pipelines, pools } = system;
    this.#system = system;
    this.#tasks = pipelines.map(({ name, tasks, ensembles }) =>
      tasks.map((task) => ({
        own: task.variants.some((pool) => pools[pool].accuracy !== null)
          ? new RandomStream(seed, `feedback/${name}/${task.name}`)
          : null,
        ensemble: ensembles[task.ensemble] ?? null,
      })),
    );
    this.#shared = pipelines.map(({ name, ensembles }) =>
      ensembles.map((one) => new RandomStream(seed, `shared-errors/${name}/${one.name}`)),
    );
  }

  /** Draws the numbers of one request into the jobs from `base`, and those that choose among wrong labels. */
  draw(pipeline: number, base: number, numbers: Float64Array, wrongs: Float64Array): void {
    const { ensembles } = this.#system.pipelines[pipeline];
    this.#tasks[pipeline].forEach(({ own, ensemble }, task) => {
      if (own === null) return;
      numbers[base + task] = own.uniform();
      if (ensemble !== null) wrongs[base + task] = own.uniform();
    });
    ensembles.forEach(({ members, sharedErrors }, id) => {
      const stream = this.#shared[pipeline][id];
      const isShared = stream.uniform() < sharedErrors;
      const [number, wrong] = [stream.uniform(), stream.uniform()];
      if (!isShared) return;
      for (const task of members) {
        numbers[base + task] = number;
        wrongs[base + task] = wrong;
      }
    });
  }

  /** Whether an answer with that number, of a pool's model, is wrong: 0 or 1. */
  loss(pool: number, number: number): number {
    return number < (this.#system.pools[pool].accuracy ?? 1) ? 0 : 1;
  }

  /** The label of a member's answer. */
  label(pipeline: number, task: number, number: number, wrong: number): number {
    const { ensemble } = this.#tasks[pipeline][task];
    if (ensemble === null) return NO_LABEL;
    const { pool } = this.#system.pipelines[pipeline].tasks[task];
    if (this.loss(pool, number) === 0) return RIGHT;
    return 1 + Math.floor(wrong * (ensemble.classes - 1));
  }
}
