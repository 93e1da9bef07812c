import { expect, test } from "vitest";
import { overheadProfileSchema, profileSchema } from "../scenario/schema/profile.ts";
import { withDoubts } from "./doubts.ts";

const provenance = {
  kind: "measured",
  model: "m",
  device: "d",
  host: "h",
  runtime: "r",
  date: "2026-01-01",
};
const profile = (halfWidth95Us: number) =>
  profileSchema.parse({
    schema: "tandem/profile@1",
    provenance,
    batches: [{ batch: 1, samples: 22, meanUs: 1000, halfWidth95Us, quantilesUs: [1000] }],
  });
const overheadProfile = overheadProfileSchema.parse({
  schema: "tandem/overhead@1",
  provenance,
  clientRoundTripUs: [1],
  workerRoundTripUs: [1],
  contention: [1],
  gateway: { arrivalUs: 0, dispatchUs: 0, completionUs: 0 },
});
const deviceProfiles = {
  sure: { cpu: profile(40) },
  rough: { cpu: profile(40), gpu: profile(150) },
};
const ROUGH = "rough, batch 1, is known to ±15% only";

test("a mean that is known too roughly is a doubt about the calibration, and about its profile alone", () => {
  const found = withDoubts({ deviceProfiles, overheadProfile, doubts: [] }, []);
  expect(found.doubts).toEqual([ROUGH]);
  expect(found.deviceProfiles.rough.gpu.provenance.doubts).toEqual([ROUGH]);
  expect([found.deviceProfiles.sure, found.deviceProfiles.rough.cpu]).toEqual([
    deviceProfiles.sure,
    deviceProfiles.rough.cpu,
  ]);
  expect(found.overheadProfile).toEqual(overheadProfile);
});

test("a busy host and a disturbed pilot are doubts about each profile, which stays a profile", () => {
  const busy = ["5 of 12 rounds were disturbed; in the last, the host stood still for 80 ms"];
  const found = withDoubts({ deviceProfiles, overheadProfile, doubts: ["in the pilot"] }, busy);
  const doubts = [...busy, "in the pilot"];
  expect(found.doubts).toEqual([...doubts, ROUGH]);
  expect(profileSchema.parse(found.deviceProfiles.sure.cpu).provenance.doubts).toEqual(doubts);
  expect(overheadProfileSchema.parse(found.overheadProfile).provenance.doubts).toEqual(doubts);
  const elsewhere = withDoubts({ deviceProfiles, overheadProfile, doubts: ["p"] }, busy, "ssh");
  expect(elsewhere.deviceProfiles.sure.cpu.provenance.doubts).toEqual(["p"]);
  expect(elsewhere.overheadProfile.provenance.doubts).toEqual([...busy, "p"]);
});
