import { appendFileSync, mkdtempSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseScenario } from "../core/scenario/parse.ts";
import { expandSweep } from "../core/scenario/sweep.ts";
import { ResultStore, type StoreKey } from "./result-store.ts";
import { runSweep } from "./run-sweep.ts";

const KEY: StoreKey = { scenarioDigest: "d1", seed: 1, replications: 3, version: "1" };

const loaded = parseScenario(
  `
name: store
pipelines: { p: { tasks: { serve: { model: server } } } }
models: { server: { service: { distribution: exponential, meanMs: 10 } } }
cluster: { replicas: { serve: 1 } }
workload: { arrivals: poisson, ratePerS: 50, requests: 300 }
run: { seed: 1, replications: 3 }
sweep: { cluster.replicas.serve: [1, 2, 3], workload.ratePerS: [50, 60] }
`,
  "store.yaml",
  () => {
    throw new Error("the scenario names no files");
  },
);
const configurations = expandSweep(loaded);
const inputs = { profiles: {}, traces: {} };

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tandem-store-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (): string => join(folder, "configurations.jsonl");

/** Runs the sweep with the store, stopping after so many new configurations. */
async function run(key: StoreKey, stopAfter = Number.POSITIVE_INFINITY) {
  const store = ResultStore.open(folder, key);
  const reused = store.finished.size;
  const controller = new AbortController();
  const results = await runSweep({
    configurations,
    inputs,
    threads: 1,
    store,
    signal: controller.signal,
    onProgress: (finished) => {
      if (finished - reused >= stopAfter) controller.abort();
    },
  });
  store.close();
  return { results, reused };
}

describe("a sweep with a store", () => {
  test("that is stopped keeps what is finished, and goes on to equal results", async () => {
    const whole = await runSweep({ configurations, inputs, threads: 1 });
    const first = await run(KEY, 2);
    expect(first.results).toHaveLength(2);
    const second = await run(KEY);
    expect(second.reused).toBe(2);
    expect(second.results).toEqual(JSON.parse(JSON.stringify(whole)));
  });

  test("whose last line is torn does that configuration again", async () => {
    const whole = await run(KEY);
    const size = readFileSync(file()).length;
    truncateSync(file(), size - 40);
    const again = await run(KEY);
    expect(again.reused).toBe(configurations.length - 1);
    expect(again.results).toEqual(JSON.parse(JSON.stringify(whole.results)));
    expect((await run(KEY)).reused).toBe(configurations.length);
  });

  test.each<[string, Partial<StoreKey>]>([
    ["scenario", { scenarioDigest: "d2" }],
    ["seed", { seed: 2 }],
    ["number of replications", { replications: 4 }],
    ["version", { version: "2" }],
  ])("does not reuse results of another %s", async (_, change) => {
    await run(KEY, 2);
    expect((await run({ ...KEY, ...change }, 1)).reused).toBe(0);
  });

  test("does a configuration again whose line is no JSON", async () => {
    await run(KEY, 2);
    appendFileSync(file(), '{"id": "torn by a full disk\n');
    expect((await run(KEY)).results).toHaveLength(configurations.length);
  });

  test("loses nothing when it is opened and killed at once", async () => {
    await run(KEY, 3);
    ResultStore.open(folder, KEY);
    expect((await run(KEY)).reused).toBe(3);
  });
});
