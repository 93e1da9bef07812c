import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  formatCount,
  formatError,
  formatEstimate,
  formatNumber,
  formatRuns,
  plural,
  wrapped,
} from "./format.ts";

describe("formatNumber", () => {
  test.each([
    [0, 3, "0"],
    [12.345, 3, "12.3"],
    [0.001234, 3, "0.00123"],
    [999.96, 3, "1,000"],
    [123456.7, 4, "123,500"],
    [1e-7, 3, "1.00e-7"],
    [Number.NaN, 3, "—"],
    [Number.POSITIVE_INFINITY, 3, "—"],
    [8, 3, "8"],
    [-4.56, 2, "-4.6"],
  ])("%d to %d digits is %s", (value, digits, text) => {
    expect(formatNumber(value, digits)).toBe(text);
  });

  test("what is shown is within half a unit of the last digit asked for", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-3, max: 1e8, noNaN: true }), (value) => {
        const shown = Number(formatNumber(value, 4).replaceAll(",", ""));
        return Math.abs(shown - value) <= value * 0.5e-3 * 1.0001;
      }),
    );
  });
});

describe("formatEstimate", () => {
  test.each([
    [300.4, 24.2, "300 ± 24"],
    [12.3456, 0.1234, "12.35 ± 0.12"],
    [222_912, 9_812, "222,900 ± 9,800"],
    [409_123, 18_200, "409,000 ± 18,000"],
    [8, 0, "8 ± 0"],
    [0, 0, "0 ± 0"],
    [99.99, 0.099, "99.990 ± 0.099"],
    [412.3, 1e-9, "412.30 ± <0.01"],
    [5, Number.NaN, "5"],
    [Number.NaN, 1, "—"],
  ])("%d ± %d is %s", (mean, halfWidth95, text) => {
    expect(formatEstimate({ mean, halfWidth95 })).toBe(text);
  });

  test("a ratio is shown in percent, an absent estimate as a dash", () => {
    expect(formatEstimate({ mean: 0.8732, halfWidth95: 0.0051 }, 100)).toBe("87.32 ± 0.51");
    expect(formatEstimate(undefined)).toBe("—");
    expect(formatRuns({ mean: 0.9988, halfWidth95: 0 }, 1, 100)).toBe("99.88");
    expect(formatRuns({ mean: 0.9988, halfWidth95: 0.001 }, 2, 100)).toBe("99.88 ± 0.10");
  });

  test("never shows NaN, undefined or a minus zero", () => {
    fc.assert(
      fc.property(fc.double(), fc.double(), (mean, halfWidth95) => {
        return !/NaN|undefined|Infinity|(^| )-0(\.0*)?( |$)/.test(
          formatEstimate({ mean, halfWidth95 }),
        );
      }),
    );
  });
});

test("errors are signed percentages", () => {
  expect(formatError(0.0731)).toBe("+7.3 %");
  expect(formatError(-0.2)).toBe("-20.0 %");
  expect(formatError(-0.0001)).toBe("0.0 %");
  expect(formatError(undefined)).toBe("—");
});

test("counts are grouped and nouns agree with them", () => {
  expect(formatCount(1_200_000)).toBe("1,200,000");
  expect(plural(1, "batch", "batches")).toBe("1 batch");
  expect(plural(12_000, "request")).toBe("12,000 requests");
});

test.each([
  ["one two three", 7, "one two\nthree"],
  ["join-shortest-queue", 13, "join-\nshortest-\nqueue"],
  ["join-shortest-queue", 14, "join-shortest-\nqueue"],
  ["join-shortest-queue", 19, "join-shortest-queue"],
  ["was -3.5 ms", 5, "was\n-3.5\nms"],
])("%j is broken at spaces, and after hyphens where it must, at %i", (text, width, lines) => {
  expect(wrapped(text, width)).toBe(lines);
});
