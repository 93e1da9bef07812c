/** `tandem compare` on results of simulations before and after a change. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { temporaryFolder } from "../core/temporary-folder.test-support.ts";
import { tandemHere } from "./tandem-here.test-support.ts";

const folder = temporaryFolder("compare");
const tandem = (...words: readonly string[]) => tandemHere(folder, words);

beforeAll(async () => {
  writeFileSync(
    join(folder, "s.yaml"),
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
  expect(table.stdout).toMatch(/^slower against before: 0 better, 4 worse, 0 without/);
  expect((await tandem("compare", "slower", "before")).stdout).toContain("4 better, 0 worse");
});

test("equal results show no difference", async () => {
  const { stdout } = await tandem("compare", "before", "same");
  expect(stdout).toBe(
    "same against before: 0 better, 0 worse, 4 without a difference shown (margin 1%)\n",
  );
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
