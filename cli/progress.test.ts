import { expect, test } from "vitest";
import { type Course, secondsLeft } from "./progress.ts";

test.each<[string, Course, number, number, number | null]>([
  ["nothing yet: nobody knows", { total: 10 }, 0, 5, null],
  ["at the pace so far", { total: 10 }, 4, 8, 12],
  ["of what was done in this run", { total: 10, already: 2 }, 4, 8, 24],
  ["at the end none", { total: 10 }, 10, 5, 0],
  ["beyond what was expected nobody knows", { total: 10 }, 11, 5, null],
])("time left, %s", (_, course, done, seconds, left) => {
  expect(secondsLeft(course, done, seconds)).toBe(left);
});
