/** From `simulate --out` to a trace, to a report that looks into a run, and to `tandem compare` before and after a change. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import type { ProvenanceDocument } from "../results/provenance.ts";
import { tandemHere } from "./tandem-here.test-support.ts";

const SCENARIO = `
name: two-steps
pipelines:
  p:
    slo: { latencyMs: 200, percentile: 95 }
    tasks:
      first: { model: quick }
      second: { model: quick, after: [first] }
models: { quick: { service: { distribution: exponential, meanMs: 20 } } }
cluster:
  nodes: [{ name: m, count: 2, devices: { gpu: 2 }, costPerHour: 1 }]
  replicas: { first: 1, second: 1 }
workload: { arrivals: poisson, ratePerS: 20, requests: 400 }
run: { seed: 3, replications: 2 }
sweep: { "cluster.replicas.first": [1, 2], "workload.ratePerS": [15, 30] }
`;

let folder: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "tandem-report-"));
  writeFileSync(join(folder, "s.yaml"), SCENARIO);
  const words = [
    "simulate",
    "s.yaml",
    "--out",
    "out",
    "--trace",
    "trace/run.json",
    "--workers",
    "1",
  ];
  const { code, stderr } = await tandemHere(folder, words);
  expect([code, stderr]).toEqual([0, expect.stringContaining("open it in ui.perfetto.dev")]);
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

test("a results folder says when, where and by what it was made, with the scenario inside", () => {
  const text = readFileSync(join(folder, "out/provenance.json"), "utf8");
  const { made, scenario, digest } = JSON.parse(text) as ProvenanceDocument;
  const origin = made["results.json"];
  expect(origin.command).toMatch(/^node \S+tandem\.js simulate s\.yaml --seed 3/);
  expect(origin.date).toMatch(/^\d{4}-\d\d-\d\dT/);
  expect([origin.host, origin.version].join(" ")).toMatch(/Node \d+.* \d+\.\d+\.\d+ /);
  expect(scenario.name).toBe("two-steps");
  const results = JSON.parse(readFileSync(join(folder, "out/results.json"), "utf8"));
  expect(digest).toBe(results.scenario.digest);
});

test("a trace that cannot be written is refused before anything is simulated", async () => {
  const words = ["simulate", "s.yaml", "--out", "untouched", "--trace", "s.yaml/run.json"];
  const { code, stderr, stdout } = await tandemHere(folder, words);
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toMatch(/cannot make the folder s\.yaml/);
  expect(existsSync(join(folder, "untouched"))).toBe(false);
});

test("a trace is JSON in the trace event format, of the first configuration", () => {
  const { traceEvents } = JSON.parse(readFileSync(join(folder, "trace/run.json"), "utf8"));
  const names = new Set(traceEvents.map(({ name }: { name: string }) => name));
  for (const name of ["first", "second", "waiting: first", "p"]) expect(names).toContain(name);
  expect(traceEvents.filter(({ ph }: { ph: string }) => ph === "s")).toHaveLength(400);
});

test("the report looks into the decision's run, and begins with the decision", async () => {
  const { code, stdout } = await tandemHere(folder, ["report", "out"]);
  expect([code, stdout.trim()]).toEqual([0, "out/report.html"]);
  const html = readFileSync(join(folder, "out/report.html"), "utf8");
  const order = ["decision", "evidence", "bottleneck", "time", "what-if-section", "provenance"];
  const places = order.map((id) => html.indexOf(`<section id="${id}"`));
  expect(places).toEqual(places.toSorted((a, b) => a - b));
  expect(places[0]).toBeGreaterThan(0);
  for (const chart of ["slowest-requests", "timeline-simulated"]) {
    expect(existsSync(join(folder, `out/charts/${chart}.svg`))).toBe(true);
  }
});

test("a plan without a solution has nothing to report, and says why", async () => {
  const goal = ["--set", "pipelines.p.slo.latencyMs=10"];
  const load = ["--set", 'sweep={"workload.ratePerS":[15]}', "--max-replicas", "2"];
  const planned = await tandemHere(folder, ["plan", "s.yaml", "--out", "none", ...goal, ...load]);
  expect(planned.code).toBe(3);
  const { code, stderr } = await tandemHere(folder, ["report", "none"]);
  expect(code).toBe(2);
  expect(stderr).toMatch(
    /its plan has no solution \(.*no plan keeps the SLO.*; .*: plan again with faster machines/,
  );
  const file = join(folder, "none/plan.json");
  const plan = JSON.parse(readFileSync(file, "utf8"));
  const hint = async (changed: object): Promise<string> => {
    writeFileSync(file, JSON.stringify({ ...plan, ...changed }));
    return (await tandemHere(folder, ["report", "none"])).stderr;
  };
  const early = plan.plans.map((one: object) => ({ ...one, notSearched: ["budget"] }));
  expect(await hint({ plans: early })).toMatch(/search ended early, a larger `--budget` goes on/);
  expect(await hint({ planned: "digest" })).toMatch(/`tandem simulate none\/plan.yaml --out none`/);
});

const compared = temporaryFolder("compare");
const tandem = (...words: readonly string[]) => tandemHere(compared, words);

beforeAll(async () => {
  writeFileSync(
    join(compared, "s.yaml"),
    `name: s
models: { m: { service: { distribution: exponential, meanMs: 10 } } }
pipelines: { p: { tasks: { t: { model: m } } } }
cluster: { replicas: { t: 2 } }
workload: { arrivals: poisson, ratePerS: 100, requests: 500 }
scheduler: fifo
run: { replications: 5 }
sweep: { workload.ratePerS: [60, 100] }
`,
  );
  const simulate = (out: string, ...set: readonly string[]) =>
    tandem("simulate", "s.yaml", "--seed", "1", "--out", out, ...set);
  await simulate("before");
  await simulate("same");
  await simulate("slower", "--set", "models.m.service.meanMs=11");
  await simulate("other", "--set", "sweep={workload.ratePerS: [60, 70]}");
});

test("a change that matters is shown for each configuration, with its interval", async () => {
  const { code, stdout } = await tandem("compare", "before", "slower", "--json");
  expect(code).toBe(0);
  const [{ changes }] = JSON.parse(stdout).comparisons;
  expect(changes.map((one: { verdict: string }) => one.verdict)).toEqual(Array(4).fill("worse"));
  for (const { before, after, difference, halfWidth95, pairs } of changes) {
    expect(after - before).toBeCloseTo(difference, 9);
    expect(difference).toBeGreaterThan(halfWidth95);
    expect(pairs).toBe(5);
  }
  const table = await tandem("compare", "before", "slower");
  expect(table.stdout).toMatch(
    /^the scenarios differ: models\.m\.service\.meanMs: 10 → 11\nslower against before: 0 better, 4 worse, 0 without/,
  );
  expect(table.stdout).toMatch(/^ *100 {2}mean latency \(ms\) .* \+\d+.* ± .* worse$/m);
  expect((await tandem("compare", "slower", "before")).stdout).toContain("4 better, 0 worse");
});

test("equal results show no difference", async () => {
  const { stdout } = await tandem("compare", "before", "same");
  expect(stdout).toBe(
    "same against before: 0 better, 0 worse, 4 without a difference shown (margin 1%)\n",
  );
});

test("rates are matched by their share of capacity after a change of service times", async () => {
  const sweep = ["--set", "sweep={workload.ratePerS: [{ofCapacity: 0.4}, {ofCapacity: 0.6}]}"];
  const slow = ["--set", "models.m.service.meanMs=12"];
  for (const [out, set] of [
    ["shares", []],
    ["slow-shares", slow],
  ] as const) {
    await tandem("simulate", "s.yaml", "--seed", "1", "--out", out, ...sweep, ...set);
  }
  const { code, stdout } = await tandem("compare", "shares", "slow-shares");
  expect(code).toBe(0);
  expect(stdout).toContain("rates matched by their share of capacity: 40% is 80/s before, 66.67/s");
  expect(stdout).toMatch(/0 better, 4 worse/);
});

test("an overloaded side is named, and has no figures", async () => {
  await tandem(
    "simulate",
    "s.yaml",
    "--seed",
    "1",
    "--out",
    "full",
    "--set",
    "models.m.service.meanMs=25",
  );
  const { stdout } = await tandem("compare", "before", "full");
  expect(stdout).toContain("overloaded in full: 1 configuration, such as ratePerS=100");
  expect(stdout).not.toMatch(/^ *100 {2}/m);
});

test("results of other pipelines are refused, and a page has all changes", async () => {
  const pipelines = ["--set", "pipelines={p: {tasks: {u: {model: m}}}}", "cluster.replicas={u: 2}"];
  await tandem("simulate", "s.yaml", "--seed", "1", "--out", "unlike", ...pipelines);
  const unlike = await tandem("compare", "before", "unlike");
  expect([unlike.code, unlike.stderr]).toEqual([2, expect.stringContaining("tasks t against u")]);
  await tandem("compare", "before", "slower", "--out", "page.html");
  const page = readFileSync(join(compared, "page.html"), "utf8");
  expect(page).toContain("the scenarios differ: models.m.service.meanMs: 10 → 11");
  expect(page.match(/<tr>/g)).toHaveLength(5);
});

test("configurations that one folder has alone are named", async () => {
  const { stdout } = await tandem("compare", "before", "other", "--all");
  expect(stdout).toContain("only in before: 1 configuration, such as ");
  expect(stdout).toContain("only in other: 1 configuration, such as ");
});

test("what cannot be paired is refused", async () => {
  const alone = await tandem("compare", "before");
  expect([alone.code, alone.stderr.includes("one folder alone")]).toEqual([2, true]);
  await tandem("simulate", "s.yaml", "--seed", "2", "--out", "reseeded");
  const reseeded = await tandem("compare", "before", "reseeded");
  expect(reseeded.code).toBe(2);
  expect(reseeded.stderr).toContain("--seed 1");
  const missing = await tandem("compare", "before", "none");
  expect([missing.code, missing.stderr.includes("no results.json in none")]).toEqual([2, true]);
});
