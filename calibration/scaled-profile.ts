/** A profile with every time multiplied by a factor. */
import type { Profile } from "../core/profile.ts";

export function scaledProfile(profile: Profile, factor: number): Profile {
  const batches = profile.batches.map((entry) => ({
    ...entry,
    meanUs: entry.meanUs * factor,
    halfWidth95Us: entry.halfWidth95Us * factor,
    quantilesUs: entry.quantilesUs.map((us) => us * factor),
  }));
  return { ...profile, batches };
}
