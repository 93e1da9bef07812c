import { expect, test } from "vitest";
import type { Steps } from "../cluster/worker/engine-host.ts";
import { coefficientTimes, loadOf } from "../engine/tokens/step-times.ts";
import { fitSteps, measureSteps } from "./step-times.ts";

const TRUTH = { prefill: [4, 3.2, 0.001], decode: [5, 0.01, 11] } as const;
const GRID = { maxSequences: 8, maxBatchedTokens: 512, most: 900, seconds: 60 };

/** Steps of known times; what they get must be as an engine would have it. */
function knownSteps(): Steps {
  const times = coefficientTimes(
    { ...TRUTH, many: Number.POSITIVE_INFINITY, decodeMany: TRUTH.decode },
    { stepMs: 0, sequenceMs: 0 },
  );
  const open = new Set<object>();
  return {
    ...{ provenance: null, cost: { loadMs: 0, memoryBytes: 0 }, most: GRID.most },
    job: () => {
      throw new Error("nobody sends a batch");
    },
    run({ shares }, ended) {
      expect(shares.reduce((sum, { tokens }) => sum + tokens, 0)).toBeLessThanOrEqual(512);
      expect(shares.length).toBeLessThanOrEqual(8);
      for (const { sequence, tokens } of shares) {
        expect(open.has(sequence)).toBe(true);
        expect(sequence.computed + tokens).toBeLessThan(GRID.most);
      }
      const us = times(loadOf(shares));
      setImmediate(() => ended(us, new Map()));
    },
    began: (sequence) => void open.add(sequence),
    left: (sequence) => void open.delete(sequence),
    close: async () => undefined,
  };
}

test("the fit gives back the coefficients that the steps were made with", async () => {
  const { cells, rounds } = await measureSteps(knownSteps(), GRID);
  const { steps, worstError } = fitSteps(cells);
  // Rounds of the same iterations take the same where times do not vary.
  expect(new Set(rounds.map(({ prefillUs }) => prefillUs)).size).toBe(1);
  expect(rounds.map(({ atS }) => atS)).toEqual(
    rounds.map(({ atS }) => atS).toSorted((a, b) => a - b),
  );
  for (const kind of ["prefill", "decode"] as const) {
    for (const i of [0, 1, 2]) {
      expect(steps[kind][i] / TRUTH[kind][i], `${kind} ${i}`).toBeCloseTo(1, 3);
    }
  }
  expect(worstError).toBeLessThan(1e-6);
});

test("no coefficient is below 0, whatever the times", () => {
  const falling = [1, 2, 4, 8].map((tokens) => {
    const timesUs = [10_000 - 100 * tokens];
    return { prefillTokens: tokens, decodes: 0, contextTokens: 0, timesUs };
  });
  const { steps } = fitSteps(falling);
  expect(steps.prefill.every((value) => value >= 0)).toBe(true);
  expect(steps.prefill[0]).toBeGreaterThan(9);
});
