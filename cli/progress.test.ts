import { expect, test } from "vitest";
import { type Course, secondsLeft } from "./progress.ts";

test.each<[string, Course, number, number, number | null]>([
  ["nothing yet: nobody knows", { total: 10 }, 0, 5, null],
  ["at the pace so far", { total: 10 }, 4, 8, 12],
  ["of what was done in this run", { total: 10, already: 2 }, 4, 8, 24],
  ["at the end none", { total: 10 }, 10, 5, 0],
  ["beyond what was expected nobody knows", { total: 10 }, 11, 5, null],
  // 1 after 1 s, 4 after 2 s, 9 after 3 s.
  ["along a pace that rises", { total: 9, timeOf: Math.sqrt }, 4, 2, 1],
  ["the same, twice as slow as it was expected to be", { total: 9, timeOf: Math.sqrt }, 4, 4, 2],
])("time left, %s", (_, course, done, seconds, left) => {
  expect(secondsLeft(course, done, seconds)).toBe(left);
});
