import {
  appendFileSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { parseScenario } from "../scenario/parse.ts";
import {
  MemoryStore,
  ResultStore,
  recordLine,
  recordsOf,
  type StoreKey,
  type SweepRecord,
} from "./records.ts";
import { runSweep } from "./run-sweep.ts";

const KEY: StoreKey = {
  format: "1",
  scenario: "d1",
  seed: 1,
  replications: 3,
  program: "1",
  parameters: [],
};
const COUNT = 6;

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

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tandem-store-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const file = (): string => join(folder, "configurations.jsonl");

/** Runs the sweep with the store, stopping after so many new configurations. */
async function run(key: StoreKey, stopAfter = Number.POSITIVE_INFINITY) {
  const store = ResultStore.open(folder, key, COUNT);
  const reused = store.finished;
  const controller = new AbortController();
  await runSweep({
    plan: { loaded },
    threads: 1,
    store,
    signal: controller.signal,
    onProgress: (finished) => {
      if (finished - reused >= stopAfter) controller.abort();
    },
  });
  const records = [...recordsOf(store, COUNT)];
  store.close();
  return { records, reused, setAside: store.setAside };
}

async function inMemory(): Promise<readonly SweepRecord[]> {
  const store = new MemoryStore();
  await runSweep({ plan: { loaded }, threads: 1, store });
  return [...recordsOf(store, COUNT)];
}

describe("a sweep with a store", () => {
  test("that is stopped keeps what is finished, and goes on to equal results", async () => {
    const first = await run(KEY, 2);
    expect(first.records).toHaveLength(2);
    const second = await run(KEY);
    expect(second.reused).toBe(2);
    expect(second.records).toEqual(await inMemory());
    expect(second.records[5]).toMatchObject({ index: 5, result: { replications: 3 } });
  });

  test("has each replication's figures beside their means", async () => {
    const [{ result, runs }] = await inMemory();
    const means = runs.metrics.latencyMeanMs as number[];
    expect(means).toHaveLength(3);
    const mean = means.reduce((sum, value) => sum + value, 0) / 3;
    expect(result.metrics.latencyMeanMs?.mean).toBeCloseTo(mean, 9);
    expect(new Set(runs.digest).size).toBe(3);
    expect(runs.requests).toEqual([300, 300, 300]);
    expect(runs.tasks.serve.jobs).toEqual([300, 300, 300]);
  });

  test("whose last line is torn does that configuration again", async () => {
    const whole = await run(KEY);
    const size = readFileSync(file()).length;
    truncateSync(file(), size - 40);
    const again = await run(KEY);
    expect(again.reused).toBe(COUNT - 1);
    expect(again.records).toEqual(whole.records);
    expect((await run(KEY)).reused).toBe(COUNT);
  });

  test.each<[string, Partial<StoreKey>]>([
    ["scenario", { scenario: "d2" }],
    ["seed", { seed: 2 }],
    ["replications", { replications: 4 }],
    ["program", { program: "2" }],
  ])("neither reuses nor loses results of another %s", async (name, change) => {
    await run(KEY, 2);
    const before = readFileSync(file(), "utf8");
    const other = await run({ ...KEY, ...change }, 1);
    expect(other.reused).toBe(0);
    const aside = join(folder, "earlier-1");
    expect(other.setAside).toBe(
      `${folder} has 2 finished configurations of another ${name}: moved to ${aside}`,
    );
    expect(readFileSync(join(aside, "configurations.jsonl"), "utf8")).toBe(before);
    expect((await run(KEY, 1)).setAside).toContain(join(folder, "earlier-2"));
  });

  test("leaves no folder behind for a store in which nothing was finished", async () => {
    ResultStore.open(folder, KEY, COUNT).close();
    expect((await run({ ...KEY, seed: 2 })).setAside).toBeUndefined();
    expect(readdirSync(folder)).toEqual(["configurations.jsonl"]);
  });

  test("does a configuration again whose line is no JSON", async () => {
    await run(KEY, 2);
    appendFileSync(file(), '{"id": "torn by a full disk\n');
    expect((await run(KEY)).records).toEqual(await inMemory());
  });

  test("is right for two commands that write it at once", async () => {
    const whole = await inMemory();
    const [one, two] = [1, 2].map(() => ResultStore.open(folder, KEY, COUNT));
    for (const record of whole) {
      one.add(record.index, recordLine(record));
      if (record.index % 2 === 0) two.add(record.index, recordLine(record));
    }
    two.add(0, recordLine(whole[0]));
    for (const store of [one, two, ResultStore.open(folder, KEY, COUNT)]) {
      expect([...recordsOf(store, COUNT)]).toEqual(whole);
      store.close();
    }
  });

  test("loses nothing when it is opened and killed at once", async () => {
    await run(KEY, 3);
    ResultStore.open(folder, KEY, COUNT);
    expect((await run(KEY)).reused).toBe(3);
  });
});
