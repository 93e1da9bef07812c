import { expect, test } from "vitest";
import { Calendar, CalendarClock } from "../../checks/dst/calendar.ts";
import { runClock } from "./run-clock.ts";
import { Solving } from "./solving.ts";

/** Solvers answer when the test says so; `said` has what each solution came to. */
function solving() {
  const calendar = new Calendar();
  const clock = new CalendarClock(calendar);
  const open: ((solution: readonly number[]) => void)[] = [];
  const said: string[] = [];
  const subject = new Solving(
    (_problem, solved) => open.push(solved),
    clock,
    runClock(0, 1),
    (controller, solution) => said.push(`${controller}: ${solution} at ${clock.nowUs()}`),
  );
  const playUntil = (atUs: number): void => {
    calendar.set(atUs, () => undefined);
    while (calendar.step(atUs));
  };
  return { subject, open, said, clock, playUntil };
}

test("a solution is told when it is due, and a late one as soon as it is there", () => {
  const { subject, open, said, playUntil } = solving();
  subject.ask(0, "early", 100);
  subject.ask(1, "late", 100);
  open[0]([7]);
  playUntil(150);
  expect(said).toEqual(["0: 7 at 100"]);
  open[1]([8]);
  playUntil(200);
  expect(said).toEqual(["0: 7 at 100", "1: 8 at 150"]);
});

test("only a controller's latest problem counts, none after another scheduler has come", () => {
  const { subject, open, said, clock, playUntil } = solving();
  subject.ask(0, "first", 100);
  subject.ask(0, "second", 120);
  for (const [i, solved] of open.entries()) solved([i]);
  playUntil(200);
  expect(said).toEqual(["0: 1 at 120"]);
  subject.ask(0, "third", 300);
  subject.ask(1, "fourth", 300);
  open[2]([2]);
  subject.forget();
  open[3]([3]);
  playUntil(400);
  expect([said.length, clock.open]).toEqual([1, 0]);
});

test("nothing rings after the end", () => {
  const { subject, open, said, clock, playUntil } = solving();
  subject.ask(0, "first", 100);
  subject.ask(1, "second", 100);
  open[0]([1]);
  subject.close();
  open[1]([2]);
  playUntil(200);
  expect([said, clock.open]).toEqual([[], 0]);
});
