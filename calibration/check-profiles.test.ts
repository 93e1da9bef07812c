import { expect, test } from "vitest";
import { type Profile, profileSchema } from "../scenario/schema/profile.ts";
import { checkProfiles } from "./check-profiles.ts";

/** Ten rounds of a model that takes so many µs on a host whose pace goes up and down. */
function profile(meanUs: number, pace = 1): Profile {
  const rounds = Array.from({ length: 10 }, (_, i) => {
    const own = pace * (1 + 0.005 * ((i % 3) - 1));
    return { atS: 9 * i, probeUs: 700 * own, aloneUs: [meanUs * own], inPlaceUs: meanUs * own };
  });
  return profileSchema.parse({
    schema: "tandem/profile@2",
    kind: "service",
    rounds,
    provenance: {
      kind: "measured",
      model: "m",
      device: "cpu",
      host: "h",
      runtime: "r",
      date: "2026-01-01",
    },
    batches: [{ batch: 1, samples: 160, meanUs, halfWidth95Us: 1, quantilesUs: [meanUs] }],
  });
}
const stored = { detector: profile(20_000), reader: profile(50_000) };
const states = (measured: Record<string, Profile>) =>
  Object.fromEntries(checkProfiles(stored, measured).map(({ model, state }) => [model, state]));

test("profiles that still hold are fresh, also on a host whose pace the probe shows", () => {
  expect(states(stored)).toEqual({ detector: "fresh", reader: "fresh" });
});

test("a model that takes longer beside the others is stale, by name and figure", () => {
  const slow = { ...stored, reader: profile(58_000) };
  expect(states(slow)).toMatchObject({ reader: "stale" });
  const [, reader] = checkProfiles(stored, slow);
  expect(reader.reason).toMatch(/^takes 1\.16 \(\d\.\d\d to \d\.\d\d\) × its calibrated time$/);
});

test("all models that are off together are the host's doing, and cannot be told", () => {
  const slow = { detector: profile(20_000, 1.2), reader: profile(50_000, 1.2) };
  const bare = (one: Profile): Profile => ({
    ...one,
    rounds: one.rounds?.map((round) => ({ ...round, probeUs: 700 })),
  });
  const measured = { detector: bare(slow.detector), reader: bare(slow.reader) };
  const found = checkProfiles(stored, measured);
  expect(found.map(({ state }) => state)).toEqual(["cannot tell", "cannot tell"]);
  expect(found[0].reason).toMatch(/all models take 1\.20 ×/);
});
