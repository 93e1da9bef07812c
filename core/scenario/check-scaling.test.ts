import { describe, expect, test } from "vitest";
import { lineWith, RICH, replaced, richIssues } from "./issues.test-support.ts";

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
