import { describe, expect, test } from "vitest";
import { parseScenario } from "./parse.ts";
import type { LoadedScenario } from "./reading/files.ts";
import {
  type Files,
  issuesOf,
  lineWith,
  profileText,
  readerOf,
  replaced,
  SMALL,
  type Spoilt,
} from "./reading/issues.test-support.ts";

type Load = (text: string, files?: Files) => LoadedScenario;

const FILES: Files = { "dir/profiles/reader.json": profileText(1) };

const load: Load = (text, files = FILES) => parseScenario(text, "dir/good.yaml", readerOf(files));

const WRONG: readonly Spoilt[] = [
  [
    "an unknown key",
    "  ratePerS: 20",
    "  ratePerS: 20\n  rattePerS: 3",
    "workload.rattePerS",
    /unknown key "rattePerS" in workload/,
    "rattePerS",
  ],
  [
    "an unknown section",
    "scheduler: fifo",
    "scheduler: fifo\nworklod: 3",
    "worklod",
    /unknown key "worklod"/,
    "worklod",
  ],
  [
    "a number out of range",
    "ratePerS: 20",
    "ratePerS: -3",
    "workload.ratePerS",
    /expected a number above 0 \(per second\), got -3/,
    "ratePerS",
  ],
  [
    "a probability above 1",
    "probability: 0.5",
    "probability: 1.5",
    "pipelines.p.tasks.plate.when.probability",
    /expected a number up to 1, got 1.5/,
    "probability",
  ],
  [
    "a time shorter than the simulator's step",
    "meanMs: 80",
    "meanMs: 0.0001",
    "models.detector.service.meanMs",
    /expected a number from 0.001 \(milliseconds\), got 0.0001/,
    "0.0001",
  ],
  [
    "a time that no clock reaches",
    "meanMs: 80",
    "meanMs: 1e300",
    "models.detector.service.meanMs",
    /expected a number up to 1000000000 \(milliseconds\), got 1e\+300/,
    "1e300",
  ],
  [
    "a spread of which no run shows the mean",
    "cv: 0.3",
    "cv: 1000",
    "models.detector.service.cv",
    /expected a number up to 50, got 1000/,
    "cv: 1000",
  ],
  [
    "a number with its unit",
    "meanMs: 80",
    "meanMs: 80ms",
    "models.detector.service.meanMs",
    /expected a number \(milliseconds\), got "80ms"/,
    "80ms",
  ],
  [
    "text where a list belongs",
    "after: [detect]",
    "after: detect",
    "pipelines.p.tasks.plate.after",
    /expected a list, got "detect"/,
    "after: detect",
  ],
  [
    "an unknown kind of arrivals",
    "arrivals: poisson",
    "arrivals: poison",
    "workload.arrivals",
    /expected one of poisson, .*got "poison"/,
    "poison",
  ],
  [
    "an unknown join",
    "after: [detect],",
    "after: [detect], join: al,",
    "pipelines.p.tasks.plate.join",
    /expected all or first or a mapping .*got "al"/,
    "join",
  ],
  [
    "a join of zero",
    "after: [detect],",
    "after: [detect], join: { atLeast: 0 },",
    "pipelines.p.tasks.plate.join.atLeast",
    /expected a number above 0, got 0/,
    "join",
  ],
  [
    "a missing field",
    "  durationS: 60",
    "  durationS: 60\nrun: { seed: }",
    "run.seed",
    /expected a number, got an empty value/,
    "run:",
  ],
  [
    "a missing section",
    "scheduler: fifo\nworkload:\n  arrivals: poisson\n  ratePerS: 20\n  durationS: 60",
    "scheduler: fifo",
    "workload",
    /missing: expected a mapping/,
    "name: good",
  ],
  [
    "a bad task name",
    "plate: { model",
    '"pl ate": { model',
    "pipelines.p.tasks.pl ate",
    /not a valid name: expected a name of letters/,
    "pl ate",
  ],
  [
    "a duplicated key",
    "scheduler: fifo",
    "scheduler: fifo\nname: again",
    "name",
    /key "name" is given twice, first on line 1/,
    "again",
  ],
  [
    "an axis without values",
    "scheduler: fifo",
    "scheduler: fifo\nsweep:\n  workload.ratePerS: []",
    "sweep.workload.ratePerS",
    /at least 1 entry, got an empty list/,
    ".ratePerS: []",
  ],
  [
    "points that are no list",
    "scheduler: fifo",
    "scheduler: fifo\nsweep:\n  points: 3",
    "sweep.points",
    /expected a list, got 3/,
    "points: 3",
  ],
  [
    "an unknown swept path",
    "scheduler: fifo",
    "scheduler: fifo\nsweep:\n  clster.x: [3]",
    "sweep.clster.x.0",
    /unknown path "clster.x"/,
    "clster",
  ],
  [
    "a missing profile",
    "profiles/reader.json",
    "profiles/gone.json",
    "models.reader.profile",
    /cannot read the file dir\/profiles\/gone.json/,
    "gone",
  ],
  [
    "a deadline of nothing",
    "  p:\n    tasks:",
    "  p:\n    deadlineMs: 0\n    tasks:",
    "pipelines.p.deadlineMs",
    /expected a number above 0 .*got 0/,
    "deadlineMs",
  ],
  [
    "a deadline of an unknown distribution",
    "  p:\n    tasks:",
    "  p:\n    deadlineMs: { distribution: normal, mean: 5 }\n    tasks:",
    "pipelines.p.deadlineMs.distribution",
    /expected one of exponential, lognormal, gamma, weibull, empirical.*got "normal"/,
    "normal",
  ],
  [
    "a priority between two whole numbers",
    "  p:\n    tasks:",
    "  p:\n    priority: 1.5\n    tasks:",
    "pipelines.p.priority",
    /expected a whole number, got 1.5/,
    "priority",
  ],
  [
    "a tolerance of a time, which is a share",
    "  durationS: 60",
    "  durationS: 60\nvalidation: { points: [{}], metrics: { latencyMeanMs: five } }",
    "validation.metrics.latencyMeanMs",
    /expected a number \(a share: 0.05 is 5%\), got "five"/,
    "validation",
  ],
  [
    "clients that wait for no time",
    "  durationS: 60",
    "  durationS: 60\n  client: { timeoutMs: 0 }",
    "workload.client.timeoutMs",
    /expected a number above 0 \(milliseconds\), got 0/,
    "client",
  ],
  [
    "more retries than any client makes",
    "  durationS: 60",
    "  durationS: 60\n  client: { timeoutMs: 5, retries: 21 }",
    "workload.client.retries",
    /expected a number up to 20, got 21/,
    "client",
  ],
  [
    "pauses that shrink",
    "  durationS: 60",
    "  durationS: 60\n  client: { timeoutMs: 5, retries: 2, backoffFactor: 0.5 }",
    "workload.client.backoffFactor",
    /expected a number from 1, got 0.5/,
    "client",
  ],
  [
    "one name in place of two",
    "cluster:\n",
    "cluster:\n  network: { zones: [{ between: here, rttMs: 1 }] }\n",
    "cluster.network.zones.0.between",
    /expected a list \(two zones\), got "here"/,
    "network",
  ],
  [
    "times of an engine without those of prompts",
    "models:\n",
    "models:\n  writer: { tokens: { steps: { decode: [1, 0, 0] } } }\n",
    "models.writer.tokens.steps.prefill",
    /missing: expected a list \(\[a, b, c\]: a \+ b × tokens/,
    "writer",
  ],
  [
    "a budget without its ratio",
    "  durationS: 60",
    "  durationS: 60\n  client: { timeoutMs: 5, retries: 2, retryBudget: { burst: 3 } }",
    "workload.client.retryBudget.ratio",
    /missing: expected a number/,
    "client",
  ],
  [
    "a missing section file",
    "cluster:\n  replicas: { detect: 2, plate: 1 }",
    "cluster: gone.yaml",
    "cluster",
    /cannot read the file dir\/gone.yaml/,
    "gone",
  ],
];

describe("bad input is refused with path, line and expectation", () => {
  test.each(WRONG)("%s", (_sentence, from, to, path, message, part) => {
    const text = replaced(SMALL, from, to);
    const issues = issuesOf(() => load(text));
    expect(issues.map((issue) => issue.path)).toContain(path);
    const issue = issues.find((candidate) => candidate.path === path);
    expect(issue?.message).toMatch(message);
    expect(issue).toMatchObject({ file: "dir/good.yaml", line: lineWith(text, part) });
    expect(issues).toHaveLength(1);
  });

  test("every issue comes at once, in the order of the file", () => {
    const text = SMALL.replace("meanMs: 80", "meanMs: no")
      .replace("detect: 2", "detet: 2")
      .replace("ratePerS: 20", "ratePerS: 0");
    const lines = issuesOf(() => load(text)).map((issue) => issue.line);
    expect(lines).toEqual([9, 13, 13, 17]);
  });

  test("what is wrong in a section hides nothing else that is wrong with it or with others", () => {
    const text = SMALL.replace("probability: 0.5", "probability: 1.5")
      .replace("after: [detect]", "after: [detekt]")
      .replace("model: detector", "modle: detektor")
      .replace("meanMs: 80", "meanMs: -80")
      .replace("plate: 1", "plate: 0")
      .replace("durationS: 60", "duration: 60\n  warmupS: 70")
      .concat("sweep: { scheduler: [fifo, 5], workload.ratePerS: [20, -1] }\n");
    const issues = issuesOf(() => load(text));
    expect(issues.map(({ line, path, message }) => [line, path, message.slice(0, 30)])).toEqual([
      [5, "pipelines.p.tasks.detect.modle", 'unknown key "modle" in pipelin'],
      [5, "pipelines.p.tasks.detect.modle", 'no model is called "detektor"'],
      [6, "pipelines.p.tasks.plate.when.probability", "expected a number up to 1, got"],
      [6, "pipelines.p.tasks.plate.after.0", 'no task is called "detekt"'],
      [9, "models.detector.service.meanMs", "expected a number from 0.001 ("],
      [13, "cluster.replicas.plate", 'task "plate" needs at least 1 '],
      [18, "workload.duration", 'unknown key "duration" in work'],
      [19, "workload.warmupS", "expected less than durationS, "],
      [20, "scheduler", "expected text or a mapping (ke"],
      [20, "workload.ratePerS", "expected a number above 0 (per"],
    ]);
  });

  test("what would follow from a mistake alone is not told", () => {
    const text = SMALL.replace("  replicas: { detect: 2, plate: 1 }", "  replicsa: 3").replace(
      "arrivals: poisson",
      "arrivals: 7",
    );
    const paths = issuesOf(() => load(text)).map(({ path }) => path);
    expect(paths).toEqual(["cluster.replicas", "cluster.replicsa", "workload.arrivals"]);
  });

  test("an unknown key is answered with the nearest known one of its own place", () => {
    const text = replaced(SMALL, "cv: 0.3", "cvv: 0.3");
    const issue = issuesOf(() => load(text)).find(({ path }) => path.endsWith("cvv"));
    expect(issue?.hint).toBe('did you mean "cv"?');
  });

  test.each([
    [0.99, "did you mean 99?"],
    [0.999, "did you mean 99.9?"],
    [0.07, "did you mean 7?"],
    [0, undefined],
  ])("a share of %s in place of a percentile is answered with %s", (share, hint) => {
    const slo = `  p:\n    slo: { latencyMs: 500, percentile: ${share} }`;
    const issues = issuesOf(() => load(replaced(SMALL, "  p:", slo)));
    const message = `expected a number from 1, got ${share}`;
    expect(issues).toMatchObject([{ path: "pipelines.p.slo.percentile", line: 4, message }]);
    expect(issues[0].hint).toBe(hint);
  });

  test.each([
    ["an empty file", "", /the file is empty/],
    ["a file of comments", "# nothing\n", /the file is empty/],
    ["a list at the root", "- name: x\n", /expected a mapping \(key: value\), got a list/],
    ["text at the root", "hello", /expected a mapping \(key: value\), got "hello"/],
    ["a binary file", "\u007fELF\u0002\u0001\0\0>\0\u0001: [\0", /dir\/good.yaml is no text/],
    ["a tower of lists", `a: ${"[".repeat(5000)}${"]".repeat(5000)}`, /nested too deeply/],
  ])("%s is one clear issue", (_sentence, text, message) => {
    const issues = issuesOf(() => load(text));
    expect(issues).toHaveLength(1);
    expect(issues[0]).toMatchObject({ file: "dir/good.yaml", line: 1 });
    expect(issues[0]?.message).toMatch(message);
  });

  test("a YAML syntax error names its line", () => {
    const issues = issuesOf(() => load("name: x\npipelines:\n  a: b: c\n"));
    expect(issues[0]?.message).toMatch(/not valid YAML/);
    expect(issues[0]?.line).toBe(3);
  });

  test.each([
    ["kind: ssh\nmachines: { a: {} }\n", "this is an inventory of kind ssh, not a scenario"],
    ['{ "schema": "tandem/results@1" }', "this is a document tandem/results@1, not a scenario"],
  ])("another document than a scenario is named: %s", (text, message) => {
    expect(issuesOf(() => load(text))).toMatchObject([{ message, line: 1 }]);
  });

  test("an alias inside its own anchor is an issue, not an endless walk", () => {
    const issues = issuesOf(() => load("name: &a\n  inner: *a\n"));
    expect(issues[0]).toMatchObject({ line: 2 });
    expect(issues[0]?.message).toMatch(/refers to itself/);
    const again = issuesOf(() => load("name: &a\n  first: &a x\n  inner: *a\n"));
    expect(again.map(({ message }) => message).join()).not.toMatch(/refers to itself/);
  });

  test("few lines of aliases that stand for a thousand million entries are refused", () => {
    const lines = Array.from({ length: 9 }, (_, i) => {
      const entry = i === 0 ? "x" : `*a${i - 1}`;
      return `a${i}: &a${i} [${Array.from({ length: 10 }, () => entry).join(", ")}]`;
    });
    const issues = issuesOf(() => load(`${lines.join("\n")}\n`));
    expect(issues[0]?.message).toMatch(/too many aliases/);
  });

  test("an issue inside a section file names that file and its line", () => {
    const text = replaced(
      SMALL,
      "cluster:\n  replicas: { detect: 2, plate: 1 }",
      "cluster: a.yaml",
    );
    const files = { ...FILES, "dir/a.yaml": "replicas:\n  detect: 2\n  plate: none\n" };
    const [issue] = issuesOf(() => load(text, files));
    expect(issue).toMatchObject({ file: "dir/a.yaml", line: 3, path: "cluster.replicas.plate" });
  });

  test("a profile that is no JSON, or of another shape, names the profile's line", () => {
    const at = "dir/profiles/reader.json";
    const [syntax] = issuesOf(() => load(SMALL, { [at]: '{\n "schema": \n}' }));
    expect(syntax).toMatchObject({ file: at, path: "models.reader.profile" });
    expect(syntax?.message).toMatch(/not valid JSON/);
    const pretty = JSON.stringify(JSON.parse(profileText(1).replace("1500", "-1")), null, 1);
    const [shape] = issuesOf(() => load(SMALL, { [at]: pretty }));
    expect(shape).toMatchObject({ file: at, line: lineWith(pretty, "meanUs") });
    expect(shape?.message).toMatch(/expected a number above 0 \(microseconds\), got -1/);
  });
});

test("a word that is not of a list: the list stands there once, or the nearest word", () => {
  const hintOf = (kind: string): string | undefined =>
    issuesOf(() => load(replaced(SMALL, "arrivals: poisson", `arrivals: ${kind}`)))[0].hint;
  expect(hintOf("banana")).toBeUndefined();
  expect(hintOf("poison")).toBe('did you mean "poisson"?');
});
