/**
 * Service times of real models, by batch size. All models and sizes are measured in turn, one call
 * each, with a random pause between calls, so that caches and clocks are in the state that a
 * server under moderate load finds them in, and a slow minute of the machine hits all alike.
 */
import { Fault } from "../core/fault.ts";
import { RandomStream } from "../core/random/stream.ts";
import type { JobInput, ModelWorker } from "./model-worker.ts";
import { StratifiedSamples } from "./stratified-samples.ts";

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

export interface MeasureOptions {
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

/** Samples of each target, in the targets' order. */
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
