import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { calibratedProfile } from "../scenario/compile/calibrated-profile.test-support.ts";
import { catalogue } from "../schedulers/catalogue.ts";
import { runReplication } from "../sim/replication.ts";
import { calibratedFiles } from "../sim/shipped-scenarios.test-support.ts";
import {
  type ConfigurationResult,
  capacityOf,
  Fault,
  playedRun,
  readScenario,
  type SimulationStep,
  scenarioSource,
  scenarioText,
  schedulerForms,
  simulate,
  simulateAll,
} from "./browser.ts";
import { scenario as readFileScenario } from "./scenario.ts";
import { sweep as sweepInNode } from "./sweep.ts";

const FILE = join(import.meta.dirname, "../scenarios/queueing/branch.yaml");
const TEXT = readFileSync(FILE, "utf8");
/** As the Node library gives them. */
async function simulateAtOnce(overrides: object) {
  const loaded = await readFileScenario(FILE, { ...overrides });
  return (await sweepInNode(loaded, { threads: 1 })).configurations;
}
const SHORT = { workload: { arrivals: "poisson", ratePerS: 5, requests: 400 } };

test("gives what the Node library gives, to the digit", async () => {
  const sweep = { scheduler: ["fifo", "random"], "workload.ratePerS": [4, 8] };
  const overrides = { ...SHORT, sweep, "run.replications": 3 };
  const first = (await simulateAtOnce(overrides))[0];
  const results = await simulateAll(readScenario(TEXT, { overrides }));
  expect(results.map(({ id }) => id)).toHaveLength(4);
  expect(results[0]).toEqual(first);
});

test("gives the same doubt of calibration, however many replications are there", async () => {
  const profile = calibratedProfile([90_000, 92_000, 89_000, 91_500]);
  const files = { "m.json": JSON.stringify(profile) };
  const document = {
    name: "measured",
    pipelines: { p: { tasks: { serve: { model: "m" } } } },
    models: { m: { profile: "m.json" } },
    cluster: { replicas: { serve: 1 } },
    workload: SHORT.workload,
    run: { replications: 2 },
  };
  const text = JSON.stringify(document);
  const steps: ConfigurationResult[] = [];
  for await (const { result } of simulate(readScenario(text, { files }))) steps.push(result);
  for (const [i, result] of steps.entries()) {
    const overrides = { "run.replications": i + 1 };
    const loaded = await readFileScenario(document, overrides, { files });
    const { configurations } = await sweepInNode(loaded, { threads: 1 });
    expect(result.inputs).toEqual(configurations[0].inputs);
    expect(result.metrics).toEqual(configurations[0].metrics);
  }
  expect(steps.map(({ inputs }) => inputs?.draws)).toEqual([3, 6]);
});

test("steps go breadth first, and each is the result of so many replications", async () => {
  const overrides = {
    ...SHORT,
    sweep: { "workload.ratePerS": [4, 8] },
    "run.replications": 2,
  };
  const steps: SimulationStep[] = [];
  for await (const step of simulate(readScenario(TEXT, { overrides }))) steps.push(step);
  const order = steps.map(({ index, replications, isWhole }) => [index, replications, isWhole]);
  expect(order).toEqual([
    [0, 1, false],
    [1, 1, false],
    [0, 2, true],
    [1, 2, true],
  ]);
  const one = { ...overrides, "run.replications": 1 };
  const alone = await simulateAtOnce(one);
  expect(steps[1].result.metrics).toEqual(alone[1].metrics);
  expect(steps[1].result.metrics.latencyMeanMs?.halfWidth95).toBeGreaterThan(0);
});

test("goes on until intervals are narrow, as the scenario asks", async () => {
  const overrides = {
    ...SHORT,
    "run.until": { relativeHalfWidth: 0.2, metrics: ["latencyMeanMs"], maxReplications: 40 },
  };
  const expected = (await simulateAtOnce(overrides))[0];
  expect((await simulateAll(readScenario(TEXT, { overrides })))[0]).toEqual(expected);
});

test("an aborted simulation stops within a run", async () => {
  const requests = 1_000_000_000;
  const overrides = { workload: { ...SHORT.workload, requests }, "run.replications": 1 };
  const control = new AbortController();
  setTimeout(() => control.abort(new Error("enough")), 20);
  const run = simulateAll(readScenario(TEXT, { overrides }), { signal: control.signal });
  await expect(run).rejects.toThrow("enough");
});

test("reads files by the path that the scenario writes, and names those that are missing", () => {
  const text = TEXT.replace(/^workload:.*$/m, "workload: ./parts/load.yaml");
  const files = { "parts/load.yaml": "{ arrivals: poisson, ratePerS: 3, requests: 10 }" };
  expect(readScenario(text, { files }).document.workload).toMatchObject({ ratePerS: 3 });
  expect(() => readScenario(text)).toThrow(Fault);
  try {
    readScenario(text, { file: "mine.yaml" });
  } catch (error) {
    expect((error as Fault).issues?.[0]?.message).toContain("parts/load.yaml");
  }
});

test("reads JSON, and knows the capacity", () => {
  const { document } = readScenario(TEXT, { overrides: SHORT });
  const again = readScenario(JSON.stringify(document));
  expect(again.document).toEqual(document);
  expect(capacityOf(again)?.perS).toBeGreaterThan(0);
});

test.each(["image-analysis.yaml", "llm-trace.yaml", "node-crash.yaml", "seed-table-5.1.yaml"])(
  "the source of %s, read again, is the same scenario",
  (file) => {
    const folder = join(import.meta.dirname, "../scenarios");
    const files = {
      "traces/llm-sample.csv": readFileSync(join(folder, "traces/llm-sample.csv"), "utf8"),
      ...Object.fromEntries(
        Object.entries(calibratedFiles).map(([name, one]) => [
          `profiles/${name}`,
          JSON.stringify(one),
        ]),
      ),
    };
    const loaded = readScenario(readFileSync(join(folder, file), "utf8"), { files });
    const source = scenarioSource(loaded);
    const again = readScenario(source.text, { files: source.files });
    expect(again.digest).toBe(loaded.digest);
  },
);

test("writes overrides into the text, which then reads as the text with overrides", () => {
  const overrides = { "cluster.replicas.detect": 3, scheduler: "random", "workload.ratePerS": 7 };
  const text = scenarioText("# kept\nname: a\nworkload: { ratePerS: 1 }\nscheduler: fifo\n", {
    ...overrides,
    "scheduler.ordering": "edf",
  });
  expect(text).toMatch(/^# kept/);
  expect(text).toContain("ratePerS: 7");
  expect(text).toMatch(/preset: random\n {2}ordering: edf/);
  expect(scenarioText(text, { scheduler: undefined })).not.toContain("random");
});

test("forms know each preset, and the parameters of its policies with unit and default", () => {
  const forms = schedulerForms();
  expect(forms.map(({ name }) => name)).toEqual(catalogue().presets.map(({ name }) => name));
  const batching = forms.find(({ name }) => name === "batching");
  expect(batching?.parameters.find(({ name }) => name === "waitMs")).toMatchObject({
    decision: "batching",
    policy: "size-or-timeout",
    unit: "ms",
    kind: "number",
    minimum: 0,
  });
  for (const { parameters } of forms) {
    expect(parameters.every(({ description }) => description !== "")).toBe(true);
  }
});

test("the code of docs/what-if.md runs as it stands", async () => {
  const docs = readFileSync(join(import.meta.dirname, "../docs/what-if.md"), "utf8");
  const [, code] = /```js\n(import [^\n]+\n[\s\S]*?)```/.exec(docs) ?? [];
  const body = code.replace(/^import .*$/m, "");
  const run = new Function(
    ...["readScenario", "simulate", "text", "console"],
    `return (async () => { ${body} })();`,
  ) as (...given: unknown[]) => Promise<void>;
  const said: unknown[][] = [];
  const short = scenarioText(TEXT, { workload: SHORT.workload, "run.replications": 2 });
  await run(readScenario, simulate, short, { log: (...words: unknown[]) => said.push(words) });
  expect(said.map(([replications, isWhole]) => [replications, isWhole])).toEqual([
    [1, false],
    [2, true],
  ]);
});

test("the entry of charts needs no Node either, so that a page draws them", async () => {
  const { build } = await import("esbuild");
  const options = { bundle: true, platform: "browser", format: "esm", write: false } as const;
  const entryPoints = [join(import.meta.dirname, "vega.ts")];
  const { outputFiles } = await build({ ...options, entryPoints, logLevel: "silent" });
  expect(outputFiles[0].text).toContain("latency");
});

test("a run that is played has the arrivals, batches and ends of the run that the simulator made", async () => {
  const overrides = { workload: { arrivals: "poisson", ratePerS: 5, requests: 50 } };
  const scenario = readScenario(TEXT, { overrides });
  const { requests, bars, replicas } = await playedRun(scenario, 40);
  expect(requests).toHaveLength(40);
  const { gantt, summary } = runReplication(scenario.document, scenario, 0, { ganttBars: 3000 });
  const early = gantt.filter((bar) => bar.requests.some((request) => request < 40));
  expect(bars.map(({ startMs, endMs }) => [startMs, endMs])).toEqual(
    early.map(({ startMs, endMs }) => [startMs, endMs]),
  );
  for (const { task, replica, startMs, requests: own } of bars) {
    expect(replicas).toContainEqual({ name: replica, task });
    for (const request of own) {
      expect(startMs).toBeGreaterThanOrEqual(requests[request].arrivedMs);
    }
  }
  requests.forEach(({ endedMs, outcome }, request) => {
    const own = bars.filter((bar) => bar.requests.includes(request));
    expect(outcome).toBe("completed");
    expect(endedMs).toBe(Math.max(...own.map(({ endMs }) => endMs)));
  });
  expect(summary.requests).toBe(50);
  expect(await playedRun(scenario, 40)).toEqual({ requests, bars, replicas });
});

test("a played run of proteus loads its solver by itself", async () => {
  const file = join(import.meta.dirname, "../scenarios/accuracy-on-a-cluster.yaml");
  const scenario = readScenario(readFileSync(file, "utf8"), {
    overrides: { scheduler: "proteus" },
  });
  const { bars } = await playedRun(scenario, 100);
  expect(bars.length).toBeGreaterThan(10);
});
