import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import { doctor as examine, nodeFinding } from "../library/doctor.ts";
import type { WhichScheduler } from "../library/index.ts";
import { decisionTable } from "../library/which-scheduler.ts";
import { type AnyCase, caseOf } from "../results/which-scheduler.ts";
import { doctorText, requireEssential } from "./inspect.ts";
import { tandemHere } from "./tandem-here.test-support.ts";

test.each([
  ["v18.20.8", "missing"],
  ["v20.18.3", "missing"],
  ["v20.19.0", "ok"],
  ["v24.1.0", "ok"],
])("Node %s is %s", (version, state) => {
  const finding = nodeFinding(version);
  expect(finding.state).toBe(state);
  if (state === "ok") expect(() => requireEssential([finding])).not.toThrow();
  else {
    expect(() => requireEssential([finding])).toThrow(
      expect.objectContaining({ code: "not-found", hint: expect.stringContaining("20.19") }),
    );
  }
});

test("what is not here is named with its purpose and the way out, and ends nothing", async () => {
  const { PATH } = process.env;
  process.env.PATH = "/nowhere";
  const checks = await examine().finally(() => {
    process.env.PATH = PATH;
  });
  const state = Object.fromEntries(checks.map((check) => [check.name, check.state]));
  expect(state).toMatchObject({ Node: "ok", ports: "ok", Docker: "absent", ssh: "absent" });
  expect(state).toMatchObject({ "ONNX Runtime": "ok", Parquet: "ok", pictures: "ok" });
  expect(Object.keys(state), "no part twice").toHaveLength(checks.length);
  for (const { name, state, found, purpose, hint } of checks) {
    expect(found, name).not.toBe("");
    expect(purpose, name).not.toBe("");
    expect(hint === undefined, name).toBe(state === "ok");
  }
  expect(() => requireEssential(checks)).not.toThrow();
  const text = doctorText(checks, 100);
  for (const { name, hint } of checks)
    if (hint !== undefined) expect(text).toContain(`${name}: ${hint}`);
});

const SCENARIOS = join(import.meta.dirname, "..", "scenarios");

test("the scheduler for a scenario comes with its reasons and the command that checks it", async () => {
  const set = ["--set", "workload.ratePerS=5"];
  const words = ["schedulers", "--for", "stock-prediction.yaml", ...set];
  const { code, stdout } = await tandemHere(SCENARIOS, [...words, "--json"]);
  expect(code).toBe(0);
  const { schema, factors, decision, command } = JSON.parse(stdout) as WhichScheduler;
  expect(schema).toBe("tandem/which-scheduler@1");
  expect(caseOf<AnyCase>(factors)).toEqual(decision.case);
  expect(decision.use?.overFifo.halfWidth95).toBeGreaterThanOrEqual(0);
  const text = (await tandemHere(SCENARIOS, words)).stdout;
  for (const { level, reason } of Object.values(factors)) {
    expect(text).toContain(level);
    expect(text.replace(/\s+/g, " ")).toContain(reason);
  }
  expect(text).toContain(`use ${decision.use?.name}`);
  expect(text).toContain(command);
  expect(command).toMatch(
    /simulate \S*stock-prediction.yaml --set workload.ratePerS=5 --set 'sweep=/,
  );
});

test("where a scenario refuses the row's scheduler, one that is as good is named and checked", async () => {
  const words = ["schedulers", "--for", "shared-gpu.yaml"];
  const { code, stdout } = await tandemHere(SCENARIOS, [...words, "--json"]);
  expect(code).toBe(0);
  const { decision, refused, instead, command } = JSON.parse(stdout) as WhichScheduler;
  const answer = instead ?? decision.use?.name;
  expect(refused === undefined ? [decision.use?.name] : decision.use?.beside).toContain(answer);
  expect(command).toContain(answer);
});

test("advice that did not hold with other models says so, and is checked beside what did better", async () => {
  // Two models on one device, tight SLOs, batches that gain nothing: a case that the study's own models decided otherwise.
  const [doubtful] = decisionTable().filter(({ use }) => use?.elsewhere?.holds === false);
  const better = doubtful.use?.elsewhere;
  const folder = mkdtempSync(join(tmpdir(), "tandem-for-"));
  const tasks = (name: string) => ({ [name]: { model: name } });
  const service = { distribution: "deterministic", meanMs: 20 };
  const sharing = { kind: "time-slice", quantumMs: 2, switchUs: 100 };
  const document = {
    name: "doubtful",
    pipelines: {
      a: { slo: { latencyMs: 60 }, tasks: tasks("a") },
      b: { slo: { latencyMs: 60 }, tasks: tasks("b") },
    },
    models: { a: { service }, b: { service } },
    cluster: {
      nodes: [{ name: "host", count: 2, devices: { gpu: { slots: 1, sharing } } }],
      replicas: { a: 2, b: 2 },
    },
    workload: { arrivals: "poisson", ratePerS: 20, requests: 100 },
  };
  writeFileSync(join(folder, "s.yaml"), JSON.stringify(document));
  const words = ["schedulers", "--for", "s.yaml"];
  const { stdout } = await tandemHere(folder, [...words, "--json"]);
  const { decision, command = "" } = JSON.parse(stdout) as WhichScheduler;
  expect(decision.case).toEqual(doubtful.case);
  const text = (await tandemHere(folder, words)).stdout.replace(/\s+/g, " ");
  expect(text).toContain("it does not carry over");
  expect(text).toContain(`${better?.best} has ${better?.behind.mean} ±`);
  const [, sweep] = /sweep=(.*)'/.exec(command) as RegExpExecArray;
  const { points } = JSON.parse(sweep) as { readonly points: readonly { scheduler: unknown }[] };
  expect(points.map(({ scheduler }) => scheduler)).toEqual([
    "fifo",
    decision.use?.scheduler,
    better?.best,
  ]);
  const loose = [
    "--set",
    "pipelines.a.slo.latencyMs=600",
    "--set",
    "pipelines.b.slo.latencyMs=600",
  ];
  const held = (await tandemHere(folder, [...words, ...loose])).stdout.replace(/\s+/g, " ");
  expect(held).toContain("not shown to be worse than another");
});

test("language models have rows of their own, whose values the scenario takes", async () => {
  const words = ["schedulers", "--for", "chat.yaml"];
  const { code, stdout } = await tandemHere(SCENARIOS, [...words, "--json"]);
  expect(code).toBe(0);
  const { factors, decision, values = {} } = JSON.parse(stdout) as WhichScheduler;
  expect(Object.keys(factors)).toEqual(["prompts", "clients", "goal"]);
  expect(decision.case).toMatchObject({ prompts: "different", clients: "one" });
  const text = (await tandemHere(SCENARIOS, words)).stdout;
  expect(text).toContain("over vllm");
  const set = Object.entries(values).flatMap(([path, value]) => {
    return ["--set", `${path}=${typeof value === "string" ? value : JSON.stringify(value)}`];
  });
  expect((await tandemHere(SCENARIOS, ["check", "chat.yaml", ...set])).code).toBe(0);
  const alike = ["--set", "models.writer.tokens.prefixCaching=true"];
  expect((await tandemHere(SCENARIOS, [...words, ...alike])).stdout).toContain("prompts: alike");
});

test.each(["node-crash.yaml", "rag.yaml"])(
  "%s, whose answer is the baseline itself, is checked with another that does as well",
  async (scenario) => {
    const words = ["schedulers", "--for", scenario, "--json"];
    const { stdout } = await tandemHere(SCENARIOS, words);
    const { command = "" } = JSON.parse(stdout) as WhichScheduler;
    const [, sweep] = /sweep=(.*)'/.exec(command) as RegExpExecArray;
    const { points } = JSON.parse(sweep) as { readonly points: readonly unknown[] };
    expect(points).toHaveLength(2);
    expect(points[1]).not.toEqual(points[0]);
  },
);

test("an unsound scenario has no answer but its issues, and a name goes without --for", async () => {
  const set = ["--set", "cluster.replicas.nobody=1"];
  const words = ["schedulers", "--for", "stock-prediction.yaml", ...set];
  const unsound = await tandemHere(SCENARIOS, words);
  expect(unsound.code).toBe(2);
  expect(unsound.stderr).toContain("nobody");
  const both = await tandemHere(SCENARIOS, [
    "schedulers",
    "fifo",
    "--for",
    "stock-prediction.yaml",
  ]);
  expect([both.code, both.stderr]).toEqual([
    2,
    expect.stringContaining("one of a name, --for and --place"),
  ]);
});

test("a scenario whose models are not measured yet says once, first, what to run", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tandem-for-"));
  const document = {
    name: "unmeasured",
    pipelines: { p: { tasks: { a: { model: "a" }, b: { model: "b" } } } },
    models: Object.fromEntries(
      ["a", "b"].map((name) => [
        name,
        { profile: `${name}.json`, implementation: { name: "no-op" } },
      ]),
    ),
    cluster: { replicas: { a: 1, b: 1 } },
    workload: { arrivals: "poisson", ratePerS: 1, requests: 10 },
  };
  writeFileSync(join(folder, "s.yaml"), JSON.stringify(document));
  const { code, stderr } = await tandemHere(folder, ["schedulers", "--for", "s.yaml"]);
  const [first, ...others] = stderr.trimEnd().split("\n");
  expect(code).toBe(2);
  expect(first).toContain("s.yaml: 2 issues: run `tandem calibrate s.yaml` first");
  expect(others).toHaveLength(2);
  for (const line of others) expect(line).not.toContain("calibrate");
});

test("--place prints the scenario on AlpaServe's groups of devices, as a scenario that is sound", async () => {
  const folder = mkdtempSync(join(tmpdir(), "tandem-place-"));
  // Two models that a device has room for one of; the burst of one may have both.
  const pipeline = (name: string) => ({
    slo: { latencyMs: 800 },
    tasks: { [name]: { model: "m" } },
  });
  const document = {
    name: "bert",
    pipelines: { a: pipeline("a"), b: pipeline("b") },
    models: { m: { service: { distribution: "deterministic", meanMs: 396 }, memoryMb: 13_400 } },
    cluster: {
      nodes: [{ name: "host", devices: { gpu: { slots: 2, memoryMb: 14_000 } } }],
      replicas: { a: 1, b: 1 },
    },
    workload: { arrivals: "gamma", cv: 3, ratePerS: 2, requests: 500 },
  };
  writeFileSync(join(folder, "s.yaml"), JSON.stringify(document));
  const placed = await tandemHere(folder, ["schedulers", "--place", "s.yaml"]);
  expect([placed.code, placed.stderr]).toEqual([0, ""]);
  const [first, second] = placed.stdout.split("\n");
  const line = /^# host\/gpu in (1 \+ 1|2): \d+\.\d% in time, \d+\.\d ms in the mean$/;
  expect([line.exec(first)?.[1], line.exec(second)?.[1]].sort()).toEqual(["1 + 1", "2"]);
  expect(parse(placed.stdout)).toMatchObject({ scheduler: "alpaserve" });
  writeFileSync(join(folder, "placed.yaml"), placed.stdout);
  expect((await tandemHere(folder, ["check", "placed.yaml"])).code).toBe(0);
});
