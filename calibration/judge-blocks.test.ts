import { describe, expect, test } from "vitest";
import { RandomStream } from "../engine/random/stream.ts";
import { meanOf } from "../engine/statistics/estimate.ts";
import { equivalence, relativeError } from "../results/equivalence.ts";
import type { Bracket } from "../results/validation.ts";
import type { OverheadProfile, Profile } from "../scenario/schema/profile.ts";
import { lookError, looksOf } from "./blocks.ts";
import { type Block, judgeBlocks } from "./judge-blocks.ts";
import { hostPace, judgeNeighbours, judgeProfiles } from "./judge-profiles.ts";
import { PROBE } from "./pace-probe.ts";

const PROVENANCE = {
  kind: "measured" as const,
  model: "m",
  modelFiles: [],
  device: "cpu",
  host: "h",
  runtime: "r",
  date: "d",
};
const MODELS = { detect: 20_000, plate: 40_000 };
/** Noise of rounds and blocks that adds up to 0. */
const WIGGLE = [0.01, -0.005, 0.004, -0.012, 0.003];

function wiggled(value: number, i: number): number {
  return value * (1 + WIGGLE[i % WIGGLE.length]);
}

interface Rounds {
  readonly pace?: (i: number) => number;
  readonly probe?: (i: number) => number;
  readonly firstS?: number;
  readonly rounds?: number;
}

function profileOf(
  meanUs: number,
  { pace = () => 1, probe = () => 1, firstS = 0, rounds = 10 }: Rounds = {},
): Profile {
  return {
    schema: "tandem/profile@2",
    kind: "service",
    provenance: PROVENANCE,
    probe: PROBE,
    batches: [{ batch: 1, samples: 160, meanUs, halfWidth95Us: 0, quantilesUs: [meanUs] }],
    rounds: Array.from({ length: rounds }, (_, i) => {
      const us = wiggled(meanUs, i) * pace(i);
      return { atS: firstS + 8 * i, probeUs: 1000 * probe(i), aloneUs: [us], inPlaceUs: us };
    }),
  };
}

function profiles(factors: Partial<typeof MODELS> = {}, rounds: Rounds = {}) {
  return Object.fromEntries(
    Object.entries(MODELS).map(([name, us]) => {
      return [name, profileOf(us * (factors[name as keyof typeof MODELS] ?? 1), rounds)];
    }),
  );
}

/** `factors`: each model's time now, over that of `MODELS`. */
function bracketsOf(
  factors: Readonly<Record<string, number>>,
  { pace = () => 1, probe = () => 1 }: Rounds = {},
): Bracket[] {
  return Array.from({ length: 6 }, (_, i) => ({
    atS: 30 * i,
    probeUs: 1000 * probe(i),
    workUs: Object.fromEntries(
      Object.entries(factors).map(([name, factor], k) => {
        const us = MODELS[name as keyof typeof MODELS] * factor * pace(i);
        return [name, wiggled(us, i + k)];
      }),
    ),
  }));
}

const USUAL = { detect: 1, plate: 1 };
const BOUND = 0.03;

describe("a stored profile", () => {
  test("that holds is not off", () => {
    const { models, together } = judgeProfiles(bracketsOf(USUAL), profiles(), BOUND);
    expect(models.detect).toMatchObject({ isOff: false, usesProbe: false, pace: 1 });
    expect(models.detect.ratio).toBeCloseTo(1, 2);
    expect(together).toBeNull();
  });

  test("is off beside the other models, even where the host's pace hides it", () => {
    const brackets = bracketsOf({ detect: 0.98, plate: 0.98 });
    const { models, together } = judgeProfiles(brackets, profiles({ plate: 1.15 }), BOUND);
    expect(models.plate.isOff).toBe(true);
    expect(models.plate.ratio).toBeCloseTo(0.98 / 1.15, 2);
    expect(together).toBeNull();
  });

  test("of one model alone is off by its own ratio", () => {
    const only = { detect: profileOf(1.3 * MODELS.detect) };
    expect(judgeProfiles(bracketsOf({ detect: 1 }), only, BOUND).models.detect.isOff).toBe(true);
    const near = { detect: profileOf(1.05 * MODELS.detect) };
    expect(judgeProfiles(bracketsOf({ detect: 1 }), near, BOUND).models.detect.isOff).toBe(false);
  });

  test("of one model alone is not off where a probe moved with it: that is the host", () => {
    const only = { detect: profileOf(MODELS.detect) };
    const slower = bracketsOf({ detect: 1.3 }, { probe: () => 1.3 });
    const { models, together } = judgeProfiles(slower, only, BOUND);
    expect(models.detect).toMatchObject({ isOff: false, usesProbe: false });
    expect(together).toBeCloseTo(1.3, 2);
    const away = bracketsOf({ detect: 1.3 }, { probe: () => 0.8 });
    expect(judgeProfiles(away, only, BOUND).models.detect.isOff).toBe(true);
  });

  test("is not off with all others: the host became slower", () => {
    const slower = bracketsOf({ detect: 1.3, plate: 1.3 });
    const { models, together } = judgeProfiles(slower, profiles(), BOUND);
    expect(Object.values(models).map(({ isOff }) => isOff)).toEqual([false, false]);
    expect(together).toBeCloseTo(1.3, 2);
  });

  test("is held against the others also where each was calibrated by itself, or without rounds", () => {
    const apart = {
      detect: profileOf(MODELS.detect),
      plate: profileOf(MODELS.plate, { firstS: 3 }),
    };
    const { rounds: _, ...old } = profileOf(MODELS.plate);
    for (const then of [apart, { ...apart, plate: old }]) {
      expect(judgeProfiles(bracketsOf(USUAL), then, BOUND).models.plate.isOff).toBe(false);
      const brackets = bracketsOf({ detect: 1, plate: 1.5 });
      expect(judgeProfiles(brackets, then, BOUND).models.plate.isOff).toBe(true);
    }
  });

  test("is divided by a probe that the models follow, and by no other", () => {
    const swing = (i: number): number => 1 + 0.06 * Math.sin(i);
    const later = (i: number): number => 1.3 * swing(i);
    const followed = judgeProfiles(
      bracketsOf(USUAL, { pace: later, probe: later }),
      profiles({}, { pace: swing, probe: swing }),
      BOUND,
    );
    expect(followed.models.detect).toMatchObject({ usesProbe: true, isOff: false });
    expect(followed.models.detect.ratio).toBeCloseTo(1, 2);
    expect(followed.models.detect.pace).toBeCloseTo(1.3, 1);
    expect(followed.together).toBeNull();
    const strange = judgeProfiles(
      bracketsOf(USUAL, { probe: later }),
      profiles({}, { probe: swing }),
      BOUND,
    );
    expect(strange.models.detect.usesProbe).toBe(false);
    expect(strange.models.detect.ratio).toBeCloseTo(1, 2);
  });

  test("is judged by times alone between kernels of the probe, where both sides have them", () => {
    const swing = (i: number): number => 1 + 0.06 * Math.sin(i);
    const later = (i: number): number => 1.1 * swing(i);
    const restless = (i: number): number => 1 + 0.08 * Math.cos(5 * i);
    const judged = (falsified: number, inPlace = falsified) => {
      const stored = profiles({}, { pace: restless, probe: swing });
      const detect = {
        ...stored.detect,
        rounds: stored.detect.rounds?.map((round, i) => {
          const us = 0.95 * MODELS.detect * falsified * swing(i);
          const inPlaceUs = (round.inPlaceUs ?? Number.NaN) * inPlace;
          return { ...round, inPlaceUs, level: { us, probeUs: 1000 * swing(i) } };
        }),
      };
      const brackets = bracketsOf({ detect: 1 }, { pace: restless, probe: later });
      const beside = brackets.map((bracket, i) => {
        const us = 0.95 * MODELS.detect * later(i);
        return { ...bracket, levels: { detect: { us, probeUs: 1000 * later(i) } } };
      });
      return judgeProfiles(beside, { detect }, BOUND).models.detect;
    };
    expect(judged(1)).toMatchObject({ usesProbe: true, isOff: false });
    expect(judged(1).ratio).toBeCloseTo(1, 2);
    expect(judged(1 / 1.15)).toMatchObject({ usesProbe: true, isOff: true });
    // Predictions have the times in place, which say the contrary.
    expect(judged(1 / 1.15, 1.3)).toMatchObject({ usesProbe: true, isOff: false });
  });

  test("is not off where it changes by half as much again as the probe, on a host that became slower", () => {
    const swing = (i: number): number => 1 + 0.03 * Math.sin(i);
    const [slower, more] = [1.25, 1.25 ** 1.5];
    const stored = profileOf(MODELS.detect);
    const detect = {
      ...stored,
      rounds: stored.rounds?.map((round, i) => {
        return { ...round, level: { us: MODELS.detect * swing(i), probeUs: 1000 * swing(i) } };
      }),
    };
    const brackets = bracketsOf({ detect: more }).map((bracket, i) => {
      const us = MODELS.detect * more * swing(i);
      return { ...bracket, levels: { detect: { us, probeUs: 1000 * slower * swing(i) } } };
    });
    const judged = judgeProfiles(brackets, { detect }, BOUND).models.detect;
    expect(judged).toMatchObject({ usesProbe: true, isOff: false });
    expect(judged.ratio).toBeGreaterThan(1 + 2 * BOUND);
  });

  test("of a model that fewer than three brackets have is not judged", () => {
    const brackets = bracketsOf({ detect: 1 }).map((bracket, i) =>
      i > 1 ? bracket : { ...bracket, workUs: { ...bracket.workUs, plate: MODELS.plate } },
    );
    expect(Object.keys(judgeProfiles(brackets, profiles(), BOUND).models)).toEqual(["detect"]);
  });
});

interface Errors {
  readonly stored?: number;
  readonly simulator?: number;
  /** The prediction from the blocks' own times has this error; by default, the simulator's. */
  readonly waits?: number;
  readonly service?: number;
  /** The stored slow-down adds this share to the prediction. */
  readonly slowing?: number;
  readonly noise?: number;
  /** As stored; they take 2 ms in the blocks. */
  readonly messagesMs?: number;
}

function blocksOf({
  stored = 0,
  simulator = 0,
  waits = simulator,
  service = 0,
  slowing = 0,
  noise = 1,
  messagesMs = 2,
}: Errors): Block[] {
  return [100, 140, 90, 120, 110].map((measuredMs, i) => {
    const figures = (error: number) => {
      const ms = measuredMs * (1 + error + noise * WIGGLE[i]);
      return { latencyMeanMs: ms, latencyP95Ms: 2 * ms };
    };
    const measuredUs = 1e6 * (1 + noise * WIGGLE[i]);
    return {
      predicted: figures(stored),
      informed: figures(simulator),
      asStored: figures(simulator + slowing),
      asServed: figures(waits),
      measured: { latencyMeanMs: measuredMs, latencyP95Ms: 2 * measuredMs },
      service: {
        detect: { measuredUs, predictedUs: 1e6 },
        plate: { measuredUs, predictedUs: 1e6 * (1 + service) },
      },
      messages: { predictedUs: 1000 * messagesMs, measuredUs: 2000 },
    };
  });
}

/** Brackets of which the first `measured` have the slow-down of two busy workers. */
function slowed(slowdown: number, measured = 6): Bracket[] {
  return bracketsOf(USUAL).map((bracket, i) => {
    return i < measured ? { ...bracket, slowdown: wiggled(slowdown, i) } : bracket;
  });
}

/** `spread`: deviation of the calibration's rounds, as a share. */
function overheads(slowdown: number, spread = 0, doubts?: string[]): OverheadProfile {
  const round = { clientRoundTripUs: 400, workerRoundTripUs: 400, gatewayUs: 100 };
  return {
    schema: "tandem/overhead@1",
    provenance: doubts === undefined ? PROVENANCE : { ...PROVENANCE, doubts },
    clientRoundTripUs: [400],
    workerRoundTripUs: [400],
    gateway: { arrivalUs: 30, dispatchUs: 30, completionUs: 40 },
    contention: [1, slowdown],
    rounds: Array.from({ length: 8 }, (_, i) => {
      const value = slowdown * (1 + (i % 2 === 0 ? spread : -spread));
      return { ...round, atS: 8 * i, contention: [1, value] };
    }),
  };
}

const BY = {
  tolerance: { latencyMeanMs: 0.05 },
  profiles: profiles(),
  overheads: undefined as OverheadProfile | undefined,
  error: 0.05,
  unfit: null,
};

function judged(
  errors: Errors,
  {
    brackets = bracketsOf(USUAL),
    ...by
  }: object & Partial<typeof BY & { brackets: Bracket[] }> = {},
) {
  const { overheads, ...rest } = { ...BY, ...by };
  const judgement = judgeBlocks(blocksOf(errors), brackets, {
    ...rest,
    neighbours: judgeNeighbours(brackets, overheads, BOUND),
    doubt: overheads?.provenance.doubts?.[0] ?? null,
  });
  return { ...judgement, mean: judgement.judgements.latencyMeanMs };
}

describe("the rules, in their order", () => {
  test("1. blocks that are not fit tell nothing", () => {
    const unfit = "the host was busy" as unknown as null;
    for (const stored of [0, 0.5]) {
      const { verdict, mean, culprit } = judged({ stored, simulator: stored }, { unfit });
      expect(verdict).toBe("cannot tell");
      expect(mean?.reason).toBe(unfit);
      expect(culprit).toBeUndefined();
    }
  });

  test("2. a profile that is off disagrees, even where errors cancel", () => {
    for (const stored of [0, -0.15]) {
      const off = judged({ stored }, { profiles: profiles({ plate: 0.8 }) });
      expect(off.verdict).toBe("disagrees");
      expect(off.culprit).toBe("profile of plate");
      expect(off.mean?.reason).toMatch(/takes 2\d(\.\d)?% longer than its profile says/);
      expect(off.next).toMatch(/calibrate plate/);
    }
  });

  test("3. an error within the tolerance agrees, whatever else is seen", () => {
    expect(judged({}).verdict).toBe("agrees");
    const slower = bracketsOf({ detect: 1.3, plate: 1.3 });
    const agreed = judged({ simulator: 0.1 }, { brackets: slower });
    expect([agreed.verdict, agreed.culprit]).toEqual(["agrees", undefined]);
  });

  test("4. service under load is named before queueing, and neither below its bound", () => {
    const slowed = judged({ stored: -0.1, simulator: -0.1, service: -0.1 });
    expect(slowed.verdict).toBe("disagrees");
    expect(slowed.culprit).toBe("service of plate under load");
    expect(slowed.mean?.reason).toMatch(/a batch of plate takes 1\d(\.\d)?% longer than predicted/);
    const waiting = judged({ stored: -0.1, simulator: -0.1 });
    expect([waiting.verdict, waiting.culprit]).toEqual(["disagrees", "queueing"]);
    const small = judged({ stored: -0.1, simulator: -0.02, service: -0.1 });
    expect([small.verdict, small.culprit]).toEqual(["cannot tell", undefined]);
  });

  test("4. times that moved between brackets and blocks are no queueing", () => {
    const moved = judged({ stored: -0.1, simulator: -0.1, waits: 0.01 });
    expect([moved.verdict, moved.culprit]).toEqual(["cannot tell", undefined]);
    expect(moved.waitsError?.mean).toBeCloseTo(0.01, 2);
    const waiting = judged({ stored: -0.1, simulator: -0.1, waits: -0.06 });
    expect(waiting.mean?.reason).toMatch(/^from the models' times in these very runs .* −6\.1%/);
  });

  test("4. the slow-down by neighbours is named where brackets and effect say so, before the simulator", () => {
    const errors = { stored: -0.1, simulator: -0.06, slowing: -0.05 };
    const brackets = slowed(1.3);
    const left = judged(errors, { brackets, overheads: overheads(1) });
    expect(left.verdict).toBe("disagrees");
    expect(left.culprit).toBe("service under load: the slow-down by neighbours");
    expect(left.mean?.reason).toMatch(/^two busy models slow each other down by 30%, and by 0/);
    expect(left.neighbours?.measured).toBeCloseTo(1.3, 2);
    const known = judged(errors, { brackets, overheads: overheads(1.3) });
    expect(known.culprit).toBe("queueing");
    const idle = judged({ stored: -0.1 }, { brackets, overheads: overheads(1) });
    expect([idle.verdict, idle.culprit]).toEqual(["cannot tell", undefined]);
    const unsure = judged(
      { stored: -0.1, slowing: -0.05 },
      { brackets, overheads: overheads(1, 0.4) },
    );
    expect(unsure.verdict).toBe("cannot tell");
    const one = judged(errors, { brackets: slowed(1.3, 2), overheads: overheads(1) });
    expect([one.neighbours, one.culprit]).toEqual([undefined, "queueing"]);
  });

  test("the slow-down is as well known as calibration and brackets know it together", () => {
    const known = (stored: number, spread: number): number =>
      judgeNeighbours(slowed(1.3), overheads(stored, spread), BOUND)?.known ?? Number.NaN;
    // Eight rounds hardly differ, and six brackets do by 1%.
    expect(known(1.31, 0)).toBeGreaterThan(1.303);
    expect(known(1.31, 0)).toBeLessThan(1.31);
    expect(known(1.6, 0.4), "a disturbed calibration counts little").toBeCloseTo(1.3, 1);
    expect(known(1.1, 0), "what is off counts nothing").toBeCloseTo(1.3, 2);
  });

  test("4. a doubted calibration bars what is off, and says so; it does not bar agreement", () => {
    const doubted = overheads(1, 0, ["other programs used 40% of the processors"]);
    for (const errors of [
      { stored: -0.1, simulator: -0.1 },
      { stored: -0.1, simulator: -0.1, service: -0.1 },
    ]) {
      const { verdict, culprit, mean } = judged(errors, { overheads: doubted });
      expect([verdict, culprit]).toEqual(["cannot tell", undefined]);
      expect(mean?.reason).toMatch(/; but the calibration was doubted: other programs used 40%/);
    }
    const off = judged({ stored: 0.2 }, { profiles: profiles({ plate: 1.2 }), overheads: doubted });
    expect(off.verdict).toBe("cannot tell");
    expect(off.mean?.reason).toMatch(/^the profile of plate is off: .* doubted: other programs/);
    expect(judged({}, { overheads: doubted }).verdict).toBe("agrees");
  });

  test("4. bounds grow with the mean's tolerance", () => {
    const errors = { stored: -0.06, simulator: -0.04, noise: 0.3 };
    expect(judged(errors).verdict).toBe("disagrees");
    const tolerance = { latencyMeanMs: 0.1, latencyP95Ms: 0.01 } as typeof BY.tolerance;
    expect(judged(errors, { tolerance }).verdict).toBe("cannot tell");
  });

  test("5. models that are off together are the host's, and tell nothing of the prediction", () => {
    const slower = bracketsOf({ detect: 1.3, plate: 1.3 });
    const { verdict, mean } = judged({ stored: -0.3 }, { brackets: slower });
    expect(verdict).toBe("cannot tell");
    expect(mean?.reason).toMatch(
      /^all models take 30(\.\d)?% longer than at calibration: the host/,
    );
    expect(mean?.settledBy).toBeUndefined();
  });

  test("6. an error outside, where nothing is off beyond doubt, is the host's pace", () => {
    const { verdict, mean } = judged({ stored: 0.1 });
    expect(verdict).toBe("cannot tell");
    expect(mean?.reason).toMatch(/outside the tolerance, but neither/);
  });

  test("6. messages that take another time than as calibrated are the reason where they move the mean", () => {
    // 3 of the mean's 112 ms are more than two fifths of the tolerance.
    const { verdict, mean, messages } = judged({ stored: 0.1, messagesMs: 5 });
    expect(verdict).toBe("cannot tell");
    expect(messages).toEqual({ storedUs: 5000, measuredUs: 2000 });
    expect(mean?.reason).toMatch(
      /^messages take 2\.00 ms a request in these runs and 5\.00 ms as calibrated, 2\.7% of the mean/,
    );
    expect(judged({ stored: 0.1, messagesMs: 4 }).mean?.reason).toMatch(/but neither/);
    expect(judged({ messagesMs: 5 }).verdict).toBe("agrees");
  });

  test("7. an error across the edge says what would settle it", () => {
    const { verdict, mean } = judged({ stored: 0.045 });
    expect(verdict).toBe("cannot tell");
    expect(mean?.reason).toMatch(/^the error may be .* across the tolerance of ±5\.0%$/);
    expect(mean?.settledBy?.runs).toBeGreaterThan(5);
  });
});

test("each judged metric has its own interval; one that was not measured in every block is untold", () => {
  const tolerance = { latencyMeanMs: 0.05, latencyP95Ms: 0.05, latencyP99Ms: 0.1 };
  const { judgements, verdict, error } = judged({}, { tolerance });
  expect(judgements.latencyP95Ms?.verdict).toBe("agrees");
  expect(judgements.latencyP99Ms?.reason).toBe("it was not measured in every block");
  expect(error.latencyP99Ms).toBeUndefined();
  expect(verdict).toBe("cannot tell");
});

test("the mean names the culprit where only a percentile is judged", () => {
  const tolerance = { latencyP95Ms: 0.05 } as unknown as typeof BY.tolerance;
  const { judgements, culprit } = judged({ stored: -0.1, simulator: -0.1 }, { tolerance });
  expect(judgements.latencyP95Ms?.verdict).toBe("disagrees");
  expect(culprit).toBe("queueing");
});

test("intervals say their confidence, which is this look's", () => {
  expect(judged({ stored: 0, simulator: 0 }).mean?.level).toBeCloseTo(0.9, 9);
  const early = judged({ stored: 0, simulator: 0 }, { error: 0.009 });
  expect(early.mean?.level).toBeCloseTo(0.982, 9);
});

test("looks share the error, and the last one has what is left", () => {
  const looks = looksOf(3);
  const errors = (isEnd: boolean) => looks.map((blocks) => lookError(blocks, looks, isEnd));
  const rounded = (values: number[]) => values.map((value) => Number(value.toFixed(6)));
  expect(rounded(errors(false))).toEqual([0.002, 0.006, 0.01, 0.032]);
  expect(rounded(errors(true))).toEqual([0.048, 0.042, 0.032, 0.032]);
  expect(lookError(4, looks, true)).toBe(0.05);
  expect(lookError(7, looks, false)).toBeCloseTo(0.006, 9);
  expect(lookError(7, looks, true)).toBeCloseTo(0.048, 9);
  expect(lookError(20, looksOf(20), false)).toBe(0.05);
});

test.each([6, 10, 18, 25])(
  "a prediction on the edge agrees in a twentieth of validations: the budget ends after %i blocks",
  (end) => {
    const looks = looksOf(3);
    const stream = new RandomStream("looks", `edge/${end}`);
    const noise = new Float64Array(end);
    const trials = 4000;
    let agreed = 0;
    for (let trial = 0; trial < trials; trial++) {
      stream.fillNormal(noise);
      const measured = Array.from(noise, () => 100);
      const predicted = Array.from(noise, (one) => 105 + 2 * one);
      const agreesAfter = (blocks: number, isEnd: boolean): boolean => {
        const error = lookError(blocks, looks, isEnd);
        const found = relativeError(predicted.slice(0, blocks), measured.slice(0, blocks), error);
        return found !== null && equivalence(found, 0.05) === "agrees";
      };
      const before = looks.filter((look) => look <= end);
      if (before.some((look) => agreesAfter(look, false)) || agreesAfter(end, true)) agreed++;
    }
    // Standard error 0.35%; looks see the same blocks, so less than their sum is spent.
    expect(agreed / trials).toBeGreaterThan(0.03);
    expect(agreed / trials).toBeLessThan(0.06);
  },
);

test("stored profiles are taken at the host's pace where its probe follows the models, and only there", () => {
  const drift = (i: number): number => 1 + 0.06 * Math.sin(2 * i);
  const slower = (i: number): number => 1.1 * drift(i);
  const stored = profiles({}, { pace: drift, probe: drift });
  const now = bracketsOf(USUAL, { pace: slower, probe: slower });
  const paceBeside = hostPace(now, stored);
  const rounds = Object.values(stored)[0].rounds ?? [];
  const usualUs = meanOf(rounds.map(({ probeUs }) => probeUs ?? Number.NaN));
  expect(paceBeside(now.slice(1, 3))).toEqual({
    detect: meanOf([now[1].probeUs, now[2].probeUs]) / usualUs,
    plate: meanOf([now[1].probeUs, now[2].probeUs]) / usualUs,
  });
  const deaf = bracketsOf(USUAL, { pace: slower });
  expect(hostPace(deaf, profiles({}, { pace: drift }))(deaf)).toEqual({});
  const ofBefore = Object.fromEntries(
    Object.entries(stored).map(([name, { probe: _, ...rest }]) => [name, rest]),
  );
  expect(hostPace(now, ofBefore)(now)).toEqual({});
});
