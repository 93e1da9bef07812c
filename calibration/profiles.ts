/** Provenance and quantiles of profiles, whose times were measured here or by another tool. */
import { hostLine } from "../cluster/worker/host-line.ts";
import { estimate, meanOf, studentT } from "../engine/statistics/estimate.ts";
import type { OverheadProfile, Profile } from "../scenario/schema/profile.ts";
import type { StepProfile } from "../scenario/schema/step-profile.ts";
import type { ForeignTimes, Spread } from "./foreign/times.ts";

export function measuredHere(
  model: string,
  runtime: string,
  device: string,
  date: string,
): OverheadProfile["provenance"] {
  return { kind: "measured", model, modelFiles: [], device, host: hostLine(), runtime, date };
}

/** Most quantiles that a profile keeps for one batch size. */
export const MAX_QUANTILES = 200;

/** At most `count` ascending values, each the mean of an equal share of the sorted samples; all samples if they are few. */
export function equalShareMeans(samples: readonly number[], count: number): number[] {
  const sorted = [...samples].sort((a, b) => a - b);
  if (sorted.length <= count) return sorted.map(Math.round);
  const cumulative = [0];
  for (const value of sorted) cumulative.push(cumulative[cumulative.length - 1] + value);
  const share = sorted.length / count;
  // The last share may end a little beyond the last sample, by rounding.
  const upTo = (shares: number): number => {
    const at = Math.min(shares * share, sorted.length);
    const whole = Math.floor(at);
    const rest = at - whole;
    return cumulative[whole] + (rest > 0 ? rest * sorted[whole] : 0);
  };
  return Array.from({ length: count }, (_, i) => Math.round((upTo(i + 1) - upTo(i)) / share));
}

export interface ImportedFrom {
  readonly model: string;
  readonly device: string;
  /** Name of the file, and its SHA-256. */
  readonly source: string;
  readonly date: string;
}

/** Quantiles drawn from a shape that is known by a few figures. */
const SHAPE_QUANTILES = 100;

function importedHere(
  { model, device, source, date }: ImportedFrom,
  runtime: string,
): Profile["provenance"] {
  const host = "not known";
  return { kind: "imported", model, modelFiles: [], device, host, runtime, date, source };
}

export function importedSteps(times: StepProfile["times"], from: ImportedFrom): StepProfile {
  return {
    schema: "tandem/step-profile@1",
    provenance: importedHere(from, "not known"),
    times,
  };
}

export function importedProfile(times: ForeignTimes, from: ImportedFrom): Profile {
  return {
    schema: "tandem/profile@2",
    kind: "service",
    provenance: importedHere(from, times.format),
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
