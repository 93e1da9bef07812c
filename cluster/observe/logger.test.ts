import { expect, it } from "vitest";
import { seldom } from "./logger.ts";

it("a frequent event is reported at once, then once in an interval with its count", async () => {
  const counts: number[] = [];
  const note = seldom((count) => counts.push(count), 50);
  for (let i = 0; i < 10; i++) note({ i });
  expect(counts).toEqual([1]);
  // One after the other: a timer that is set after the interval's rings after it.
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 60));
  expect(counts).toEqual([1, 9]);
  note({});
  expect(counts).toEqual([1, 9, 1]);
});
