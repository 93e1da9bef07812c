import { expect, test } from "vitest";
import { NO_LABEL, vote } from "./variants.ts";

test("a vote weighs the answers that have come, and trusts them by their share of all the weight", () => {
  expect(vote([7, 3, 3], [0.6, 0.2, 0.2])).toEqual({ label: 7, confidence: 0.6 });
  expect(vote([7, 3, 3], [0.3, 0.3, 0.4])).toEqual({ label: 3, confidence: 0.7 });
  expect(vote([NO_LABEL, 3, NO_LABEL], [0.8, 0.1, 0.1])).toEqual({ label: 3, confidence: 0.1 });
  expect(vote([NO_LABEL, NO_LABEL], [0.5, 0.5])).toEqual({ label: NO_LABEL, confidence: 0 });
});

test("of equal weights the first label is the answer, however the weights add up", () => {
  expect(vote([1, 2], [0.5, 0.5])).toEqual({ label: 1, confidence: 0.5 });
  expect(vote([1, 2, 2, 1], [0.1, 0.2, 0.3, 0.4])).toEqual({ label: 1, confidence: 0.5 });
  expect(vote([4, 4, 4], [1 / 3, 1 / 3, 1 / 3]).confidence).toBe(1);
});
