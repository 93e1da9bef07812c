/**
 * What the requests of a real run met, in place of what would be drawn for them: trace-driven simulation. Source: Law,
 * Simulation Modeling and Analysis, 5th ed., 2015, section 5.5 (the correlated-inspection approach).
 */
import { WHEN_HOLDS } from "../engine/requests/draws.ts";

/** A task of one request, by its place in its pipeline. */
export interface TracedJob {
  readonly task: number;
  /** Whether it was to run, by its condition and by caches; absent: nobody asked. */
  readonly holds?: boolean;
  /**
   * Work of the batch that it ran in, over the mean time of a batch of that size; negated where the model's times are a
   * table, which `ServiceModel.sampleUs` then leaves aside. Absent: it did not run.
   */
  readonly variate?: number;
}

/** In order of arrival; requests beyond the last are drawn. */
export type RequestTrace = readonly (readonly TracedJob[])[];

/** Puts one request's trace over its draws, from job `base` on, of which each has `width` variates. */
export function placeTrace(
  jobs: readonly TracedJob[],
  base: number,
  { flags, variates, width }: { flags: Uint8Array; variates: Float64Array; width: number },
): void {
  for (const { task, holds, variate } of jobs) {
    if (holds !== undefined) flags[base + task] = holds ? WHEN_HOLDS : 0;
    if (variate !== undefined)
      variates.fill(variate, (base + task) * width, (base + task + 1) * width);
  }
}
