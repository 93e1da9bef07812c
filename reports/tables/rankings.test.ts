/** Common to all schedulers: what makes pairs worth it. */
import { describe, expect, test } from "vitest";
import type { Stability } from "../../engine/stability/judge-stability.ts";
import { compareConfigurations, comparedPaths } from "../../results/compare.ts";
import type { ConfigurationResult, ResultsDocument } from "../../results/documents.ts";
import { sweepDocument } from "../documents.test-support.ts";
import { comparisonSentences, rankingSummary, rankingTable, winnersTable } from "./rankings.ts";
import { configurationTable } from "./result-tables.ts";
import { rankingText, resultsTable } from "./terminal-text.ts";

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

const SIMPLEST = ["fifo", "power-of-two", "join-shortest-queue"];

function documentOf(
  configurations: readonly ConfigurationResult[],
  margin = 0.01,
): ResultsDocument {
  const paths = comparedPaths(["scheduler", "workload.ratePerS"]);
  const comparisons = compareConfigurations(configurations, paths, margin);
  return { ...sweepDocument(), margin, configurations, comparisons };
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
    expect(sentences).toHaveLength(3);
    expect(comparisonSentences(DOCUMENT, 2)).toEqual([]);
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
    expect(rows[1][2]).toBe("tied");
    expect(rows[2][2]).toMatch(/^\+0\.\d+ ± 0\.\d+ tied$/);
    expect(rows[3][2]).toMatch(/^\+100/);
    expect(rows[4][2]).toBe("best");
  });

  test("sums many comparisons up: how often each is best, tied or worse, and by how much", () => {
    const summary = rankingSummary({ ...DOCUMENT, simplestFirst: SIMPLEST });
    const rows = summary?.rows.map((row) => row.map((cell) => cell.text));
    expect(summary?.headings.slice(2)).toEqual(["best", "tied", "worse", "median difference"]);
    expect(rows).toEqual([
      ["mean latency", "join-shortest-queue", "1", "1", "0", "0.0 %"],
      ["mean latency", "power-of-two", "0", "1", "1", "+16.7 %"],
      ["mean latency", "fifo", "0", "0", "1", "+3.0 %"],
    ]);
    const winners = winnersTable({ ...DOCUMENT, simplestFirst: SIMPLEST });
    expect(winners?.rows.map((row) => row.map((cell) => cell.text))).toEqual([
      ["arrival rate 8/s", "power-of-two or join-shortest-queue"],
      ["arrival rate 90/s", "join-shortest-queue"],
    ]);
    expect(rankingSummary(documentOf(DOCUMENT.configurations.slice(0, 3)))).toBeUndefined();
  });

  test("calls what is equal in every replication the same", () => {
    const twins = ["fifo", "random"].map((name) => configuration(name, 8, 100, [0]));
    const rows = rankingTable(documentOf(twins))?.rows ?? [];
    expect(rows.map((row) => row.at(-1)?.text)).toEqual(["tied", "the same, tied"]);
  });

  test("takes what is real but below the margin for a tie, unless the margin is 0", () => {
    const close = [
      configuration("fifo", 8, 250, [0.1, -0.1]),
      configuration("edf", 8, 251, [-0.1, 0.1]),
    ];
    const tied = documentOf(close);
    const [{ members, differences }] = tied.comparisons ?? [];
    expect(members.map(({ verdict }) => verdict)).toEqual(Array(2).fill("not distinguishable"));
    expect(differences[0]).toMatchObject({ distinguishable: true });
    expect(comparisonSentences(tied, 6)).toEqual([
      expect.stringMatching(/fifo and edf are not distinguishable \(1\.0+ ± 0\.\d+ ms\)/),
    ]);
    const strict = documentOf(close, 0);
    expect(strict.comparisons?.[0].members.map(({ verdict }) => verdict)).toEqual([
      "best",
      "worse",
    ]);
    expect(comparisonSentences(strict, 6)[0]).toMatch(/fifo is 1\.0+ ± 0\.\d+ ms faster than edf$/);
  });

  test("replaces many rows by their sum on a terminal of 100 columns", () => {
    const rates = [8, 16, 24, 32, 40, 48];
    const many = rates.flatMap((rate) => [
      configuration("edf", rate, 99.8, [-0.2, 0.2]),
      configuration("fifo", rate, 100, [0.1, -0.1]),
      configuration("random", rate, 130, [0.3, -0.3]),
    ]);
    const text = rankingText(
      { ...documentOf(many), simplestFirst: ["fifo", "random", "edf"] },
      100,
    );
    const lines = text.join("\n").split("\n");
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(100);
    expect(lines).toContainEqual(expect.stringMatching(/^mean latency +fifo +0 +6 +0 +\+0\.2 %$/));
    expect(lines).toContainEqual(expect.stringMatching(/^ +random +0 +0 +6 +\+30\.3 %$/));
    expect(lines.filter((line) => /^arrival rate \d+\/s +fifo or edf$/.test(line))).toHaveLength(6);
    expect(lines.join(" ")).not.toMatch(/of 6|±/);
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

  test("has a word in place of figures, but where overload converges, and misses the SLO", () => {
    expect(cells).toContain("5,000 ± 10");
    expect(cells.filter((text) => text === "overloaded").length).toBeGreaterThan(1);
  });

  test("is explained below the table on the terminal", () => {
    expect(resultsTable(DOCUMENT, 100)).toContain("overloaded: the queue grows on");
  });
});
