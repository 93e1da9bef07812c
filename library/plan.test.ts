/** Plans of a space too large to list, and plans that are stopped. */
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import { type PlanProgress, plan, report, scenario, sweep } from "./index.ts";
import { plannedFigures } from "./planned-figures.ts";

const FOUR = `
name: four
pipelines:
  docs:
    slo: { latencyMs: 2500, percentile: 99 }
    tasks:
      ocr: { model: ocr }
      classify: { model: classify, after: [ocr] }
      embed: { model: embed, after: [ocr] }
      llm: { model: llm, after: [classify, embed], when: { probability: 0.35 } }
models:
  ocr: { service: { distribution: lognormal, meanMs: 30, cv: 0.4 } }
  classify: { service: { distribution: deterministic, meanMs: 12 } }
  embed: { service: { distribution: deterministic, meanMs: 25 } }
  llm: { service: { distribution: lognormal, meanMs: 450, cv: 0.8 } }
cluster:
  nodes:
    - { name: gpu, count: 40, devices: { gpu: 1 }, costPerHour: 2.5 }
    - { name: cpu, count: 80, devices: { cpu: { slots: 1, speed: 0.2 } }, costPerHour: 0.2 }
  replicas: { ocr: 1, classify: 1, embed: 1, llm: 1 }
workload: { arrivals: poisson, ratePerS: 12, durationS: 300, warmupS: 30 }
run: { seed: 1, replications: 5 }
`;

const folder = temporaryFolder("plan");
const file = join(folder, "four.yaml");
writeFileSync(file, FOUR);

test.runIf(IS_LONG)(
  "a space of 10^13 combinations is searched from above and below until the two meet",
  async () => {
    const steps: PlanProgress[] = [];
    const { document } = await plan(await scenario(file), {
      schedulers: [],
      budgetS: 3600,
      onProgress: (step) => steps.push(step),
    });
    const [{ best, state, lowerBound, allCheaperTried, isIdle }] = document.plans;
    expect([state, isIdle]).toEqual(["confirmed", true]);
    expect(best?.machines).toEqual({ gpu: 3, cpu: 6 });
    // What the bound rules out it rules out with an error: the cluster below misses by too little for that.
    expect(lowerBound).toBeGreaterThanOrEqual(8.5);
    expect(lowerBound).toBeLessThanOrEqual(best?.cost ?? 0);
    expect(allCheaperTried).toBe(true);
    expect(steps.some(({ isLarge, combinations }) => isLarge && combinations > 1e12)).toBe(true);
    const first = steps.find(({ incumbent }) => incumbent !== null);
    expect(first?.incumbent?.isConfirmed).toBe(false);
    const bounds = steps.map((step) => step.lowerBound);
    expect(bounds).toEqual([...bounds].sort((a, b) => a - b));
    // Figures anew at each step take as long as the search itself.
    const figures = steps.flatMap(({ incumbent }) => (incumbent === null ? [] : [incumbent.kept]));
    expect(new Set(figures).size).toBeLessThan(figures.length / 10);
  },
);

test("replicas are swept of tasks that there are", async () => {
  const loaded = await scenario(file, { sweep: { "cluster.replicas.embeds": [1, 2] } });
  await expect(plan(loaded, { budgetS: 1 })).rejects.toThrow(
    /cluster\.replicas\.embeds is of no task/,
  );
});

test("a plan that is stopped has its best so far, and goes on in its folder where it was", async () => {
  const directory = join(folder, "out");
  const kept = join(directory, "plan-progress.jsonl");
  const loaded = await scenario(file);
  const stop = new AbortController();
  const options = { schedulers: [], budgetS: 3600, directory };
  const stopped = await plan(loaded, {
    ...options,
    stop: stop.signal,
    onProgress: ({ incumbent }) => incumbent !== null && stop.abort(),
  });
  const [half] = stopped.document.plans;
  expect(half).toMatchObject({ state: "not confirmed", stopped: true });
  expect(half.best?.cost).toBeGreaterThan(0);
  const before = readFileSync(kept, "utf8").trim().split("\n");
  expect(before.length).toBeGreaterThan(1);
  // A kill may cut the last line short.
  writeFileSync(kept, `${before.join("\n")}\n["cut`);
  const { document } = await plan(loaded, options);
  expect(document.plans[0]).toMatchObject({ state: "confirmed", stopped: false });
  expect(existsSync(kept)).toBe(false);
  const planned = await scenario(join(directory, "plan.yaml"));
  const { sloAttainmentRatio, latencyMs } = document.plans[0].best?.kept.docs ?? expect.fail();
  expect(latencyMs?.mean).toBeGreaterThan(1000);
  expect(plannedFigures(planned)({})).toEqual({
    planned: { sloAttainmentRatio, latencyP99Ms: latencyMs },
  });
  // Another scenario beside the plan is not what was planned.
  expect(plannedFigures({ ...planned, digest: "other" })({})).toEqual({});
});

test("a search that ends before its budget keeps what a larger one goes on with", async () => {
  const directory = join(folder, "open");
  const loaded = await scenario(file, { "workload.ratePerS": 60 });
  const { document } = await plan(loaded, { schedulers: [], budgetS: 2, directory });
  const [{ stopped, notSearched }] = document.plans;
  // A machine that is fast enough ends the search, with nothing left to go on with.
  const isOpen = stopped || notSearched.includes("budget");
  expect(existsSync(join(directory, "plan-progress.jsonl"))).toBe(isOpen);
});

test("a budget that is spent at once leaves no solution, and says that it was stopped", async () => {
  const { document, scenario: running } = await plan(await scenario(file), { budgetS: 1e-9 });
  expect(document.plans[0]).toMatchObject({ best: null, state: "none", stopped: true });
  expect(running).toBeNull();
});

const ONE = `
name: one
pipelines: { p: { slo: { latencyMs: 100, percentile: 90 }, tasks: { a: { model: m } } } }
models: { m: { service: { distribution: exponential, meanMs: 10 } } }
cluster: { replicas: { a: 1 } }
workload: { arrivals: poisson, ratePerS: 30, durationS: 20 }
run: { seed: 1, replications: 3 }
`;

test("a search without a plan sets that of an earlier one aside, so that no report shows it", async () => {
  const directory = join(folder, "one");
  const path = join(folder, "one.yaml");
  writeFileSync(path, ONE);
  const one = await scenario(path);
  const found = await plan(one, { schedulers: [], directory });
  expect(found.scenario).not.toBeNull();
  const validate = ({ digest }: Pick<typeof one, "digest">): void => {
    const document = JSON.stringify({ scenario: { digest } });
    for (const name of ["validation.json", "evidence.json"])
      writeFileSync(join(directory, name), document);
  };
  validate(await scenario(join(directory, "plan.yaml")));
  const notes: string[] = [];
  const onNote = (line: string): void => void notes.push(line);
  const ended = { schedulers: [], maxReplicas: 8, budgetS: 1e-9, directory, onNote };
  await plan(one, ended);
  const planned = ["plan.yaml", "results.json", "configurations.parquet"];
  for (const name of [...planned, "validation.json", "evidence.json"]) {
    expect(existsSync(join(directory, name)), name).toBe(false);
    expect(existsSync(join(directory, "earlier-1", name)), name).toBe(true);
  }
  expect(notes).toEqual([expect.stringMatching(/files of another plan: moved to .*earlier-1$/)]);
  await expect(report(directory)).rejects.toThrow(/no results\.json/);
  await plan(one, { schedulers: [], directory });
  // Results that another command wrote are not the plan's.
  await sweep(one, { directory });
  validate(one);
  await plan(one, ended);
  for (const name of ["results.json", "validation.json"])
    expect(existsSync(join(directory, name)), name).toBe(true);
  expect(readdirSync(join(directory, "earlier-3"))).toEqual(["plan.yaml"]);
});

test("a search that ends early leaves a better plan of the same question in its folder", async () => {
  const directory = join(folder, "kept");
  const path = join(folder, "kept.yaml");
  writeFileSync(path, ONE);
  const one = await scenario(path);
  const { document } = await plan(one, { schedulers: [], directory });
  expect(document.plans[0].state).toBe("confirmed");
  const before = readdirSync(directory).map((name) => [name, readIfFile(join(directory, name))]);
  const notes: string[] = [];
  const ended = await plan(one, {
    schedulers: [],
    budgetS: 1e-9,
    directory,
    onNote: (line) => void notes.push(line),
  });
  expect(ended.document.plans[0].state).toBe("none");
  expect(notes).toEqual([expect.stringMatching(/kept keeps the better plan that it has/)]);
  const after = readdirSync(directory).filter((name) => name !== "plan-progress.jsonl");
  expect(after.map((name) => [name, readIfFile(join(directory, name))])).toEqual(before);
});

function readIfFile(path: string): string | null {
  return statSync(path).isFile() ? readFileSync(path, "utf8") : null;
}

test("a validation's real runs are as long as the trace that they play", async () => {
  const instants = Array.from({ length: 201 }, (_, i) => i * 0.5);
  writeFileSync(join(folder, "t.csv"), `at\n${instants.join("\n")}\n`);
  const path = join(folder, "traced.yaml");
  const trace = "workload: { arrivals: trace, file: t.csv, column: at }";
  writeFileSync(path, ONE.replace(/workload: .*/, trace));
  const { validationS } = await plan(await scenario(path), { schedulers: [] });
  // Three runs.
  expect(validationS).toBe(300);
});
