/** A small sweep of the queueing scenario through the command, and what its results say. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import type { Fault } from "../engine/basics/fault.ts";
import { checkedOptions } from "../library/option.ts";
import { goalHeadlines } from "../reports/tables/headlines.ts";
import type { ResultsDocument } from "../results/documents.ts";
import { PRESETS } from "../schedulers/registry.ts";
import { SCENARIO, SIMULATE } from "./options.ts";
import { askedSweep, sweepAnd } from "./simulate.ts";

const MMC = fileURLToPath(new URL("../scenarios/queueing/mmc.yaml", import.meta.url));
const out = temporaryFolder("simulate");

async function sweep(more: object = {}): Promise<ResultsDocument> {
  const set = [
    "pipelines.mmc.slo={latencyMs: 500, percentile: 95}",
    "cluster.nodes=[{name: gpu, count: 4, devices: {gpu: 2}, costPerHour: 2.5}]",
    "workload={arrivals: poisson, ratePerS: 20, durationS: 200, warmupS: 10}",
    "sweep={scheduler: [edf, random, fifo], workload.ratePerS: [20, 39]}",
  ];
  const given = { scenario: MMC, set, replications: 5, threads: 1, directory: out, ...more };
  const args = checkedOptions({ ...SCENARIO, ...SIMULATE }, given, (name) => `--${name}`);
  const { loaded, options } = await askedSweep(args);
  await sweepAnd(loaded, options, () => undefined);
  return JSON.parse(readFileSync(join(out, "results.json"), "utf8")) as ResultsDocument;
}

test("a sweep says of each configuration whether it meets the SLO, and names ties, the simplest first", async () => {
  const document = await sweep();
  expect(document).toMatchObject({ margin: 0.01, simplestFirst: Object.keys(PRESETS) });
  const states = document.configurations.map(({ id, slo }) => [id, slo]);
  expect(Object.fromEntries(states)).toEqual({
    "scheduler=edf,ratePerS=20": "meets",
    "scheduler=edf,ratePerS=39": "misses",
    "scheduler=random,ratePerS=20": "misses",
    "scheduler=random,ratePerS=39": "misses",
    "scheduler=fifo,ratePerS=20": "meets",
    "scheduler=fifo,ratePerS=39": "misses",
  });
  const [summary, light, heavy] = goalHeadlines(document).map(({ text }) => text);
  expect(summary).toBe("2 of 6 configurations meet the SLO (p95 ≤ 500 ms), 4 miss it");
  expect(light).toMatch(
    /^At arrival rate 20\/s: cheapest that meets the SLO: fifo or edf \(not distinguishable\), 4 replicas, 10\/h, p95 latency \d/,
  );
  expect(heavy).toMatch(
    /^At arrival rate 39\/s: none .*; nearest: fifo: \d.* % within 500 ms \(95 % wanted\)/,
  );
});

test("plans that stopped at their bound on nodes are noted, others not", async () => {
  const proteus = (mostNodes: number): string =>
    `{ preset: proteus, controller: { policy: proteus, epochS: 5, mostNodes: ${mostNodes} } }`;
  const scenario = fileURLToPath(
    new URL("../scenarios/accuracy-on-a-cluster.yaml", import.meta.url),
  );
  const set = [`sweep={ scheduler: [${proteus(1)}, ${proteus(200)}] }`];
  const { configurations } = await sweep({ scenario, set, replications: 2 });
  expect(configurations.map(({ notes = [] }) => notes.filter((one) => /plans/.test(one)))).toEqual([
    [expect.stringMatching(/^accuracy scaling: (\d+) of \1 plans stopped at their bound, \1 of/)],
    [],
  ]);
});

test("another margin ranks finished results anew, runs nothing again, and is in the command", async () => {
  const before = await sweep();
  const after = await sweep({ margin: "99%" });
  expect(after.margin).toBe(0.99);
  expect(after.command).toContain("--margin 0.99");
  expect(before.command).not.toContain("--margin");
  expect(after.configurations).toEqual(before.configurations);
  const worse = ({ comparisons = [] }: ResultsDocument) =>
    comparisons.flatMap(({ members }) => members).filter(({ verdict }) => verdict === "worse");
  expect(worse(before).length).toBeGreaterThan(worse(after).length);
});

test.each(["-1%", "100%", "1.5", "much"])(
  "--margin %s is refused before anything runs",
  async (margin) => {
    const error = await sweep({ margin }).then(
      () => expect.fail("no fault"),
      (fault: Fault) => fault,
    );
    expect(error).toMatchObject({
      code: "usage",
      hint: "for example `--margin 2%` or `--margin 0.02`",
    });
    expect(error.message).toBe(`--margin: expected a share, from 0 to below 100%, got "${margin}"`);
  },
);

test("a swept SLO is no document's SLO, and is judged all the same", async () => {
  const goals = "sweep={pipelines.mmc.slo.latencyMs: [50, 900], workload.ratePerS: [20]}";
  const { slo, configurations } = await sweep({
    set: [
      "pipelines.mmc.slo={latencyMs: 500, percentile: 95}",
      "workload={arrivals: poisson, ratePerS: 20, durationS: 200, warmupS: 10}",
      goals,
    ],
  });
  expect(slo).toBeUndefined();
  expect(configurations.map((one) => one.slo)).toEqual(["misses", "meets"]);
});

test("a sweep with a scheduler that refuses the scenario is refused before its first configuration", async () => {
  const folder = join(out, "refused");
  const set = [
    "cluster.nodes=[{name: gpu, count: 4, devices: {gpu: 2}, resources: {cpu: 8}}]",
    "models.server.demand={cpu: 1}",
    "sweep={scheduler: [fifo, clockwork, shepherd]}",
  ];
  const error = await sweep({ set, directory: folder }).then(
    () => expect.fail("no fault"),
    (fault: Fault) => fault,
  );
  expect(error.issues.map(({ message }) => message.split(" ", 1)[0])).toEqual([
    "clockwork",
    "shepherd",
  ]);
  expect(existsSync(folder)).toBe(false);
});
