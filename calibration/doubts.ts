/** Doubts about calibrated times: what speaks against them, kept in the profiles that it concerns. */

import { knownTimes } from "../scenario/compile/in-place.ts";
import type { OverheadProfile, Profile } from "../scenario/schema/profile.ts";
import { percent } from "./host.ts";

/** Half width of a mean's 95% interval, as a share of it: the usual tolerance of a judgement. */
const UNSURE = 0.05;

export interface CalibratedSides {
  /** By model name and kind of device. */
  readonly deviceProfiles: Readonly<Record<string, Readonly<Record<string, Profile>>>>;
  readonly overheadProfile: OverheadProfile;
  /** Why figures may not hold. */
  readonly doubts: readonly string[];
}

/**
 * Names what speaks against the times: what disturbed this machine, the runs in place, and means that are known too
 * roughly. Each profile keeps what concerns it, for those who predict by it; machines of another kind than `local` have a load of
 * their own.
 */
export function withDoubts(
  { deviceProfiles, overheadProfile, doubts: ofPipeline }: CalibratedSides,
  ofHost: readonly string[],
  kind = "local",
): CalibratedSides {
  const ofServing = [...ofHost, ...ofPipeline];
  const doubts = [...ofServing];
  const told: Record<string, Record<string, Profile>> = {};
  for (const [model, byDevice] of Object.entries(deviceProfiles)) {
    told[model] = {};
    for (const [device, profile] of Object.entries(byDevice)) {
      const unsure = unsureTimes(model, profile);
      doubts.push(...unsure);
      told[model][device] = doubted(profile, [
        ...(kind === "local" ? ofHost : []),
        ...ofPipeline,
        ...unsure,
      ]);
    }
  }
  return { deviceProfiles: told, overheadProfile: doubted(overheadProfile, ofServing), doubts };
}

function unsureTimes(model: string, profile: Profile): string[] {
  const known = knownTimes(profile);
  return profile.batches.flatMap(({ batch, meanUs, halfWidth95Us }, i) => {
    const width = known[i]?.relativeHalfWidth95 ?? halfWidth95Us / meanUs;
    return width > UNSURE ? [`${model}, batch ${batch}, is known to ±${percent(width)} only`] : [];
  });
}

function doubted<Of extends Profile | OverheadProfile>(profile: Of, doubts: string[]): Of {
  if (doubts.length === 0) return profile;
  return { ...profile, provenance: { ...profile.provenance, doubts } };
}
