import { expect, test } from "vitest";
import { compileSystem } from "../../core/compile.ts";
import { NO_INPUTS, twoTasks } from "../deployment.test-support.ts";
import { feedbackBook } from "./feedback-book.ts";

const system = compileSystem(twoTasks(), NO_INPUTS);

const answered = (requestId: string | undefined, slot: number, ...replicas: (string | null)[]) => ({
  context: requestId === undefined ? {} : { requestId },
  ...{ pipeline: 0, slot },
  results: replicas.map((replica) =>
    replica === null ? null : { timing: { replica }, labels: [] },
  ),
});

test("finds the tasks that ran, and their pools, of all answers with the id", () => {
  const book = feedbackBook(system);
  book.keep(answered("a", 3, "detect-2", "plate-1"));
  book.keep(answered("a", 4, "detect-1", null));
  book.keep(answered(undefined, 5, "detect-1", null));
  const detect = system.replicas.find(({ name }) => name === "detect-1")?.pool;
  const plate = system.replicas.find(({ name }) => name === "plate-1")?.pool;
  expect(book.find("a", undefined)).toEqual([
    { slot: 3, task: "detect", pool: detect, labels: [] },
    { slot: 3, task: "plate", pool: plate, labels: [] },
    { slot: 4, task: "detect", pool: detect, labels: [] },
  ]);
  expect(book.find("a", "plate")).toEqual([{ slot: 3, task: "plate", pool: plate, labels: [] }]);
});

test("says what is wrong: no such request, or a task that did not run", () => {
  const book = feedbackBook(system);
  book.keep(answered("a", 0, "detect-1", null));
  expect(() => book.find("b", undefined)).toThrow('no answered request has the id "b"');
  expect(() => book.find("a", "plate")).toThrow('the request did not run the task "plate"');
});

test("forgets the oldest answers, also of one id that never changes", () => {
  const book = feedbackBook(system, 3);
  for (const [slot, id] of ["a", "b", "b", "b"].entries())
    book.keep(answered(id, slot, "detect-1"));
  expect(() => book.find("a", undefined)).toThrow("no answered request");
  for (let slot = 4; slot < 9; slot++) book.keep(answered("b", slot, "detect-1"));
  expect(book.find("b", undefined).map(({ slot }) => slot)).toEqual([6, 7, 8]);
});
