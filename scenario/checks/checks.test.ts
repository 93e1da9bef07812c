import { describe, expect, test } from "vitest";
import {
  expectRefused,
  lineWith,
  profileText,
  RICH,
  replaced,
  richIssues,
  type Spoilt,
} from "../reading/issues.test-support.ts";

const WORK = "{ arrivals: poisson, ratePerS: 20, durationS: 60, warmupS: 6 }";

const WRONG: readonly Spoilt[] = [
  [
    "a workload with two ends",
    WORK,
    "{ arrivals: poisson, ratePerS: 20, durationS: 60, requests: 5 }",
    "workload.requests",
    /both `durationS` and `requests`/,
    "requests",
  ],
  [
    "a workload without an end",
    WORK,
    "{ arrivals: closed, clients: 3 }",
    "workload",
    /exactly one of `durationS` and `requests`/,
    "workload:",
  ],
  [
    "a warm-up as long as the run",
    "warmupS: 6 ",
    "warmupS: 60 ",
    "workload.warmupS",
    /expected less than durationS, 60 seconds, got 60/,
    "warmupS",
  ],
  [
    "a batch that the profile has not",
    "maxBatch: 4",
    "maxBatch: 16",
    "scheduler.batching.maxBatch",
    /expected up to 8, the largest batch of n.json, got 16/,
    "maxBatch",
  ],
  [
    "policies of no task",
    "maxBatch: 4 }",
    "maxBatch: 4 }, perTask: { bb: { ordering: edf } }",
    "scheduler.perTask.bb",
    /no task is called "bb"/,
    "bb",
  ],
  [
    "a metric that nobody knows",
    "name: good",
    "name: good\nvalidation: { metrics: { latencyMeanS: 0.1 } }",
    "validation.metrics.latencyMeanS",
    /no metric is called "latencyMeanS"/,
    "latencyMeanS",
  ],
  [
    "a scaled run of real models",
    "name: good",
    "name: good\nvalidation: { timeScale: 0.5, backend: onnx }",
    "validation.timeScale",
    /only the replay backend/,
    "timeScale",
  ],
  [
    "a profile for a device that is not there",
    "n: { profile: n.json }",
    "n: { profile: { card: n.json, core: n.json, tpu: n.json } }",
    "models.n.profile.tpu",
    /no node has a device of kind "tpu"/,
    "tpu",
  ],
  [
    "no profile for a device that is there",
    "n: { profile: n.json }",
    "n: { profile: { card: n.json } }",
    "models.n.profile",
    /no profile for devices of kind "core"/,
    "n.json",
  ],
  ["an empty sweep", "name: good", "name: good\nsweep: {}", "sweep", /an empty sweep/, "sweep"],
  [
    "a range that runs down",
    "name: good",
    "name: good\nsweep: { run.seed: { from: 3, to: 1, step: 1 } }",
    "sweep.run.seed.to",
    /expected `to` from 3 up, got 1/,
    "from",
  ],
];

describe("what a schema cannot say is checked", () => {
  test("the scenario that the cases start from has no issues", () => {
    expect(richIssues(RICH)).toEqual([]);
  });

  test.each(WRONG)("%s", expectRefused);

  test("a slip in one section does not hide the issues of another", () => {
    const text = RICH.replace("after: [a, b]", "after: [a, x]").replace(
      "ratePerS: 20",
      "ratePerS: a",
    );
    expect(richIssues(text).map((issue) => issue.path)).toEqual([
      "pipelines.p.tasks.c.after.1",
      "workload.ratePerS",
    ]);
  });

  test("shared devices may host more replicas than slots", () => {
    const shared = replaced(RICH, "core: 2", "core: { slots: 2, shared: true }").replace(
      "a: 4",
      "a: 40",
    );
    expect(richIssues(shared)).toEqual([]);
  });

  test("a task that no request reaches needs no replica, unless a held request holds it", () => {
    const never = replaced(RICH, "probability: 0.5", "probability: 0").replace("b: 2, ", "");
    expect(richIssues(never)).toEqual([]);
    const held = never
      .replace("  p:\n", "  p:\n    discipline: pipeline-held\n")
      .replace(/ {2}q:\n.*\n.*\n/, "");
    expect(richIssues(held).map((issue) => issue.path)).toEqual(["cluster.replicas.b"]);
  });

  test("a task that one of two ways reaches needs a replica", () => {
    const alone = RICH.replace(/ {2}q:\n.*\n.*\n/, "").replace(
      "probability: 0.5",
      "probability: 0",
    );
    const text = replaced(alone, "b: 2, c: 3", "c: 0");
    expect(richIssues(text).map((issue) => issue.path)).toEqual(["cluster.replicas.c"]);
  });

  test("a missing value in a list is reported at its entry", () => {
    const text = replaced(RICH, "name: cpu, devices: { core: 2 }", "name: cpu");
    const issue = richIssues(text).find(({ path }) => path === "cluster.nodes.1.devices");
    expect(issue).toMatchObject({ line: lineWith(text, "name: cpu") });
  });

  test("a profile must have a batch of 1 and rising batches", () => {
    const text = RICH;
    expect(richIssues(text, { "n.json": profileText(4, 8) })[0]?.message).toMatch(
      /has no batch of 1/,
    );
    expect(richIssues(text, { "n.json": profileText(8, 1) })[0]?.message).toMatch(
      /batches must rise/,
    );
  });

  test("the scheduler's own checker is asked, and its issues get their lines", () => {
    const checkScheduler = (_value: unknown, path: string) => [
      { path: `${path}.batching.policy`, message: "unknown policy" },
    ];
    const [issue] = richIssues(RICH, undefined, { checkScheduler });
    expect(issue).toMatchObject({ message: "unknown policy", line: 19, file: "good.yaml" });
  });
});

describe("models still to be calibrated", () => {
  const bare = replaced(RICH, "n: { profile: n.json }", "n: { implementation: { name: x } }");
  const named = replaced(RICH, "profile: n.json", "profile: n.json, implementation: { name: x }");

  test("pass while times are not needed", () => {
    expect(richIssues(bare, {})).toEqual([]);
    expect(richIssues(named, {})).toEqual([]);
  });

  test("are sent to calibrate when they are", () => {
    for (const [text, path] of [
      [bare, "models.n"],
      [named, "models.n.profile"],
    ] as const) {
      const [issue] = richIssues(text, {}, { requireTimes: true });
      expect(issue).toMatchObject({ path, line: 13 });
      expect(issue?.hint).toContain("tandem calibrate good.yaml");
    }
  });

  test("iterations of a real engine, ours or foreign, may be measured first", () => {
    const text = (engine: string) => `
name: writes
pipelines: { p: { tasks: { write: { model: m, tokens: { prompt: 9, output: 9, most: 99 } } } } }
models: { m: { tokens: { steps: gone.json, maxSequences: 2, ${engine} } } }
cluster: { replicas: { write: 1 } }
workload: { arrivals: poisson, ratePerS: 1, requests: 10 }
`;
    const engines = ["llama: { weights: smollm2-135m }", "external: { url: 'http://x', model: m }"];
    for (const engine of engines) {
      expect(richIssues(text(engine), {})).toEqual([]);
      const [issue] = richIssues(text(engine), {}, { requireTimes: true });
      expect(issue).toMatchObject({ path: "models.m.tokens.steps" });
      expect(issue?.hint).toContain("tandem calibrate");
    }
    expect(richIssues(text("blocks: 9"), {})).toHaveLength(1);
  });

  test("a missing profile without an implementation is an issue at once", () => {
    const [issue] = richIssues(RICH, {});
    expect(issue?.message).toBe("cannot read the file n.json");
  });
});
