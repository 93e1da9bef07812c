import { describe, expect, test } from "vitest";
import { lineWith, RICH, replaced, richIssues } from "../reading/issues.test-support.ts";

const withFaults = (faults: string): string => `${RICH}faults: ${faults}\n`;
const random = (entry: string): string => withFaults(`{ random: [{ ${entry} }] }`);
const scheduled = (entry: string): string => withFaults(`{ scheduled: [{ ${entry} }] }`);

const CRASH = "kind: crash, mtbfS: 60, mttrS: 5";

const WRONG: readonly (readonly [string, string, string, RegExp])[] = [
  [
    "a fault of nothing",
    random(CRASH),
    "faults.random.0",
    /expected one of `node`, `task` and `replica`, got 0/,
  ],
  [
    "a fault of two things",
    random(`${CRASH}, task: a, node: gpu`),
    "faults.random.0",
    /`replica`, got 2/,
  ],
  [
    "a node that there is not",
    random(`${CRASH}, node: gpu-3`),
    "faults.random.0.node",
    /no node is called "gpu-3"/,
  ],
  [
    "a task that there is not",
    random(`${CRASH}, task: aa`),
    "faults.random.0.task",
    /no task is called "aa"/,
  ],
  [
    "a replica that there is not",
    scheduled("kind: crash, replica: c-4, atS: 1"),
    "faults.scheduled.0.replica",
    /no replica is called "c-4"/,
  ],
  [
    "more faults than a run can have",
    random("kind: crash, task: a, mtbfS: 0.000004, mttrS: 0.000002"),
    "faults.random.0.mtbfS",
    /up to 4\.00e\+7 faults a run of 60 s/,
  ],
  [
    "a slow-down without its factor",
    scheduled("kind: slow, task: a, atS: 1"),
    "faults.scheduled.0",
    /needs its `factor`/,
  ],
  [
    "a crash with a factor",
    scheduled("kind: crash, factor: 2, task: a, atS: 1"),
    "faults.scheduled.0.factor",
    /only `kind: slow` takes a factor/,
  ],
  [
    "a factor that makes nothing slower",
    scheduled("kind: slow, factor: 1, task: a, atS: 1"),
    "faults.scheduled.0.factor",
    /greater than 1|above 1|>1/,
  ],
  [
    "a mean time of nothing",
    random("kind: crash, task: a, mtbfS: 0, mttrS: 5"),
    "faults.random.0.mtbfS",
    /greater than 0|above 0|>0/,
  ],
  [
    "a repair of no known distribution",
    random(`${CRASH}, task: a, repair: { distribution: normal }`),
    "faults.random.0.repair.distribution",
    /exponential/,
  ],
];

describe("faults that cannot be", () => {
  test.each(WRONG)("%s", (_, text, path, message) => {
    const issues = richIssues(text);
    expect(issues.map((issue) => issue.path)).toEqual([path]);
    expect(`${issues[0].message} ${issues[0].hint ?? ""}`).toMatch(message);
    expect(issues[0].line).toBe(lineWith(text, "faults:"));
  });

  test("a node without nodes", () => {
    const text = random(`${CRASH}, node: gpu`).replace(/ {2}nodes:\n( {4}- .*\n)+/, "");
    expect(richIssues(text)).toMatchObject([
      { path: "faults.random.0.node", message: "a fault of a node needs `cluster.nodes`" },
    ]);
  });
});

test.each([
  random(`${CRASH}, node: gpu`),
  random(`${CRASH}, node: gpu-2, repair: { distribution: lognormal, cv: 2 }`),
  scheduled("kind: slow, factor: 3, replica: c-3, atS: 0"),
  scheduled("kind: partition, task: a, atS: 5, forS: 2"),
])("faults that can be: %s", (text) => {
  expect(richIssues(text)).toEqual([]);
});

const BATCHING = "scheduler: { preset: fifo, batching: { policy: size, maxBatch: 4 } }";
const scaled = (scheduler: string): string =>
  replaced(RICH, BATCHING, `scheduler:\n  ${scheduler}`);
const all = (parameters: string): string =>
  scaled(`scaling: { policy: target-utilization, ${parameters} }`);

describe("scaling that cannot be", () => {
  test.each([
    ["more at most than there is room for", all("max: 5"), "max", /expected up to 4, .*any task/],
    ["more at the start", all("start: 9"), "start", /expected up to 4/],
    ["less at most than at least", all("min: 3, max: 2"), "max", /at least `min`, 3, got 2/],
  ])("%s", (_, text, key, message) => {
    const issues = richIssues(text);
    expect(issues).toMatchObject([
      { path: `scheduler.scaling.${key}`, line: lineWith(text, "scaling:") },
    ]);
    expect(issues[0].message).toMatch(message);
  });

  test("a task's own bound is against its own replicas", () => {
    const text = scaled("perTask: { b: { scaling: { policy: queue-length, max: 3 } } }");
    expect(richIssues(text)).toMatchObject([{ path: "scheduler.perTask.b.scaling.max" }]);
    expect(richIssues(text.replace("max: 3", "max: 2"))).toEqual([]);
  });

  test("more decisions than a run can have", () => {
    const often = all("intervalS: 0.001");
    expect(richIssues(often)).toEqual([]);
    const issues = richIssues(replaced(often, "durationS: 60", "durationS: 20001"));
    expect(issues).toMatchObject([{ path: "scheduler.scaling.intervalS" }]);
    expect(issues[0].message).toMatch(/2\.00e\+7 decisions a run of 20001 s/);
  });

  test("a chain of replicas that is held", () => {
    const alone = replaced(all("max: 2"), "  q:\n    tasks:\n      c: { model: n }\n", "");
    const held = replaced(alone, "  p:\n", "  p:\n    discipline: pipeline-held\n");
    expect(richIssues(alone)).toEqual([]);
    expect(richIssues(held)).toMatchObject([
      { path: "scheduler.scaling", message: expect.stringContaining("p is pipeline-held") },
    ]);
  });
});

test("scaling that can be, and `fixed`, which is none", () => {
  expect(richIssues(all("min: 2, max: 4, start: 3"))).toEqual([]);
  expect(richIssues(scaled("scaling: fixed"))).toEqual([]);
});
