/** A profile from times that another tool measured: `tandem import`. */
import type { Profile } from "../core/profile.ts";
import { estimate, meanOf, studentT } from "../core/statistics/estimate.ts";
import type { ForeignTimes, Spread } from "./foreign-times.ts";
import { equalShareMeans, MAX_QUANTILES } from "./message-costs.ts";

export interface ImportedFrom {
  readonly model: string;
  readonly device: string;
  /** Name of the file, and its SHA-256. */
  readonly source: string;
  readonly date: string;
}

/** Quantiles drawn from a shape that is known by a few figures. */
const SHAPE_QUANTILES = 100;

export function importedProfile(times: ForeignTimes, from: ImportedFrom): Profile {
  return {
    schema: "tandem/profile@1",
    provenance: {
      kind: "imported",
      model: from.model,
      modelFiles: [],
      device: from.device,
      host: "not known",
      runtime: times.format,
      date: from.date,
      source: from.source,
    },
    batches: times.batches.map(({ batch, samples, meanUs, spread }) => {
      const quantilesUs = withMean(quantiles(meanUs, spread), meanUs);
      return {
        batch,
        // At least one call was measured; how many, few files say.
        samples: samples ?? 1,
        meanUs,
        // The half width takes the times as independent; it is 0 where their number or spread is not known.
        halfWidth95Us: spread.kind === "samples" ? estimate(spread.us).halfWidth95 : 0,
        quantilesUs,
      };
    }),
  };
}

function quantiles(meanUs: number, spread: Spread): number[] {
  switch (spread.kind) {
    case "none":
      return [meanUs];
    case "samples":
      return equalShareMeans(spread.us, MAX_QUANTILES);
    case "deviation":
      return spread.us === 0 ? [meanUs] : lognormal(spread.us / meanUs).map((x) => x * meanUs);
    case "percentiles":
      return spread.points.length === 0 ? [meanUs] : between(spread.points);
  }
}

/** Mid-point quantiles of a log-normal time with this coefficient of variation, but for a factor. */
function lognormal(cv: number): number[] {
  const sigma = Math.sqrt(Math.log1p(cv * cv));
  return midPoints().map((share) => Math.exp(sigma * normalQuantile(share)));
}

/** Student's t with a thousand degrees of freedom is normal to a thousandth. */
function normalQuantile(share: number): number {
  if (share === 0.5) return 0;
  return share < 0.5 ? -studentT(1001, share) : studentT(1001, 1 - share);
}

/** Linear between the known percentiles; flat below the first and above the last. */
function between(points: readonly (readonly [number, number])[]): number[] {
  return midPoints().map((share) => {
    const above = points.findIndex(([at]) => at >= share);
    if (above === 0) return points[0][1];
    if (above < 0) return points[points.length - 1][1];
    const [[lowAt, lowUs], [highAt, highUs]] = [points[above - 1], points[above]];
    return lowUs + ((highUs - lowUs) * (share - lowAt)) / (highAt - lowAt);
  });
}

function midPoints(): number[] {
  return Array.from({ length: SHAPE_QUANTILES }, (_, i) => (i + 0.5) / SHAPE_QUANTILES);
}

/** The shape is kept, the mean is the measured one: predictions of utilisation rest on it. */
function withMean(shape: readonly number[], meanUs: number): number[] {
  const mean = meanOf(shape);
  return shape.map((one) => (one * meanUs) / mean);
}
