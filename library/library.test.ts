/** The library's functions: progress, aborts, refusals, and schedulers of the program. */
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { simulate as simulateInBrowser } from "./browser.ts";
import { fromLine, toLine } from "./in-node.ts";
import {
  cluster,
  definePolicy,
  Fault,
  follow,
  load,
  plan,
  play,
  query,
  type Scenario,
  scenario,
  simulate,
  sweep,
} from "./index.ts";
import { table } from "./notebook.ts";
import { charts, lines, svg } from "./vega.ts";

const folder = temporaryFolder("library");

const DOCUMENT = {
  name: "one-queue",
  pipelines: { p: { tasks: { serve: { model: "m" } }, slo: { latencyMs: 500, percentile: 95 } } },
  models: { m: { service: { distribution: "exponential", meanMs: 100 } } },
  cluster: { replicas: { serve: 2 } },
  workload: { arrivals: "poisson", ratePerS: 12, requests: 300 },
  run: { seed: 1, replications: 3 },
  sweep: { scheduler: ["fifo", "random"], "workload.ratePerS": [8, 12] },
};

/** The order of the newest first, in a function that uses nothing outside itself. */
const newestFirst = ({ definePolicy: define }: { definePolicy: typeof definePolicy }) => ({
  ordering: define({ name: "newest-first", create: () => ({ kind: "lifo" }) as const }),
});

describe("a scenario", () => {
  test("is the same from a document, a text and with overrides", async () => {
    const fromDocument = await scenario(DOCUMENT);
    const fromText = await scenario(JSON.stringify(DOCUMENT, null, 2));
    expect(fromText.digest).toBe(fromDocument.digest);
    const busier = await scenario(DOCUMENT, { "workload.requests": 301 });
    expect(busier.digest).not.toBe(fromDocument.digest);
  });

  test("takes data files at hand", async () => {
    const text = "at\n0\n0.5\n0.75\n";
    const workload = { arrivals: "trace", file: "arrivals.csv", column: "at", unit: "s" };
    const { sweep: _, ...document } = DOCUMENT;
    const traced = { ...document, workload };
    const loaded = await scenario(traced, {}, { files: { "arrivals.csv": text } });
    expect((await simulate(loaded)).requests).toBe(9);
    await expect(scenario(traced)).rejects.toMatchObject({ code: "invalid-input" });
  });

  test("is asked for by functions that got its path, or a promise of it", async () => {
    const path = "scenarios/own.yaml" as unknown as Scenario;
    const promise = scenario(DOCUMENT) as unknown as Scenario;
    const hint = "give `await scenario(file)`";
    for (const refused of [simulate(path), sweep(path), plan(path), load(path, { url: "x:1" })]) {
      const message = 'expected a scenario that was read, got "scenarios/own.yaml"';
      await expect(refused).rejects.toMatchObject({ code: "usage", message, hint });
    }
    await expect(simulate(promise)).rejects.toMatchObject({
      hint,
      message: expect.stringMatching(/got a promise$/),
    });
    const steps = simulateInBrowser(DOCUMENT as never);
    await expect(steps.next()).rejects.toMatchObject({ hint: "give `readScenario(text)`" });
  });

  test("is refused with all issues, which a console shows too", async () => {
    const wrong = { "cluster.replicas.serve": -1, "workload.ratePerS": "fast" };
    const fault = await scenario(DOCUMENT, wrong).catch((error: unknown) => error as Fault);
    expect(fault).toBeInstanceOf(Fault);
    expect((fault as Fault).issues.map(({ path }) => path)).toEqual([
      "cluster.replicas.serve",
      "workload.ratePerS",
    ]);
    expect((fault as Fault).stack).toContain("workload.ratePerS: ");
  });
});

describe("simulate and sweep", () => {
  test("count progress, and give one configuration or all", async () => {
    const done: number[] = [];
    const loaded = await scenario(DOCUMENT, { "run.replications": 4 });
    const one = await simulate(loaded, { onProgress: (progress) => done.push(progress.done) });
    expect(done).toEqual([1, 2, 3, 4]);
    const told: string[] = [];
    const all = await sweep(loaded, { threads: 1, onResult: ({ id }) => told.push(id) });
    expect(told.toSorted()).toEqual(all.configurations.map(({ id }) => id).toSorted());
    expect(all.configurations.map(({ digest }) => digest)).toContain(one.digest);
    expect(all.comparisons?.length).toBeGreaterThan(0);
  });

  test("stop when they are told to, and a sweep with a folder goes on from there", async () => {
    const loaded = await scenario(DOCUMENT);
    const stop = new AbortController();
    const reason = new Error("enough");
    const onProgress = ({ done }: { done: number }): void => {
      if (done === 2) stop.abort(reason);
    };
    const options = { threads: 1, directory: join(folder, "sweep") };
    await expect(sweep(loaded, { ...options, onProgress, signal: stop.signal })).rejects.toBe(
      reason,
    );
    await expect(simulate(loaded, { signal: stop.signal })).rejects.toBe(reason);
    const begun: number[] = [];
    const resumed = await sweep(loaded, { ...options, onProgress: ({ done }) => begun.push(done) });
    expect(begun[0]).toBe(2);
    const afresh = await sweep(loaded, { threads: 1 });
    expect(resumed.configurations.map(({ digest }) => digest)).toEqual(
      afresh.configurations.map(({ digest }) => digest),
    );
    expect(await query(options.directory, "select count(*) as n from configurations")).toEqual([
      { n: 4 },
    ]);
  });

  test.each([
    ["simulate", (loaded: Scenario, signal: AbortSignal) => simulate(loaded, { signal })],
    ["sweep", (loaded: Scenario, signal: AbortSignal) => sweep(loaded, { threads: 1, signal })],
    [
      "sweep on threads",
      (loaded: Scenario, signal: AbortSignal) => sweep(loaded, { threads: 2, signal }),
    ],
    ["plan", (loaded: Scenario, signal: AbortSignal) => plan(loaded, { signal })],
  ])("%s: a replication of hours is cut short", async (_, call) => {
    const hours = { "workload.requests": 1e9, "workload.warmupS": "auto" };
    const loaded = await scenario(DOCUMENT, hours);
    const reason = new Error("enough");
    const stop = new AbortController();
    setTimeout(() => stop.abort(reason), 300);
    await expect(call(loaded, stop.signal)).rejects.toBe(reason);
  });

  test("are async iterables too: progress, then the result; a loop that ends early ends the call", async () => {
    const loaded = await scenario(DOCUMENT, { "run.replications": 4 });
    const seen: unknown[] = [];
    for await (const step of follow((watch) => simulate(loaded, watch))) {
      seen.push(step.kind === "progress" ? step.done : step.kind);
    }
    expect(seen).toEqual([1, 2, 3, 4, "result"]);
    let end: unknown = null;
    const watched = follow((watch) =>
      simulate(loaded, watch).catch((error: unknown) => {
        end = error;
        throw error;
      }),
    );
    for await (const _ of watched) break;
    expect(end).toMatchObject({ name: "AbortError" });
    const failing = follow(() => Promise.reject(new Fault("usage", "no")));
    await expect(failing.next()).rejects.toThrow("no");
  });

  test("charts come from results, and from rows of one's own", async () => {
    const results = await sweep(await scenario(DOCUMENT), { threads: 1 });
    for (const { spec } of charts(results)) expect(await svg(spec)).toMatch(/^<svg/);
    const rows = results.configurations.map(({ parameters, metrics }) => ({
      rate: parameters["workload.ratePerS"],
      scheduler: parameters.scheduler,
      mean: metrics.latencyMeanMs?.mean,
    }));
    const drawn = await svg(lines(rows, { x: "rate", y: "mean", series: "scheduler" }));
    expect(drawn).toContain(">random<");
  });
});

test("outside a kernel, a cell's table is text on the console", async () => {
  const told: string[] = [];
  const log = vi.spyOn(console, "log").mockImplementation((line: string) => void told.push(line));
  try {
    await table([{ name: "a|b", mean: 1.23456 }]);
  } finally {
    log.mockRestore();
  }
  expect(told).toEqual(["| name | mean |\n| --- | ---: |\n| a\\|b | 1.235 |"]);
});

test("a plan is a document and a scenario that runs it", async () => {
  const loaded = await scenario(DOCUMENT, { sweep: {}, "run.replications": 2 });
  const planned = await plan(loaded, { maxReplicas: 4, schedulers: [] });
  expect(planned.document.schema).toBe("tandem/plan@3");
  expect(planned.document.plans[0].best?.replicas).toEqual(planned.scenario?.cluster.replicas);
  const stop = new AbortController();
  stop.abort();
  await expect(plan(loaded, { signal: stop.signal })).rejects.toThrow();
  await expect(plan(loaded, { schedulers: ["none-such"] })).rejects.toThrow(/none-such/);
});

describe("a scheduler of the program", () => {
  test("works as a function, also on threads, and as an object on this one", async () => {
    const overrides = { sweep: {}, "workload.ratePerS": 18 };
    const own = await scenario(DOCUMENT, { ...overrides, scheduler: newestFirst });
    const composed = definePolicy({
      name: "newest-first",
      create: () => ({ kind: "lifo" }) as const,
    });
    const inProgram = await scenario(DOCUMENT, { ...overrides, scheduler: { ordering: composed } });
    const lifo = await scenario(DOCUMENT, { ...overrides, scheduler: { ordering: "lifo" } });
    const { digest } = await simulate(lifo);
    expect((await simulate(own)).digest).toBe(digest);
    expect((await sweep(own, { threads: 2 })).configurations[0].digest).toBe(digest);
    expect((await sweep(inProgram, { threads: 2 })).configurations[0].digest).toBe(digest);
    expect(play(own, 1)).toBe(null);
  });
});

test("any document survives the way to another program and back", () => {
  fc.assert(
    fc.property(fc.jsonValue(), fc.array(fc.tuple(fc.string(), fc.double())), (value, entries) => {
      const sent = {
        value,
        map: new Map(entries),
        none: Number.NaN,
        most: Number.POSITIVE_INFINITY,
      };
      const plain = JSON.parse(JSON.stringify(value));
      const zeros = entries.map(([key, number]) => [key, number + 0] as const);
      expect(fromLine(toLine(sent))).toEqual({ ...sent, value: plain, map: new Map(zeros) });
    }),
  );
});

test("a cluster runs real models unless told otherwise, as the command does", async () => {
  const directory = join(folder, "cluster");
  const up = cluster.up(await scenario(DOCUMENT), { directory });
  await expect(up).rejects.toMatchObject({ code: "invalid-input" });
});
