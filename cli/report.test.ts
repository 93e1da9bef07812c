/** From `simulate --out` to a report that looks into a run, and to a trace. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { ProvenanceDocument } from "../core/provenance.ts";
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
  expect(origin.command).toMatch(/^npx tandem simulate s\.yaml --seed 3/);
  expect(origin.date).toMatch(/^\d{4}-\d\d-\d\dT/);
  expect([origin.host, origin.version].join(" ")).toMatch(/Node \d+.* \d+\.\d+\.\d+ /);
  expect(scenario.name).toBe("two-steps");
  const results = JSON.parse(readFileSync(join(folder, "out/results.json"), "utf8"));
  expect(digest).toBe(results.scenario.digest);
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
  for (const chart of ["pipeline", "slowest-requests", "timeline-simulated"]) {
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
  expect(stderr).toMatch(/its plan has no solution \(.*no plan keeps the goal/);
});
