import { describe, expect, test } from "vitest";
import { driftingMean } from "../../engine/statistics/drifting-mean.ts";
import { meanOf } from "../../engine/statistics/estimate.ts";
import type { OverheadProfile, Profile } from "../schema/profile.ts";
import { stepProfileSchema } from "../schema/step-profile.ts";
import { calibratedProfile } from "./calibrated-profile.test-support.ts";
import { roundTimes } from "./in-place.ts";
import { drawnInputs, hasDoubt, uncertainInputs, undoubtedProfiles } from "./input-draws.ts";

const ROUNDS = [50_300, 49_100, 51_800, 50_900, 48_700, 50_200, 49_900, 51_100];
const DRAWS = Array.from({ length: 400 }, (_, draw) => draw);

function logsOf(profiles: Record<string, Profile>, overheadProfile?: OverheadProfile) {
  return DRAWS.map((draw) => drawnInputs({ profiles, overheadProfile }, draw).logFactors);
}

const deviationOf = (logs: readonly number[]) => Math.sqrt(meanOf(logs.map((log) => log * log)));

describe("draws of measured inputs", () => {
  test("vary as widely as drift lets the mean of the rounds be off", () => {
    const profile = calibratedProfile(ROUNDS);
    const { logDeviation } = driftingMean(roundTimes(profile, 0));
    const deviation = deviationOf(logsOf({ a: profile }).map(({ a }) => a));
    expect(deviation / logDeviation).toBeGreaterThan(0.9);
    expect(deviation / logDeviation).toBeLessThan(1.1);
  });

  test("are named with how far they may be off, the least known first", () => {
    const rough = ROUNDS.map((us, i) => us * (i % 2 === 0 ? 1.1 : 0.9));
    const profiles = { a: calibratedProfile(ROUNDS), rough: calibratedProfile(rough) };
    const [first, second] = uncertainInputs({ profiles });
    expect([first.name, second.name]).toEqual(["rough", "a"]);
    const { relativeHalfWidth95 } = driftingMean(roundTimes(profiles.a, 0));
    expect(second.relativeHalfWidth95).toBeCloseTo(relativeHalfWidth95, 9);
    expect(first.relativeHalfWidth95).toBeGreaterThan(0.06);
  });

  test("scale a profile by their factor, and leave the given inputs alone", () => {
    const profiles = { a: calibratedProfile(ROUNDS) };
    const before = structuredClone(profiles);
    const { inputs, logFactors } = drawnInputs({ profiles }, 3);
    const [drawn, measured] = [inputs.profiles.a.batches[0], before.a.batches[0]];
    expect(drawn.meanUs).toBeCloseTo(measured.meanUs * Math.exp(logFactors.a), 6);
    expect(drawn.quantilesUs[7]).toBeCloseTo(measured.quantilesUs[7] * Math.exp(logFactors.a), 6);
    expect(profiles).toEqual(before);
    expect(drawnInputs({ profiles: before }, 3)).toEqual({ inputs, logFactors });
  });

  test.each([1, 2])("of %d rounds are as wide as a host drifts", (count) => {
    const logs = logsOf({ a: calibratedProfile(ROUNDS.slice(0, count)) });
    expect(deviationOf(logs.map(({ a }) => a))).toBeGreaterThan(0.045);
  });

  test("share the host's pace within a calibration, and nothing between two", () => {
    const logs = logsOf({
      a: calibratedProfile(ROUNDS),
      b: calibratedProfile(ROUNDS.toReversed()),
      c: calibratedProfile(ROUNDS, "yesterday"),
    });
    const correlation = (one: string, other: string) => {
      const [x, y] = [one, other].map((name) => logs.map((log) => log[name]));
      return meanOf(x.map((value, i) => value * y[i])) / deviationOf(x) / deviationOf(y);
    };
    expect(correlation("a", "b")).toBeGreaterThan(0.6);
    expect(Math.abs(correlation("a", "c"))).toBeLessThan(0.15);
  });

  test("change the cost of messages, and the slow-down beyond 1, each by its own factor", () => {
    const { provenance } = calibratedProfile(ROUNDS);
    const costs = [600, 640, 580, 610];
    const overheadProfile: OverheadProfile = {
      schema: "tandem/overhead@1",
      provenance,
      contention: [1, 1.2, 1.4],
      clientRoundTripUs: [300],
      workerRoundTripUs: [250],
      gateway: { arrivalUs: 20, dispatchUs: 20, completionUs: 20 },
      rounds: costs.map((clientRoundTripUs, i) => {
        const contention = [1, 1.2, 1.4 + 0.02 * (i % 2)];
        const others = { workerRoundTripUs: 250, gatewayUs: 60, contention };
        return { atS: 10 * i, clientRoundTripUs, ...others };
      }),
    };
    const { inputs, logFactors } = drawnInputs({ profiles: {}, overheadProfile }, 0);
    const drawn = inputs.overheadProfile as OverheadProfile;
    const messages = Math.exp(logFactors["cost of messages"]);
    expect(messages).not.toBe(1);
    expect(drawn.clientRoundTripUs[0]).toBeCloseTo(300 * messages, 6);
    expect(drawn.gateway.dispatchUs).toBeCloseTo(20 * messages, 6);
    const most = 1.4 * Math.exp(logFactors["slow-down by neighbours"]);
    expect(drawn.contention[0]).toBe(1);
    expect(drawn.contention[2]).toBeCloseTo(most, 6);
    expect(drawn.contention[1]).toBeCloseTo(1 + (most - 1) / 2, 6);
  });
});

test("profiles without rounds are named, and are drawn as they are", () => {
  const { rounds: _, ...imported } = calibratedProfile(ROUNDS);
  const inputs = { profiles: { imported, own: calibratedProfile(ROUNDS) } };
  expect(undoubtedProfiles(inputs)).toEqual(["imported"]);
  expect(drawnInputs(inputs, 5).inputs.profiles.imported).toBe(imported);
  expect(hasDoubt(inputs)).toBe(true);
  expect(hasDoubt({ profiles: { imported } })).toBe(false);
});

test("rounds of a step profile scale its prompts and its tokens, each by its own doubt", () => {
  const { provenance } = calibratedProfile(ROUNDS);
  const times = { prefill: [4, 3, 0], decode: [5, 0.1, 11], stepMs: 1, sequenceMs: 0 };
  const decodes = ROUNDS.map((us, i) => us * (i % 2 === 0 ? 1.08 : 0.92));
  const profile = stepProfileSchema.parse({
    schema: "tandem/step-profile@1",
    provenance,
    times,
    rounds: ROUNDS.map((us, i) => ({ atS: 15 * i, prefillUs: us, decodeUs: decodes[i] })),
  });
  const inputs = { profiles: {}, stepProfiles: { writer: profile } };
  expect(hasDoubt(inputs)).toBe(true);
  expect(hasDoubt({ profiles: {} })).toBe(false);
  expect(uncertainInputs(inputs).map(({ name }) => name)).toEqual(["writer"]);
  const factors = DRAWS.map((draw) => {
    const drawn = drawnInputs(inputs, draw).inputs.stepProfiles.writer.times;
    if ("layers" in drawn) throw new Error("coefficients stay coefficients");
    expect(drawn.prefill[1] / 3).toBeCloseTo(drawn.prefill[0] / 4, 12);
    expect(drawn.stepMs).toBe(1);
    return [drawn.prefill[0] / 4, drawn.decode[2] / 11].map(Math.log);
  });
  const [prompts, tokens] = [0, 1].map((i) => deviationOf(factors.map((one) => one[i])));
  expect(prompts).toBeGreaterThan(0.005);
  expect(tokens).toBeGreaterThan(1.5 * prompts);
  expect(profile.times).toEqual(times);
});
