import { expect, test } from "vitest";
import { formatPath, inReadingOrder, isWithin, locate } from "./positions.ts";

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

test("issues are read file by file, top to bottom", () => {
  const at = (file: string, line: number) => ({ path: "", message: "", file, line });
  const sorted = inReadingOrder([at("b", 1), at("a", 10), at("a", 9)]);
  expect(sorted).toEqual([at("a", 9), at("a", 10), at("b", 1)]);
});
