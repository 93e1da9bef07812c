import { expect, test } from "vitest";
import { Dispatcher } from "../../engine/dispatch/dispatcher.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { createScheduler } from "../../schedulers/create-scheduler.ts";
import { startedBatch, tasksBefore } from "./batch.ts";

test("a job waits from its entry, and anew from each return of a batch in vain", () => {
  const document = scenarioSchema.parse({
    name: "returns",
    pipelines: { p: { tasks: { a: { model: "m" } } } },
    models: { m: { service: { distribution: "deterministic", meanMs: 1 } } },
    cluster: { replicas: { a: 1 } },
    workload: { arrivals: "burst", requests: 1 },
  });
  const system = compileSystem(document, { profiles: {} });
  const none = (): undefined => undefined;
  const driver = { start: none, wakeAt: none, end: none, holds: () => true, goalUs: () => 1e9 };
  const dispatcher = new Dispatcher(system, createScheduler("fifo", system, "1"), driver);
  dispatcher.join(0, 0);
  const arrive = (nowUs: number): void => {
    dispatcher.arrive(dispatcher.requests.reserve(), 0, nowUs, nowUs);
    dispatcher.decide(nowUs);
  };
  const waitsSince = () => startedBatch(dispatcher, 0, [], 0, 0).queuedUs;
  arrive(10);
  arrive(15);
  expect(waitsSince()).toEqual([10]);
  for (const nowUs of [30, 47]) {
    dispatcher.fail(0, nowUs);
    dispatcher.decide(nowUs);
    // It goes on before the other, which came later.
    expect(waitsSince()).toEqual([nowUs]);
  }
  dispatcher.finish(0, 50);
  dispatcher.decide(50);
  expect(waitsSince()).toEqual([15]);
  dispatcher.finish(0, 60);
  // Its slot is taken again.
  arrive(70);
  expect(waitsSince()).toEqual([70]);
});

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
