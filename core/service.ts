/**
 * Service times. An *estimate* is what a policy may know (the mean by batch size); a *sample* is
 * what a batch really takes. The sample is a function of a variate that belongs to the job, drawn
 * when its request arrives, so schedulers are compared on the same draws; a batch takes the time
 * that the variate of its first job selects from the distribution of its batch size.
 */
import { listOf } from "./list-of.ts";
import type { Profile } from "./profile.ts";
import type { Shape } from "./random/sampler.ts";
import type { ServiceDocument } from "./scenario/schema.ts";

export class ServiceModel {
  /** How the job's variate is drawn. */
  readonly shape: Shape;
  readonly maxBatch: number;
  /** Mean by batch size, µs; index 0 is unused. */
  readonly meanUs: Float64Array;
  /** Equally probable times by batch size, µs, ascending; null for a parametric distribution. */
  readonly quantilesUs: readonly Float64Array[] | null;
  /** A job alone takes this times its variate, rounded; NaN where it is not as simple. */
  readonly scaleUs: number;

  constructor(shape: Shape, meanUs: Float64Array, quantilesUs: readonly Float64Array[] | null) {
    this.shape = shape;
    this.meanUs = meanUs;
    this.maxBatch = meanUs.length - 1;
    this.quantilesUs = quantilesUs;
    this.scaleUs = quantilesUs === null ? meanUs[1] : Number.NaN;
  }

  /** Time of a batch, whole µs, for the variate of its first job. Sizes run 1..maxBatch. */
  sampleUs(variate: number, batch: number): number {
    const quantiles = this.quantilesUs;
    if (quantiles === null) return Math.round(this.meanUs[batch] * variate);
    const table = quantiles[batch];
    return table[Math.floor(variate * table.length)];
  }
}

/** The service model of an assumed distribution. `speed` divides every time. */
export function assumedService(document: ServiceDocument, speed: number): ServiceModel {
  const marginal = document.batch?.marginal ?? 1;
  const maxBatch = document.batch?.max ?? 64;
  const grow = (batch: number): number => (1 + marginal * (batch - 1)) / speed;
  if (document.distribution === "empirical") {
    const samples = Float64Array.from(document.samplesMs, (ms) => ms * 1000).sort();
    return fromQuantiles(perBatch(maxBatch, (batch) => samples.map((us) => us * grow(batch))));
  }
  const meanUs = new Float64Array(maxBatch + 1);
  for (let b = 1; b <= maxBatch; b++) meanUs[b] = document.meanMs * 1000 * grow(b);
  return new ServiceModel(shapeOf(document), meanUs, null);
}

/** The service model of a measured profile; sizes between measured ones are interpolated. */
export function measuredService(profile: Profile, speed: number): ServiceModel {
  const measured = [...profile.batches].sort((a, b) => a.batch - b.batch);
  const maxBatch = measured[measured.length - 1].batch;
  return fromQuantiles(
    perBatch(maxBatch, (batch) => {
      const above = measured.findIndex((entry) => entry.batch >= batch);
      const high = measured[above];
      const low = above > 0 ? measured[above - 1] : high;
      const share = high === low ? 1 : (batch - low.batch) / (high.batch - low.batch);
      return interpolate(low.quantilesUs, high.quantilesUs, share).map((us) => us / speed);
    }),
  );
}

function shapeOf(document: Exclude<ServiceDocument, { distribution: "empirical" }>): Shape {
  switch (document.distribution) {
    case "deterministic":
      return { kind: "constant" };
    case "exponential":
      return { kind: "exponential" };
    case "lognormal":
    case "gamma":
      return document.cv === 0
        ? { kind: "constant" }
        : { kind: document.distribution, cv: document.cv };
  }
}

function perBatch(maxBatch: number, table: (batch: number) => Float64Array): Float64Array[] {
  return Array.from({ length: maxBatch + 1 }, (_, batch) =>
    batch === 0 ? new Float64Array(0) : table(batch),
  );
}

function fromQuantiles(tables: readonly Float64Array[]): ServiceModel {
  const rounded = listOf(tables, (table) => table.map(Math.round));
  const meanUs = Float64Array.from(tables, (table) =>
    table.length === 0 ? 0 : table.reduce((sum, us) => sum + us, 0) / table.length,
  );
  return new ServiceModel({ kind: "uniform" }, meanUs, rounded);
}

/** Interpolates two quantile functions at equal probabilities, on the finer of the two grids. */
function interpolate(low: readonly number[], high: readonly number[], share: number): Float64Array {
  const size = Math.max(low.length, high.length);
  const at = (table: readonly number[], i: number): number =>
    table[Math.min(table.length - 1, Math.floor(((i + 0.5) / size) * table.length))];
  return Float64Array.from(
    { length: size },
    (_, i) => at(low, i) * (1 - share) + at(high, i) * share,
  );
}
