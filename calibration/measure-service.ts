/**
 * Service times of real models, by batch size. All models and sizes are measured in turn, one call
 * each, with a random pause between calls, so that caches and clocks are in the state that a
 * server under moderate load finds them in, and a slow minute of the machine hits all alike.
 */
import { Fault } from "../core/fault.ts";
import { RandomStream } from "../core/random/stream.ts";
import type { Estimate } from "../core/results.ts";
import { estimate, meanOf, studentT975 } from "../core/statistics/estimate.ts";
import type { JobInput, ModelWorker } from "./model-worker.ts";

export interface ServiceTarget {
  readonly worker: Pick<ModelWorker, "model" | "call">;
  readonly batch: number;
  readonly inputs: readonly JobInput[];
}

export interface ServiceSamples {
  readonly batch: number;
  readonly samplesUs: readonly number[];
  readonly meanUs: number;
  readonly halfWidth95Us: number;
  /** Mean of each input, in their order; null where some were not called. */
  readonly inputMeansUs: readonly number[] | null;
}

interface MeasureOptions {
  /** Wanted half width of the mean's 95% interval, as a share of the mean. */
  readonly precision: number;
  /** Bound on the whole measurement, seconds. */
  readonly maxSeconds: number;
  readonly onProgress?: (done: number, total: number) => void;
}

const WARMUP_CALLS = 5;
/** Longest pause after a call, as a multiple of its time per job: a third of the time is busy. */
const LONGEST_PAUSE = 4;
const MIN_SAMPLES = 30;
/** Spread over this many rounds through the inputs, so that a passing slow spell is averaged out. */
const MIN_PER_INPUT = 4;

export async function measureService(
  targets: readonly ServiceTarget[],
  options: MeasureOptions,
): Promise<ServiceSamples[]> {
  const pauses = new RandomStream("calibration", "pauses");
  const samples = targets.map((): StratifiedSamples => new StratifiedSamples());
  for (const target of targets) {
    for (let i = 0; i < WARMUP_CALLS; i++) await callOnce(target, i);
  }
  const deadline = performance.now() + options.maxSeconds * 1000;
  for (let round = 0; performance.now() < deadline; round++) {
    const open = targets.filter((_, i) => !isPrecise(samples[i], options.precision));
    options.onProgress?.(targets.length - open.length, targets.length);
    if (open.length === 0) break;
    for (const [i, target] of targets.entries()) {
      if (isPrecise(samples[i], options.precision)) continue;
      const us = await callOnce(target, round);
      samples[i].add((round * target.batch) % target.inputs.length, us);
      await pauseAfter(us / target.batch, pauses);
    }
  }
  return targets.map((target, i) => {
    const { mean, halfWidth95 } = samples[i].estimate();
    return {
      batch: target.batch,
      samplesUs: samples[i].all,
      meanUs: mean,
      halfWidth95Us: halfWidth95,
      inputMeansUs: samples[i].inputMeans(target.inputs.length),
    };
  });
}

function isPrecise(samples: StratifiedSamples, precision: number): boolean {
  if (samples.all.length < MIN_SAMPLES || samples.leastPerInput() < MIN_PER_INPUT) return false;
  const { mean, halfWidth95 } = samples.estimate();
  return halfWidth95 <= precision * mean;
}

/** Leaves the processor in peace for a random while after a call that took so long for each job. */
export async function pauseAfter(us: number, pauses: RandomStream): Promise<void> {
  const pauseMs = (pauses.uniform() * LONGEST_PAUSE * us) / 1000;
  await new Promise((resolve) => setTimeout(resolve, pauseMs));
}

/** One batch of consecutive inputs; returns its service time, µs. */
export async function callOnce(
  { worker, batch, inputs }: ServiceTarget,
  round: number,
): Promise<number> {
  if (inputs.length === 0) {
    throw new Fault("invalid-input", `no input reaches model ${worker.model}`, {
      hint: "give inputs for which its condition holds, e.g. photographs with a car",
    });
  }
  const jobs = Array.from({ length: batch }, (_, i) => inputs[(round * batch + i) % inputs.length]);
  return (await worker.call(jobs)).serviceUs;
}

/**
 * Samples by input. A measurement goes through a fixed set of inputs in turn, so the difference between
 * inputs is known and no noise: the mean's uncertainty is that of each input's own mean.
 * Source: stratified sampling, Cochran, Sampling Techniques, 1977, section 5.3.
 */
export class StratifiedSamples {
  readonly all: number[] = [];
  readonly #byInput = new Map<number, number[]>();

  add(input: number, value: number): void {
    this.all.push(value);
    const own = this.#byInput.get(input);
    if (own === undefined) this.#byInput.set(input, [value]);
    else own.push(value);
  }

  leastPerInput(): number {
    return Math.min(...[...this.#byInput.values()].map((stratum) => stratum.length));
  }

  /** Means of inputs 0 to `count` − 1; null where one has no sample. */
  inputMeans(count: number): readonly number[] | null {
    const means = Array.from({ length: count }, (_, input) => {
      return meanOf(this.#byInput.get(input) ?? []);
    });
    return means.some(Number.isNaN) ? null : means;
  }

  /** Mean over the inputs with equal weight; of all samples alike until each input has two. */
  estimate(): Estimate {
    const strata = [...this.#byInput.values()];
    if (strata.length < 2 || strata.some((stratum) => stratum.length < 2)) {
      return estimate(this.all);
    }
    let sum = 0;
    let variance = 0;
    let freedom = 0;
    for (const stratum of strata) {
      const n = stratum.length;
      const mean = meanOf(stratum);
      const squares = stratum.reduce((total, value) => total + (value - mean) ** 2, 0);
      sum += mean;
      variance += squares / (n - 1) / n;
      freedom += n - 1;
    }
    const count = strata.length;
    return {
      mean: sum / count,
      halfWidth95: (studentT975(freedom) * Math.sqrt(variance)) / count,
    };
  }
}

export interface BusyWorker {
  readonly worker: ModelWorker;
  readonly inputs: readonly JobInput[];
}

interface Spent {
  us: number;
  calls: number;
}

/**
 * Slow-down of busy replicas on this host, with 1, 2, ... `workers.length` busy, each >= 1 and none
 * below the one before: each worker's mean time over its mean when it runs alone. The levels take
 * turns, so that a host that drifts slows them all alike. Every level, and every worker alone, runs
 * `seconds` in each of `rounds` rounds. Workers are taken in order: the first two make the level of
 * two.
 */
export async function measureContention(
  workers: readonly BusyWorker[],
  rounds: number,
  seconds: number,
): Promise<number[]> {
  const fresh = (): Spent[] => workers.map(() => ({ us: 0, calls: 0 }));
  const alone = fresh();
  const together = workers.map(fresh);
  for (let round = 0; round < rounds; round++) {
    for (const [i, worker] of workers.entries()) await keepBusy([worker], [alone[i]], seconds);
    for (let busy = 2; busy <= workers.length; busy++) {
      await keepBusy(workers.slice(0, busy), together[busy - 1], seconds);
    }
  }
  const curve = [1];
  for (let busy = 2; busy <= workers.length; busy++) {
    const ratios = workers
      .slice(0, busy)
      .map((_, i) => meanUs(together[busy - 1][i]) / meanUs(alone[i]));
    curve.push(Math.max(curve[curve.length - 1], meanOf(ratios)));
  }
  return curve;
}

function meanUs({ us, calls }: Spent): number {
  return us / calls;
}

/** All workers run for `seconds`, each at least once; what they spent is added up. */
async function keepBusy(
  workers: readonly BusyWorker[],
  spent: readonly Spent[],
  seconds: number,
): Promise<void> {
  const until = performance.now() + seconds * 1000;
  await Promise.all(
    workers.map(async ({ worker, inputs }, i) => {
      do {
        const { serviceUs } = await worker.call([inputs[spent[i].calls % inputs.length]]);
        spent[i].us += serviceUs;
        spent[i].calls++;
      } while (performance.now() < until);
    }),
  );
}
