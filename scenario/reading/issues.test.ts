import { expect, test } from "vitest";
import {
  didYouMean,
  editDistance,
  formatPath,
  invalidInput,
  isWithin,
  locate,
  nearest,
} from "./issues.ts";

test("a path that is written nowhere is located at the nearest one around it", () => {
  const positions = new Map([
    ["", { file: "f", line: 1 }],
    ["a.b", { file: "f", line: 2 }],
    ["a.b.c.1", { file: "f", line: 3 }],
  ]);
  const lineOf = (path: string) => locate(positions, path)?.line;
  expect(lineOf("a.b.c.1.d.e.0")).toBe(3);
  expect(lineOf("a.b.c.2.d")).toBe(2);
  expect(lineOf("a.b.7")).toBe(2);
  expect(lineOf("a.bc")).toBe(1);
  expect(locate(new Map(), "a")).toBeUndefined();
});

test("paths are within each other by steps, not by letters", () => {
  expect(isWithin("a.b.0.c", "a.b")).toBe(true);
  expect(isWithin("a.b", "a.b")).toBe(true);
  expect(isWithin("a.bc", "a.b")).toBe(false);
  expect(formatPath(["a", 0, "b", 1, 2])).toBe("a.0.b.1.2");
});

test("a fault holds each issue once, file by file, top to bottom", () => {
  const at = (file: string, line: number) => ({ path: "", message: "", file, line });
  const fault = invalidInput("a", [at("b", 1), at("a", 10), at("a", 9), at("b", 1)]);
  expect(fault.issues).toEqual([at("a", 9), at("a", 10), at("b", 1)]);
});

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
  expect(nearest("foo", ["on", "set", "json"])).toBeUndefined();
  expect(nearest("st", ["on", "set", "json"])).toBe("set");
  expect(didYouMean("banana", known)).toBe("known here: ratePerS, durationS, requests");
  expect(didYouMean("banana", [])).toBeUndefined();
});
