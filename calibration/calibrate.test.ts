import { expect, test } from "vitest";
import { profileSchema } from "../core/profile.ts";
import { doubtsOf } from "./calibrate.ts";

test("a mean that is known too roughly is a doubt about the calibration", () => {
  const profile = (halfWidth95Us: number) =>
    profileSchema.parse({
      schema: "tandem/profile@1",
      provenance: {
        model: "m",
        device: "d",
        host: "h",
        runtime: "r",
        date: "2026-01-01",
        kind: "measured",
      },
      batches: [{ batch: 1, samples: 22, meanUs: 1000, halfWidth95Us, quantilesUs: [1000] }],
    });
  const untold = { othersRatio: null, hinderedRatio: null, stealRatio: null };
  const profiles = { sure: { cpu: profile(40) }, rough: { cpu: profile(40), gpu: profile(150) } };
  expect(doubtsOf(profiles, untold)).toEqual(["rough, batch 1, is known to ±15% only"]);
});
