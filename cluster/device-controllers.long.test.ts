/** Real workers obey the controllers of their devices: windows, loads, aborts, stages. Virtual time tests the decisions. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { type LogEntry, RunLog } from "../engine/dispatch/run-log.ts";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";
import { divergence, ownRun } from "./measured-run.test-support.ts";

/** Three models share two devices; one of them is loaded by demand, which takes workers no time. */
const document = (scheduler: string): ScenarioDocument =>
  scenarioSchema.parse({
    name: "devices",
    pipelines: Object.fromEntries(
      ["a", "b", "c"].map((name) => [
        name,
        { slo: { latencyMs: 30_000 }, tasks: { [name]: { model: name } } },
      ]),
    ),
    models: Object.fromEntries(
      ["a", "b", "c"].map((name, i) => [
        name,
        {
          service: {
            distribution: "deterministic",
            meanMs: 5 + 5 * i,
            batch: { marginal: 0.3, max: 16 },
          },
          loadMs: i === 2 ? 4 : 0,
        },
      ]),
    ),
    cluster: {
      nodes: [{ name: "host", devices: { gpu: { slots: 2, shared: true } } }],
      replicas: { a: 2, b: 2, c: 2 },
    },
    workload: { arrivals: "poisson", ratePerS: 60, requests: 120 },
    scheduler,
  });

const folder = temporaryFolder("devices");

function onDevices(sections: Readonly<Record<string, unknown>>): ScenarioDocument {
  return scenarioSchema.parse({ ...document("fifo"), ...sections });
}

const ofKind = (log: string, kind: LogEntry[0]): readonly LogEntry[] =>
  RunLog.parse(log).entries.filter((entry) => entry[0] === kind);

it("Clockwork's batches that come too late for their window wait again, and none is lost", async () => {
  // Nothing may start later than when its device is expected to be free, by times that vary.
  const service = {
    distribution: "lognormal",
    meanMs: 10,
    cv: 0.8,
    batch: { marginal: 0.3, max: 16 },
  };
  const scenario = onDevices({
    models: { a: { service }, b: { service }, c: { service } },
    scheduler: { controller: { policy: "clockwork", slackMs: 0, aheadMs: 500, measurements: 1 } },
  });
  const trace = join(folder, "trace.jsonl");
  const { outcomes, log } = await ownRun(scenario, { trace });
  expect(outcomes.completed).toBe(120);
  const misses = ofKind(log, "miss").length;
  expect(misses).toBeGreaterThan(0);
  expect(divergence(scenario, log)).toBeNull();
  // Each span of such a batch has ended.
  const ended = readFileSync(trace, "utf8").split("its start window passed").length - 1;
  expect(ended).toBeGreaterThanOrEqual(misses);
});

it("loads by command take a replayed model's time, and its batches wait for them", async () => {
  const [a, b, c] = ["a", "b", "c"].map((name) => document("fifo").models[name]);
  const models = { a, b, c: { ...c, residency: "on-demand", loadMs: 300 } };
  const scenario = onDevices({ models, scheduler: "clockwork" });
  const { outcomes, log } = await ownRun(scenario);
  expect(outcomes.completed).toBe(120);
  const entries = RunLog.parse(log).entries;
  const at = entries.findIndex(([kind]) => kind === "load");
  const loaded = entries.slice(at).find(([kind]) => kind === "residency");
  expect(loaded?.[4]).toBeGreaterThanOrEqual((entries[at][3] as number) + 300_000);
  expect(divergence(scenario, log)).toBeNull();
});

it("SHEPHERD takes a batch off its device at once, and its jobs run again", async () => {
  const service = (meanMs: number) => ({
    stoppable: true,
    service: { distribution: "deterministic", meanMs, batch: { marginal: 0, max: 64 } },
  });
  const scenario = onDevices({
    models: { a: service(400), b: service(5), c: service(5) },
    cluster: {
      nodes: [{ name: "host", devices: { gpu: { slots: 1, shared: true } } }],
      replicas: { a: 1, b: 1, c: 1 },
    },
    scheduler: "shepherd",
  });
  const { outcomes, log } = await ownRun(scenario);
  expect(outcomes.completed).toBe(120);
  expect(ofKind(log, "abort").filter(([, , gone]) => gone === 1).length).toBeGreaterThan(0);
  expect(divergence(scenario, log)).toBeNull();
});

it("a pipeline over three devices has three batches under way, and a device runs one at a time", async () => {
  const service = { distribution: "deterministic", meanMs: 150, batch: { max: 1 } };
  const model = { service, residency: "always", stageOverhead: 0 };
  const scenario = onDevices({
    pipelines: { p: { tasks: { a: { model: "a" } } } },
    models: { a: model },
    cluster: {
      nodes: [{ name: "host", devices: { gpu: { slots: 3, shared: true } } }],
      replicas: { a: 3 },
      placement: [{ task: "a", node: "host", device: "gpu", replicas: 3, slots: [1, 2, 3] }],
    },
    workload: { arrivals: "burst", requests: 12 },
  });
  const { outcomes, log } = await ownRun(scenario);
  expect(outcomes.completed).toBe(12);
  const ends = ofKind(log, "finish").map(([, , nowUs]) => nowUs as number);
  // A device passes on a batch every 50 ms at best: (12 + 2) × 50 ms. One after the other they take 1800 ms.
  const spanUs =
    Math.max(...ends) - Math.min(...ofKind(log, "start").map(([, , us]) => us as number));
  expect(spanUs).toBeGreaterThanOrEqual(700_000);
  expect(Math.min(...ends.slice(1).map((us, i) => us - ends[i]))).toBeGreaterThan(0);
  expect(divergence(scenario, log)).toBeNull();
});
