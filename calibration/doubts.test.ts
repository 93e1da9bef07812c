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
  const untold = { othersRatio: null, hinderedRatio: null, stealRatio: null };
  const found = withDoubts({ deviceProfiles, overheadProfile, doubts: [] }, untold);
  expect(found.doubts).toEqual([ROUGH]);
  expect(found.deviceProfiles.rough.gpu.provenance.doubts).toEqual([ROUGH]);
  expect([found.deviceProfiles.sure, found.deviceProfiles.rough.cpu]).toEqual([
    deviceProfiles.sure,
    deviceProfiles.rough.cpu,
  ]);
  expect(found.overheadProfile).toEqual(overheadProfile);
});

test("a busy host and a disturbed pilot are doubts about each profile, which stays a profile", () => {
  const busy = { othersRatio: 0.2, hinderedRatio: 0.1, stealRatio: 0.05 };
  const found = withDoubts({ deviceProfiles, overheadProfile, doubts: ["in the pilot"] }, busy);
  const [others, steal, pilot] = found.doubts;
  expect(pilot).toBe("in the pilot");
  expect(others).toContain("other programs used 20%");
  expect(steal).toContain("the hypervisor took 5.0%");
  expect(found.doubts.slice(3)).toEqual([ROUGH]);
  expect(profileSchema.parse(found.deviceProfiles.sure.cpu).provenance.doubts).toEqual([
    others,
    steal,
    pilot,
  ]);
  expect(overheadProfileSchema.parse(found.overheadProfile).provenance.doubts).toEqual([
    others,
    steal,
    pilot,
  ]);
  const elsewhere = withDoubts({ deviceProfiles, overheadProfile, doubts: ["p"] }, busy, "ssh");
  expect(elsewhere.deviceProfiles.sure.cpu.provenance.doubts).toEqual(["p"]);
  expect(elsewhere.overheadProfile.provenance.doubts).toEqual([others, steal, "p"]);
});
