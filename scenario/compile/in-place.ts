/** Times of measured profiles in their place in a pipeline, by round (`engine/service/slow-down.ts` has the model). */
import {
  type DriftingMean,
  driftingMean,
  type RoundValue,
} from "../../engine/statistics/drifting-mean.ts";
import { meanOf } from "../../engine/statistics/estimate.ts";
import type { Profile } from "../schema/profile.ts";

/** 1 where no round measured the model in a pipeline. */
export function inPlaceFactor({ rounds = [] }: Pick<Profile, "rounds">): number {
  const logs = rounds.flatMap(({ aloneUs: [first], inPlaceUs }) =>
    first === null || first === undefined || inPlaceUs === null
      ? []
      : [Math.log(inPlaceUs / first)],
  );
  return logs.length === 0 ? 1 : Math.exp(meanOf(logs));
}

/**
 * Times of the batch at `index` of the profile by round, as predictions use them. The in-place factor is that of the
 * round, or of all rounds where the round has none.
 */
export function roundTimes(profile: Pick<Profile, "rounds">, index: number): RoundValue[] {
  const usual = inPlaceFactor(profile);
  return (profile.rounds ?? []).flatMap(({ atS, aloneUs, inPlaceUs }) => {
    const [alone, first] = [aloneUs[index], aloneUs[0]];
    if (alone === null || alone === undefined) return [];
    const factor = first === null || inPlaceUs === null ? usual : inPlaceUs / first;
    return [{ atS, value: alone * factor }];
  });
}

/** Mean time of a batch in place, by entry of `batches`, with the doubt of its rounds; null: not known. */
export function knownTimes(profile: {
  readonly rounds?: Profile["rounds"];
  readonly batches: readonly unknown[];
}): readonly (DriftingMean | null)[] {
  if (profile.rounds === undefined) return profile.batches.map(() => null);
  return profile.batches.map((_, index) => driftingMean(roundTimes(profile, index)));
}
