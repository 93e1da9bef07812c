/**
 * How a batch's time grows with the sizes of its inputs. A model's times are those of its reference
 * size; for others they are multiplied by
 *
 *   fixedShare + (1 − fixedShare) × load,   load of one input = (size / reference) ^ exponent,
 *
 * and the load of a batch is the mean of its inputs' (`sum`: each does its own work) or the largest (`max`:
 * all are padded to the longest).
 */
import { power } from "./power.ts";
import { ValueSampler } from "./random/value-sampler.ts";
import type { WorkloadDocument } from "./scenario/schema.ts";
import type { ServiceModel } from "./service.ts";

export interface InputScaling {
  readonly reference: number;
  readonly fixedShare: number;
  readonly exponent: number;
  readonly batch: "sum" | "max";
}

/** Sizes of a run's requests, in order of arrival. */
export interface SizeSource {
  next(): number;
}

/** Null where the workload has no sizes. `traceSizes` are those of a trace's rows. */
export function sizeSource(
  workload: WorkloadDocument,
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

/** The share of a model's time at the reference size that a load takes. */
export function timeFactor({ fixedShare }: InputScaling, load: number): number {
  return fixedShare + (1 - fixedShare) * load;
}

export function loadOf({ reference, exponent }: InputScaling, size: number): number {
  const relative = size / reference;
  return power(relative, exponent);
}

/** A service model of one replica whose next batch takes `factor` times as long as at reference size. */
export class SizedService implements ServiceModel {
  readonly shape: ServiceModel["shape"];
  readonly maxBatch: number;
  /** Over the workload's sizes. */
  readonly meanUs: Float64Array;
  readonly quantilesUs: ServiceModel["quantilesUs"];
  readonly scaleUs = Number.NaN;
  factor = 1;
  readonly #reference: ServiceModel;

  /** `meanFactors[b]` is the mean factor of a batch of b. */
  constructor(reference: ServiceModel, meanFactors: readonly number[]) {
    this.shape = reference.shape;
    this.maxBatch = reference.maxBatch;
    this.quantilesUs = reference.quantilesUs;
    this.meanUs = reference.meanUs.map((us, batch) => us * (meanFactors[batch] ?? 1));
    this.#reference = reference;
  }

  sampleUs(variate: number, batch: number): number {
    return Math.round(this.#reference.sampleUs(variate, batch) * this.factor);
  }
}

const SAMPLE = 4096;

/**
 * Mean factors of batches 0..maxBatch over a workload's sizes: what a policy may expect. The largest of
 * b of n sorted values is the i-th with probability (i^b − (i − 1)^b) / n^b.
 */
export function meanFactors(
  scaling: InputScaling,
  workload: WorkloadDocument,
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
