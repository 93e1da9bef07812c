import { describe, expect, test } from "vitest";
import { compareConfigurations, comparedPaths } from "../core/comparison/compare.ts";
import type { ConfigurationResult, ResultsDocument, Stability } from "../core/results.ts";
import { bestCounts, comparisonSentences, rankingTable } from "./comparison-tables.ts";
import { sweepDocument } from "./documents.test-support.ts";
import { configurationTable } from "./result-tables.ts";
import { meetsSlo } from "./slo.ts";
import { rankingText, resultsTable } from "./text-table.ts";

/** Common to all schedulers: what makes pairs worth it. */
const NOISE = [3, -8, 12, -20, 7, -2, 15, -11];

function configuration(
  scheduler: string,
  ratePerS: number,
  meanMs: number,
  own: readonly number[],
  stability: Stability = "stable",
): ConfigurationResult {
  const values = NOISE.map((noise, i) => meanMs + noise + own[i % own.length]);
  const estimate = { mean: meanMs, halfWidth95: 10 };
  return {
    id: `scheduler=${scheduler},ratePerS=${ratePerS}`,
    parameters: { scheduler, "workload.ratePerS": ratePerS },
    replications: 8,
    requests: 8000,
    metrics: { latencyMeanMs: estimate, throughputPerS: estimate },
    tasks: {},
    digest: "d",
    stability,
    samples: { latencyMeanMs: values },
  };
}

function documentOf(configurations: readonly ConfigurationResult[]): ResultsDocument {
  const paths = comparedPaths(["scheduler", "workload.ratePerS"]);
  const comparisons = compareConfigurations(configurations, paths);
  return { ...sweepDocument(), configurations, comparisons };
}

const DOCUMENT = documentOf([
  configuration("fifo", 8, 103, [0.1, -0.1]),
  configuration("power-of-two", 8, 100, [0.2, -0.2, 0.05]),
  configuration("join-shortest-queue", 8, 100.02, [-0.2, 0.3, 0.1]),
  configuration("fifo", 90, 5000, [1, -1], "unstable"),
  configuration("power-of-two", 90, 400, [1, -1]),
  configuration("join-shortest-queue", 90, 300, [2, -2]),
]);

describe("a comparison of schedulers", () => {
  test("says what is faster, by how much, and what is noise", () => {
    const sentences = comparisonSentences(DOCUMENT, 10);
    expect(sentences[0]).toMatch(
      /^arrival rate 8\/s: mean latency: power-of-two and join-shortest-queue are not distinguishable \(0\.\d+ ± 0\.\d+ ms\)$/,
    );
    expect(sentences[1]).toMatch(/power-of-two is 2\.99 ± 0\.\d+ ms faster than fifo$/);
    expect(sentences).toHaveLength(4);
  });

  test("ranks within one load, and leaves out what is unstable", () => {
    const rows = rankingTable(DOCUMENT)?.rows.map((row) => row.map((cell) => cell.text)) ?? [];
    expect(rows.map((row) => row[1])).toEqual([
      "fifo",
      "power-of-two",
      "join-shortest-queue",
      "power-of-two",
      "join-shortest-queue",
    ]);
    expect(rows[0][2]).toMatch(/^\+2\.99 ± 0\.\d+$/);
    expect(rows[1][2]).toBe("may be best");
    expect(rows[2][2]).toMatch(/^\+0\.\d+ ± 0\.\d+ may be best$/);
    expect(rows[3][2]).toMatch(/^\+100/);
    expect(rows[4][2]).toBe("best");
    expect(bestCounts(DOCUMENT)).toEqual([
      "mean latency, best + may be best: join-shortest-queue 1 + 1 of 2 · power-of-two 0 + 1 of 2 · fifo 0 + 0 of 1",
    ]);
  });

  test("calls what is equal in every replication the same", () => {
    const twins = ["fifo", "random"].map((name) => configuration(name, 8, 100, [0]));
    const rows = rankingTable(documentOf(twins))?.rows ?? [];
    expect(rows.map((row) => row.at(-1)?.text)).toEqual(["may be best", "the same; may be best"]);
  });

  test("fits a terminal of 100 columns", () => {
    const lines = rankingText(DOCUMENT, 100).join("\n").split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(rankingText({ ...DOCUMENT, comparisons: [] })).toEqual([]);
  });

  test("falls back to all swept parameters but the workload's where no scheduler is swept", () => {
    expect(comparedPaths(["workload.ratePerS", "cluster.replicas.a"])).toEqual([
      "cluster.replicas.a",
    ]);
    expect(comparedPaths(["scheduler.batching.maxBatch", "cluster.replicas.a"])).toEqual([
      "scheduler.batching.maxBatch",
    ]);
  });
});

describe("an unstable configuration", () => {
  const cells = configurationTable(DOCUMENT).rows[3].map((cell) => cell.text);

  test("has marks in place of intervals, but where overload converges, and misses the goal", () => {
    expect(cells).toContain("5,000*");
    expect(cells).toContain("5,000 ± 10");
    expect(cells).toContain("unstable");
  });

  test("misses every goal, whatever its mean says", () => {
    const slo = { latencyMs: 1e6, percentile: 99 };
    const metrics = { latencyP99Ms: { mean: 5, halfWidth95: 1 } };
    expect(meetsSlo({ metrics, stability: "stable" }, slo)).toBe(true);
    expect(meetsSlo({ metrics, stability: "unstable" }, slo)).toBe(false);
  });

  test("is explained below the table on the terminal", () => {
    expect(resultsTable(DOCUMENT, 100)).toContain("* unstable: the queue grows on");
  });
});
