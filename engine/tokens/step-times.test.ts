import { expect, test } from "vitest";
import { coefficientTimes } from "./step-times.ts";

test("chunks of a prompt take together what the prompt takes at once, but for what each iteration takes", () => {
  const prefill = [4, 3, 0.01] as const;
  const decode = [0, 0, 0] as const;
  const times = coefficientTimes(
    { prefill, decode, many: Number.POSITIVE_INFINITY, decodeMany: decode },
    { stepMs: 0, sequenceMs: 0 },
  );
  const us = (tokens: number, before: number): number =>
    times({ chunks: [{ tokens, before }], decodes: 0, context: 0, heads: 0 });
  expect(us(100, 0)).toBeCloseTo(1000 * (4 + 300 + 100), 6);
  expect(us(60, 0) + us(30, 60) + us(10, 90)).toBeCloseTo(us(100, 0) + 2 * 4000, 6);
});
