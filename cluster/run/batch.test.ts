import { expect, test } from "vitest";
import { tasksBefore } from "./batch.ts";

test("tasks before a task are its ancestors, the nearest first", () => {
  const tasks = [[], [0], [0], [1, 2], [3], []].map((predecessors) => ({ predecessors }));
  expect(tasks.map((_, task) => tasksBefore(tasks, task))).toEqual([
    [],
    [0],
    [0],
    [1, 2, 0],
    [3, 1, 2, 0],
    [],
  ]);
});
