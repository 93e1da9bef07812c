import { expect, test } from "vitest";
import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import { type OverheadProfile, profileSchema } from "../core/profile.ts";
import { scenarioSchema } from "../core/scenario/schema.ts";
import { IS_LONG } from "../core/test-form.test-support.ts";
import { runPilot, servingFactors } from "./pilot.ts";

const MEAN_US = 1000;
const provenance: OverheadProfile["provenance"] = {
  ...{ model: "m", modelFiles: [], device: "cpu", host: "h" },
  ...{ runtime: "r", date: "2025-01-01" },
  kind: "measured",
};
const profile = profileSchema.parse({
  ...{ schema: "tandem/profile@1", provenance },
  batches: [{ batch: 1, samples: 1, meanUs: MEAN_US, halfWidth95Us: 0, quantilesUs: [MEAN_US] }],
});
const document = scenarioSchema.parse({
  name: "s",
  pipelines: { p: { tasks: { a: { model: "m" }, b: { model: "m", after: ["a"] } } } },
  models: { m: { profile: "m", implementation: { name: "no-op" } } },
  cluster: { replicas: { a: 1, b: 1 } },
  workload: { arrivals: "poisson", ratePerS: 20, requests: 50 },
});
const inputs = { profiles: { m: profile }, traces: {} };

test("a serving factor is measured over simulated time at the pace that the host had", () => {
  const served = (aMs: number, bMs: number) => ({
    a: { serviceMeanMs: aMs },
    b: { serviceMeanMs: bMs },
  });
  const factor = (pace: Readonly<Record<string, number>>, aMs: number, bMs = aMs) =>
    servingFactors(document, inputs, served(aMs, bMs), pace).m;
  expect(factor({}, 1.5)).toBeCloseTo(1.5, 9);
  expect(factor({ a: 1.25, b: 1.25 }, 1.5)).toBeCloseTo(1.2, 9);
  expect(factor({ a: 0.8, b: 0.8 }, 1.5)).toBeCloseTo(1.875, 9);
  expect(factor({ a: 1, b: 1 }, 1.1, 1.4), "the slower task of a model counts").toBeCloseTo(1.4, 9);
  expect(factor({ a: 2, b: 2 }, 1.5), "serving may speed a model up").toBeCloseTo(0.75, 9);
  expect(factor({}, Number.NaN), "a task that never ran tells nothing").toBeUndefined();
  expect(factor({}, 0.9, Number.NaN), "nor does it count beside one that ran").toBeCloseTo(0.9, 9);
});

// Four bursts and two deployments.
test.runIf(IS_LONG)("a host that drifts gets one more pilot, and no third", async () => {
  const overheadProfile: OverheadProfile = {
    ...{ schema: "tandem/overhead@1", provenance, contention: [1, 1] },
    ...{ clientRoundTripUs: [0], workerRoundTripUs: [0] },
    gateway: { arrivalUs: 0, dispatchUs: 0, completionUs: 0 },
  };
  const worker = {
    model: "m",
    call: async () => ({ outputs: [], serviceUs: 1.3 * MEAN_US }),
  };
  const jobs = [{ payload: new Uint8Array(8), upstream: "{}", tensors: {} }];
  const again: string[] = [];
  const pilot = await runPilot({
    ...{ document, deviceProfiles: { m: { here: profile } }, overheadProfile, branchShares: {} },
    contents: { p: [payloadRequest(new Uint8Array(8))] },
    folder: undefined,
    maxSeconds: 0.1,
    pace: [{ model: "m", worker, inputs: jobs, profile }],
    onAgain: (reason) => again.push(reason),
  });
  expect(again).toEqual([
    "the host ran models 30% slower than at calibration (limit 5.0%): calibrate again",
  ]);
  expect(pilot.doubts[0]).toBe(`in the pilot run: ${again[0]}`);
  // A no-op takes far less than the millisecond of its profile.
  expect(pilot.deviceProfiles.m.here.servingFactor).toBeLessThan(0.5);
  expect(pilot.overheadProfile.gateway.arrivalUs).toBeGreaterThan(0);
});
