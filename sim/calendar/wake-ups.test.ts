import { expect, test } from "vitest";
import { WakeUps } from "./wake-ups.ts";

const NEVER = Number.POSITIVE_INFINITY;

test("the next wake-up is the earlier of the next timer and the next look", () => {
  const calendar = new WakeUps(2);
  calendar.lookAt(500);
  expect([calendar.nextUs, calendar.timerUs]).toEqual([500, NEVER]);
  calendar.set(0, 300);
  calendar.set(1, 200);
  expect([calendar.nextUs, calendar.timerUs]).toEqual([200, 200]);
  calendar.set(1, NEVER);
  expect(calendar.nextUs).toBe(300);
  calendar.lookSoon();
  expect([calendar.nextUs, calendar.timerUs]).toEqual([-NEVER, 300]);
  calendar.lookAt(NEVER);
  expect(calendar.nextUs).toBe(300);
});

test("timers of one instant are taken in the order in which they were set", () => {
  const calendar = new WakeUps(3);
  calendar.lookAt(NEVER);
  for (const timer of [2, 0, 1]) calendar.set(timer, 50);
  const taken = [calendar.takeTimer(), calendar.takeTimer(), calendar.takeTimer()];
  expect([taken, calendar.timerUs, calendar.nextUs]).toEqual([[2, 0, 1], NEVER, NEVER]);
});
