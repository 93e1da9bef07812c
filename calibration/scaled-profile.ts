/** Service times, measured or assumed, with every time multiplied by a factor. */
import type { Profile } from "../core/profile.ts";
import type { ServiceDocument } from "../core/scenario/schema.ts";

export function scaledProfile(profile: Profile, factor: number): Profile {
  const batches = profile.batches.map((entry) => ({
    ...entry,
    meanUs: entry.meanUs * factor,
    halfWidth95Us: entry.halfWidth95Us * factor,
    quantilesUs: entry.quantilesUs.map((us) => us * factor),
  }));
  return { ...profile, batches };
}

export function scaledService(service: ServiceDocument, factor: number): ServiceDocument {
  if (service.distribution === "empirical") {
    return { ...service, samplesMs: service.samplesMs.map((ms) => ms * factor) };
  }
  return { ...service, meanMs: service.meanMs * factor };
}
