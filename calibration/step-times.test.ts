import { expect, test } from "vitest";
import type { Steps } from "../cluster/worker/engine-host.ts";
import { coefficientTimes, loadOf } from "../engine/tokens/step-times.ts";
import { fitSteps } from "./fit-steps.ts";
import { measureSteps } from "./step-times.ts";

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
    handOver: () => null,
    left: (sequence) => void open.delete(sequence),
    close: async () => undefined,
  };
}

test("the fit gives back the coefficients that the steps were made with", async () => {
  const { cells, rounds } = await measureSteps(knownSteps(), GRID);
  const { steps, worstError } = fitSteps(cells);
  // As an engine under load: chunks after others of their prompt, and beside tokens.
  expect(cells.some(({ beforeTokens }) => beforeTokens > 0)).toBe(true);
  expect(cells.some((cell) => cell.prefillTokens > 0 && cell.decodes > 3)).toBe(true);
  // Rounds of the same iterations take the same where times do not vary.
  expect(new Set(rounds.map(({ prefillUs }) => prefillUs)).size).toBe(1);
  expect(rounds.map(({ atS }) => atS)).toEqual(
    rounds.map(({ atS }) => atS).toSorted((a, b) => a - b),
  );
  const { prefill, decode, decodeMany = { from: 0, decode: [] } } = steps;
  for (const [i, ms] of TRUTH.prefill.entries()) expect(prefill[i] / ms).toBeCloseTo(1, 3);
  for (const [i, ms] of TRUTH.decode.entries()) expect(decodeMany.decode[i] / ms).toBeCloseTo(1, 3);
  expect(decodeMany.from).toBe(2);
  // Alone a sequence takes what it takes, whatever of it is an iteration's.
  expect(decode[0] / (TRUTH.decode[0] + TRUTH.decode[2])).toBeCloseTo(1, 3);
  expect(worstError).toBeLessThan(1e-6);
});

test("no coefficient is below 0, whatever the times", () => {
  const falling = [1, 2, 4, 8].map((tokens) => {
    const timesUs = [10_000 - 100 * tokens];
    return { prefillTokens: tokens, beforeTokens: 0, decodes: 0, contextTokens: 0, timesUs };
  });
  const { steps } = fitSteps(falling);
  expect(steps.prefill.every((value) => value >= 0)).toBe(true);
  expect(steps.prefill[0]).toBeGreaterThan(9);
});

test("iterations beside prompts decide how what both take is shared between the two", () => {
  // Alone each takes 4 ms besides its tokens, together 4 ms and not 8.
  const cell = (prefillTokens: number, decodes: number) => {
    const us = 4000 + 3000 * prefillTokens + 10_000 * decodes;
    return { prefillTokens, beforeTokens: 0, decodes, contextTokens: 0, timesUs: [us] };
  };
  const alone = [1, 2, 4].flatMap((size) => [cell(size, 0), cell(0, size)]);
  const beside = [1, 2, 4].flatMap((tokens) => [1, 2, 4].map((decodes) => cell(tokens, decodes)));
  const [apart, both] = [fitSteps(alone), fitSteps([...alone, ...beside])].map(({ steps }) => {
    return steps.prefill[0] + (steps.decodeMany?.decode[0] ?? 0);
  });
  expect(apart).toBeCloseTo(8, 6);
  expect(both).toBeLessThan(7);
});

test("a context without room for the grid is refused with the least that has it", async () => {
  const measured = measureSteps(knownSteps(), { ...GRID, most: 17 });
  await expect(measured).rejects.toThrow(/17 tokens is too short for 8 sequences/);
});

test("one sequence may take less than its share of several", () => {
  const cell = (decodes: number, context: number, us: number) => {
    const contextTokens = decodes * context;
    return { prefillTokens: 0, beforeTokens: 0, decodes, contextTokens, timesUs: [us] };
  };
  const cells = [50, 100, 200].flatMap((context) => [
    cell(1, context, 6000 + 10 * context),
    ...[2, 4, 8].map((decodes) => cell(decodes, context, decodes * (7000 + 10 * context))),
  ]);
  const { steps, worstError } = fitSteps(cells);
  expect(steps.decode[0]).toBeCloseTo(6, 6);
  expect(steps.decodeMany?.decode[2]).toBeCloseTo(7, 6);
  expect(worstError).toBeLessThan(1e-6);
});
