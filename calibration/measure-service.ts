/**
 * Service times of real models in rounds: each model alone, by batch size, and with busy neighbours. Every round takes
 * the inputs in turn, so that the difference between inputs is known and no noise.
 */
import { Fault } from "../engine/basics/fault.ts";
import type { RandomStream } from "../engine/random/stream.ts";
import { meanOf } from "../engine/statistics/estimate.ts";
import type { JobInput, ModelWorker } from "./model-worker.ts";
import { middleMean, type PaceProbe } from "./pace-probe.ts";

export interface ServiceTarget {
  readonly worker: Pick<ModelWorker, "model" | "call">;
  readonly batch: number;
  readonly inputs: readonly JobInput[];
}

const WARMUP_CALLS = 5;
/** Longest pause after a call, as a multiple of its time per job: a third of the time is busy, more of slow models. */
const LONGEST_PAUSE = 4;
/** So a model of 60 ms takes all inputs in one pass, which its level needs. */
const MOST_PAUSE_MS = 120;
/** A pass of a slow model goes on with the next inputs in the next round. */
const MOST_PASS_S = 3;
const LEAST_CALLS = 2;

/** A model's pace, without single interrupts: means of middle halves. */
export interface Level {
  readonly us: number;
  /** Mean time of the probe's kernels between the calls. */
  readonly probeUs: number;
}

interface AloneRound {
  /** The first input of each call, and its time. */
  readonly calls: readonly { readonly input: number; readonly us: number }[];
  readonly beatsUs: readonly number[];
}

/** Calls of one target, in rounds. */
export class AloneTimes {
  readonly target: ServiceTarget;
  readonly #pauses: RandomStream;
  readonly #rounds: AloneRound[] = [];
  #next = 0;

  constructor(target: ServiceTarget, pauses: RandomStream) {
    this.target = target;
    this.#pauses = pauses;
  }

  async warmUp(): Promise<void> {
    for (let i = 0; i < WARMUP_CALLS; i++) await callOnce(this.target, i);
  }

  /** One pass through the inputs, in their order; as much as time allows of a slow model. A kernel before each call. */
  async round(pace?: PaceProbe): Promise<void> {
    const { batch, inputs } = this.target;
    const calls = Math.max(LEAST_CALLS, Math.ceil(inputs.length / batch));
    const endMs = performance.now() + MOST_PASS_S * 1000;
    const made: AloneRound["calls"][number][] = [];
    const beatsUs: number[] = [];
    for (let i = 0; i < calls; i++) {
      if (i >= LEAST_CALLS && performance.now() > endMs) break;
      if (pace !== undefined) beatsUs.push(await pace.beat());
      const input = this.#next;
      const us = await callOnce(this.target, input);
      made.push({ input, us });
      this.#next = (input + batch) % inputs.length;
      const longestMs = Math.min(MOST_PAUSE_MS, (LONGEST_PAUSE * us) / batch / 1000);
      const pauseMs = this.#pauses.uniform() * longestMs;
      await new Promise((resolve) => setTimeout(resolve, pauseMs));
    }
    this.#rounds.push({ calls: made, beatsUs });
  }

  /** Forgets the last round. */
  takeBack(): void {
    this.#rounds.pop();
  }

  get samplesUs(): readonly number[] {
    return this.#rounds.flatMap(({ calls }) => calls.map(({ us }) => us));
  }

  /** Mean and calls by input of a batch's first job; calls may be 0. */
  byInput(): readonly { readonly meanUs: number; readonly calls: number }[] {
    const all = this.#rounds.flatMap(({ calls }) => calls);
    return this.target.inputs.map((_, input) => {
      const own = all.filter((call) => call.input === input).map(({ us }) => us);
      return { meanUs: meanOf(own), calls: own.length };
    });
  }

  /** Mean of the inputs with equal weight, µs. */
  meanUs(): number {
    return meanOf(this.byInput().flatMap(({ meanUs, calls }) => (calls === 0 ? [] : [meanUs])));
  }

  /** By round, the middle half of its calls; null of a round that did not take all inputs, or without the probe. */
  levels(): (Level | null)[] {
    const { batch, inputs } = this.target;
    return this.#rounds.map(({ calls, beatsUs }) =>
      calls.length * batch < inputs.length || beatsUs.length === 0
        ? null
        : { us: middleMean(calls.map(({ us }) => us)), probeUs: middleMean(beatsUs) },
    );
  }

  /** Mean of each round, µs, as if it had had all inputs alike. */
  roundMeansUs(): number[] {
    const byInput = this.byInput();
    const mean = this.meanUs();
    return this.#rounds.map(
      ({ calls }) => mean * meanOf(calls.map(({ input, us }) => us / byInput[input].meanUs)),
    );
  }
}

/** One batch of consecutive inputs; returns its service time, µs. */
async function callOnce({ worker, batch, inputs }: ServiceTarget, first: number): Promise<number> {
  if (inputs.length === 0) {
    throw new Fault("invalid-input", `no input reaches model ${worker.model}`, {
      hint: "give inputs for which its condition holds, e.g. photographs with a car",
    });
  }
  const jobs = Array.from({ length: batch }, (_, i) => inputs[(first + i) % inputs.length]);
  return (await worker.call(jobs)).serviceUs;
}

export interface BusyWorker {
  readonly worker: Pick<ModelWorker, "call">;
  readonly inputs: readonly JobInput[];
}

/** Every level of a round, and every worker alone, runs for so long, on an input after the other. */
const LEVEL_S = 0.5;
const INPUT_S = 0.1;

/**
 * One round of the slow-down of busy replicas on this host, with 1, 2, … `workers.length` busy: each worker's mean time
 * over its mean when it runs alone without pauses, on the same inputs. Workers are taken in order: the first two make the
 * level of two.
 */
export async function contentionRound(
  workers: readonly BusyWorker[],
  seconds = LEVEL_S,
): Promise<number[]> {
  const alone: number[][] = [];
  for (const worker of workers) alone.push(...(await keepBusy([worker], seconds)));
  const levels = [1];
  for (let busy = 2; busy <= workers.length; busy++) {
    const together = await keepBusy(workers.slice(0, busy), seconds);
    const ratios = together.map((times, i) => {
      // While the last one ran, its neighbours may have ended.
      const common = Math.max(1, Math.min(times.length, alone[i].length) - 1);
      return meanOf(times.slice(0, common)) / meanOf(alone[i].slice(0, common));
    });
    levels.push(meanOf(ratios));
  }
  return levels;
}

/** Mean of the rounds, by level; no level is below the one before, as neighbours speed nothing up. */
export function contentionCurve(rounds: readonly (readonly number[])[]): number[] {
  const levels = rounds[0]?.length ?? 1;
  const curve = [1];
  for (let busy = 2; busy <= levels; busy++) {
    const mean = meanOf(rounds.map((round) => round[busy - 1]));
    curve.push(Math.max(curve[curve.length - 1], mean));
  }
  return curve;
}

/**
 * All workers run for `seconds`, a tenth on each input from the first; mean times by input, µs. They repeat a batch on
 * their own: a caller that sent each one would take part of a processor, and slow them down more than neighbours do.
 */
function keepBusy(workers: readonly BusyWorker[], seconds: number): Promise<number[][]> {
  const startMs = performance.now();
  const inputMs = Math.min(seconds, INPUT_S) * 1000;
  return Promise.all(
    workers.map(async ({ worker, inputs }) => {
      const times: number[] = [];
      for (let untilMs = inputMs; untilMs <= seconds * 1000; untilMs += inputMs) {
        const leftMs = startMs + untilMs - performance.now();
        if (times.length > 0 && leftMs <= 0) continue;
        const input = inputs[times.length % inputs.length];
        times.push((await worker.call([input], Math.max(0, leftMs) * 1000)).serviceUs);
      }
      return times;
    }),
  );
}
