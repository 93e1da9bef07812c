import { expect, test } from "vitest";
import { paceOf } from "./plan-pace.ts";

/** Milliseconds between looks of a run whose events take so long. */
function stretches(eventMs: number, count: number): number[] {
  let nowMs = 0;
  const events = paceOf(
    60,
    () => false,
    () => nowMs,
  ).looks();
  return Array.from({ length: count }, () => {
    const stretchMs = events() * eventMs;
    nowMs += stretchMs;
    return stretchMs;
  });
}

test("a search looks within some hundredths of a second, whether an event takes a millionth or a hundredth", () => {
  for (const eventMs of [0.001, 0.1, 1, 10])
    expect(Math.max(...stretches(eventMs, 100))).toBeLessThan(100);
});

test("events that take no time are not interrupted by looks", () => {
  expect(stretches(0.001, 100).at(-1)).toBe(1);
});

test("a search ends with its budget, or once it is stopped", () => {
  let nowMs = 5000;
  let isStopped = false;
  const { spent, isOver } = paceOf(
    10,
    () => isStopped,
    () => nowMs,
  );
  nowMs += 4000;
  expect([spent(), isOver()]).toEqual([0.4, false]);
  isStopped = true;
  expect(isOver()).toBe(true);
  isStopped = false;
  nowMs += 6000;
  expect(isOver()).toBe(true);
});
