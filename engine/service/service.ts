/**
 * Service times. An *estimate* is what a policy may know (the mean by batch size); a *sample* is
 * what a batch really takes. The sample is a function of a variate that belongs to the job, drawn
 * when its request arrives, so schedulers are compared on the same draws; a batch takes the time
 * that the variate of its first job selects from the distribution of its batch size.
 */
// Hot path: see docs/hot-path.md

import { power } from "../random/elementary-functions.ts";
import { type Shape, type Value, ValueSampler } from "../random/sampler.ts";

export class ServiceModel {
  /** The distribution of the job's variate. */
  readonly shape: Shape;
  readonly maxBatch: number;
  /** Mean by batch size, µs; index 0 is unused. */
  readonly meanUs: Float64Array;
  /** Equally probable times by batch size, µs, ascending; null for a parametric distribution. */
  readonly quantilesUs: readonly Float64Array[] | null;
  /** The time of a single job is this times its variate, rounded; NaN where the formula is another. */
  readonly scaleUs: number;

  constructor(shape: Shape, meanUs: Float64Array, quantilesUs: readonly Float64Array[] | null) {
    this.shape = shape;
    this.meanUs = meanUs;
    this.maxBatch = meanUs.length - 1;
    this.quantilesUs = quantilesUs;
    this.scaleUs = quantilesUs === null ? meanUs[1] : Number.NaN;
  }

  /**
   * Time of a batch, whole µs, for the variate of its first job; of a variate below 0, which was measured, as many times
   * the mean. Sizes run 1..maxBatch.
   */
  sampleUs(variate: number, batch: number): number {
    if (variate < 0) return Math.round(this.meanUs[batch] * -variate);
    const quantiles = this.quantilesUs;
    if (quantiles === null) return Math.round(this.meanUs[batch] * variate);
    const table = quantiles[batch];
    return table[Math.floor(variate * table.length)];
  }
}

/**
 * The growth of a batch's time with the sizes of its inputs. A model's times are those of its reference
 * size; for others they are multiplied by
 *
 *   fixedShare + (1 − fixedShare) × load,   load of one input = (size / reference) ^ exponent,
 *
 * and the load of a batch is the mean of its inputs' (`sum`: each does its own work) or the largest (`max`:
 * all are padded to the longest).
 */
export interface InputScaling {
  readonly reference: number;
  readonly fixedShare: number;
  readonly exponent: number;
  readonly batch: "sum" | "max";
}

interface SizedWorkload {
  readonly inputSize?: Value | undefined;
}

/** Sizes of a run's requests, in order of arrival. */
export interface SizeSource {
  next(): number;
}

/** Null where the workload has no sizes. `traceSizes` are by row of a trace. */
export function sizeSource(
  workload: SizedWorkload,
  seed: string,
  traceSizes: readonly number[] | null,
): SizeSource | null {
  if (workload.inputSize !== undefined) {
    return new ValueSampler(workload.inputSize, seed, "input-size");
  }
  if (traceSizes === null) return null;
  let taken = 0;
  return { next: () => traceSizes[taken++ % traceSizes.length] };
}

/** A load's time over the time at the reference size. */
export function timeFactor({ fixedShare }: InputScaling, load: number): number {
  return fixedShare + (1 - fixedShare) * load;
}

export function loadOf({ reference, exponent }: InputScaling, size: number): number {
  const relative = size / reference;
  return power(relative, exponent);
}

/** A service model of one replica whose samples depend on the inputs of a batch, or on a slow node. */
export class VariableService implements ServiceModel {
  readonly shape: Shape;
  readonly maxBatch: number;
  /** Means over the workload's sizes; a slow node does not change them, as no policy knows of it. */
  readonly meanUs: Float64Array;
  /** Means at the reference size. */
  readonly referenceUs: Float64Array;
  readonly quantilesUs: ServiceModel["quantilesUs"];
  readonly scaleUs = Number.NaN;
  /** Factor of the next batch's inputs. */
  factor = 1;
  /** Factor of a batch that starts now on a slow node. */
  slowdown = 1;
  readonly #reference: ServiceModel;

  /** `meanFactors[b]` is the mean factor of a batch of b; default: 1. */
  constructor(reference: ServiceModel, meanFactors: readonly number[] = []) {
    this.shape = reference.shape;
    this.maxBatch = reference.maxBatch;
    this.quantilesUs = reference.quantilesUs;
    this.referenceUs = reference.meanUs;
    this.meanUs = reference.meanUs.map((us, batch) => us * (meanFactors[batch] ?? 1));
    this.#reference = reference;
  }

  sampleUs(variate: number, batch: number): number {
    const us = Math.round(this.#reference.sampleUs(variate, batch) * this.factor);
    return Math.round(us * this.slowdown);
  }
}

const SAMPLE = 4096;

/**
 * Mean factors of batches 0..maxBatch over a workload's sizes: a policy may expect them. The largest of
 * b of n sorted values is the i-th with probability (i^b − (i − 1)^b) / n^b.
 */
export function meanFactors(
  scaling: InputScaling,
  workload: SizedWorkload,
  traceSizes: readonly number[] | null,
  maxBatch: number,
): number[] {
  const source = sizeSource(workload, "estimate", traceSizes);
  if (source === null) return new Array<number>(maxBatch + 1).fill(1);
  const count = workload.inputSize === undefined ? (traceSizes?.length ?? 1) : SAMPLE;
  const loads = Float64Array.from({ length: count }, () => loadOf(scaling, source.next())).sort();
  const mean = loads.reduce((sum, load) => sum + load, 0) / count;
  return Array.from({ length: maxBatch + 1 }, (_, b) => {
    if (scaling.batch === "sum" || b <= 1) return timeFactor(scaling, mean);
    const largest = loads.reduce(
      (sum, load, i) => sum + load * (power((i + 1) / count, b) - power(i / count, b)),
      0,
    );
    return timeFactor(scaling, largest);
  });
}
