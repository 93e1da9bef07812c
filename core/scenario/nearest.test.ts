import { expect, test } from "vitest";
import { didYouMean, editDistance, nearest } from "./nearest.ts";

test("an edit is one insertion, deletion, replacement or swap of neighbours", () => {
  const pairs = [
    ["rate", "rate", 0],
    ["rate", "Rate", 0],
    ["rate", "rates", 1],
    ["rate", "rte", 1],
    ["rate", "rote", 1],
    ["rate", "raet", 1],
    ["", "abc", 3],
    ["kitten", "sitting", 3],
  ] as const;
  for (const [a, b, distance] of pairs) {
    expect(editDistance(a, b)).toBe(distance);
    expect(editDistance(b, a)).toBe(distance);
  }
});

test("a slip finds its word, a strange word finds none", () => {
  const known = ["ratePerS", "durationS", "requests"];
  expect(nearest("ratePrS", known)).toBe("ratePerS");
  expect(nearest("reqeusts", known)).toBe("requests");
  expect(nearest("rate", known)).toBe("ratePerS");
  expect(nearest("r", known)).toBeUndefined();
  expect(nearest("mean", ["meanMs", "meanS"])).toBe("meanS");
  expect(nearest("timeout", ["timeoutMs", "timeoutRatio"])).toBe("timeoutMs");
  expect(nearest("latency", ["latencyMeanMs", "latencyP99Ms"])).toBeUndefined();
  expect(nearest("banana", known)).toBeUndefined();
  expect(nearest("a", ["b", "c"])).toBeUndefined();
  expect(didYouMean("banana", known)).toBe("known here: ratePerS, durationS, requests");
  expect(didYouMean("banana", [])).toBeUndefined();
});
