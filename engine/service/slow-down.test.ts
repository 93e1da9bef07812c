import { describe, expect, test } from "vitest";
import { inPlaceFactor, knownTimes, roundTimes } from "../../scenario/compile/in-place.ts";
import { measuredService } from "../../scenario/compile/services.ts";
import { type Profile, profileSchema } from "../../scenario/schema/profile.ts";
import { workOf } from "./slow-down.ts";

const provenance = {
  kind: "measured",
  model: "m",
  device: "cpu",
  host: "h",
  runtime: "r",
  date: "2026-01-01",
};
const batch = (size: number, meanUs: number) => {
  return { batch: size, samples: 9, meanUs, halfWidth95Us: 1, quantilesUs: [meanUs] };
};
const rounds = [1, 1.1, 0.9, 1, 1.05].map((pace, i) => ({
  atS: 8 * i,
  probeUs: 700 * pace,
  aloneUs: [100 * pace, 150 * pace],
  inPlaceUs: 120 * pace,
}));
const profile: Profile = profileSchema.parse({
  schema: "tandem/profile@2",
  kind: "service",
  provenance,
  rounds,
  batches: [batch(1, 100), batch(2, 150)],
});

describe("times in place", () => {
  test("are times alone by the factor of the same round, so that the host's pace cancels", () => {
    expect(inPlaceFactor(profile)).toBeCloseTo(1.2, 9);
    expect(roundTimes(profile, 1)[1].value).toBeCloseTo(1.2 * 150 * 1.1, 9);
    const service = measuredService(profile, 2);
    expect(service.meanUs[1]).toBe(60);
    expect(service.meanUs[2]).toBe(90);
  });

  test("are those alone where no round measured the model in a pipeline", () => {
    const alone = { ...profile, rounds: rounds.map((round) => ({ ...round, inPlaceUs: null })) };
    expect(inPlaceFactor(alone)).toBe(1);
    expect(knownTimes(alone)[1]?.mean).toBeCloseTo(150, -1);
    expect(knownTimes({ batches: profile.batches })).toEqual([null, null]);
  });

  test("of a profile of version 1 are without its pilot's factor, and how well they are known is not known", () => {
    const first = profileSchema.parse({
      schema: "tandem/profile@1",
      provenance,
      servingFactor: 1.25,
      inputMeansUs: [100],
      batches: [batch(1, 125)],
    });
    expect(first).toMatchObject({ schema: "tandem/profile@2", kind: "service" });
    expect(first.batches[0]).toMatchObject({ meanUs: 100, quantilesUs: [100], halfWidth95Us: 0.8 });
    expect(first.rounds).toBeUndefined();
    expect(knownTimes(first)).toEqual([null]);
  });

  test("of a profile of an unknown kind or version are refused, and so are rounds without times", () => {
    const refused = (change: object) => profileSchema.safeParse({ ...profile, ...change }).success;
    expect(refused({})).toBe(true);
    expect(refused({ kind: "steps" })).toBe(false);
    expect(refused({ schema: "tandem/profile@3" })).toBe(false);
    expect(refused({ rounds: [{ ...rounds[0], aloneUs: [] }] })).toBe(false);
    expect(refused({ rounds: [{ ...rounds[0], inPlaceUs: -1 }] })).toBe(false);
  });
});

describe("the work of a batch", () => {
  const served = (replica: number, startUs: number, endUs: number) => ({ replica, startUs, endUs });

  test("is its time where it ran alone, and less by its neighbours' slow-down where it did not", () => {
    // The first runs 100 µs alone and 100 beside the second, the second 100 beside it and 50 alone.
    const work = workOf([served(0, 0, 200), served(1, 100, 250)], [1, 2]);
    expect(work).toEqual([150, 100]);
  });

  test("beyond the measured levels grows with the number of the busy", () => {
    const three = [0, 1, 2].map((replica) => served(replica, 0, 300));
    expect(workOf(three, [1, 2])).toEqual([100, 100, 100]);
  });

  test("of batches that follow one another at an instant is not shared", () => {
    expect(workOf([served(0, 0, 100), served(0, 100, 180)], [1, 2])).toEqual([100, 80]);
  });
});
