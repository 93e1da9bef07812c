/** Constructed documents: which configuration a headline may name, and what it says of it. */
import { describe, expect, test } from "vitest";
import type { ConfigurationResult, ResultsDocument, SloState } from "../../results/documents.ts";
import { sweepDocument } from "../documents.test-support.ts";
import { goalHeadlines } from "./headlines.ts";
import { goalLines } from "./terminal-text.ts";

/** Common to all configurations of a load, as common random numbers make it. */
const NOISE = [3, -8, 12, -20, 13];

interface Given {
  readonly scheduler?: string;
  readonly detect?: number;
  readonly ratePerS?: number;
  readonly p99Ms?: number;
  readonly slo?: SloState;
  readonly share?: number;
  readonly costPerHour?: number;
}

function configuration({
  scheduler = "fifo",
  detect = 2,
  ratePerS = 20,
  p99Ms = 250,
  slo = "meets",
  share = 0.995,
  costPerHour = 13,
}: Given): ConfigurationResult {
  const own = scheduler.length % 2 === 0 ? 0.1 : -0.1;
  const fixed = (mean: number) => ({ mean, halfWidth95: 0 });
  return {
    id: `${scheduler}-${detect}-${ratePerS}`,
    parameters: { scheduler, "cluster.replicas.detect": detect, "workload.ratePerS": ratePerS },
    replications: 5,
    requests: 5000,
    metrics: {
      latencyP99Ms: { mean: p99Ms, halfWidth95: 9 },
      sloAttainmentRatio: { mean: share, halfWidth95: 0.002 },
      ...(costPerHour > 0 ? { costPerHour: fixed(costPerHour) } : {}),
    },
    tasks: { detect: { replicasMean: fixed(detect) }, rest: { replicasMean: fixed(4) } },
    digest: "d",
    slo,
    samples: { latencyP99Ms: NOISE.map((noise, i) => p99Ms + noise + (i % 2 === 0 ? own : -own)) },
  };
}

function lines(given: readonly Given[], more: Partial<ResultsDocument> = {}): readonly string[] {
  const document: ResultsDocument = {
    ...sweepDocument(),
    slo: { latencyMs: 300, percentile: 99 },
    margin: 0.01,
    simplestFirst: ["fifo", "random", "edf"],
    configurations: given.map(configuration),
    ...more,
  };
  return goalHeadlines(document).map(({ text }) => text);
}

describe("the cheapest that meets the SLO", () => {
  test("is all that tie, the simplest first, with all replicas and the price", () => {
    expect(
      lines([{ scheduler: "edf" }, { scheduler: "fifo" }, { scheduler: "fifo", detect: 4 }]),
    ).toEqual([
      "3 of 3 configurations meet the SLO (p99 ≤ 300 ms)",
      "cheapest that meets the SLO: fifo or edf (not distinguishable), detect replicas 2, 6 replicas, 13/h, p99 latency 250.0 ± 9.0 ms",
    ]);
  });

  test("is a tie within the margin, although the difference is no noise", () => {
    const close = [{ scheduler: "edf", p99Ms: 249 }, { scheduler: "fifo" }];
    expect(lines(close)[1]).toMatch(
      /fifo or edf \(not distinguishable\).*p99 latency 249 to 250 ms/,
    );
    expect(lines(close, { margin: 0 })[1]).toMatch(/SLO: edf, 6 replicas, 13\/h, p99 latency 249/);
  });

  test("is one alone where it is better beyond the margin", () => {
    expect(lines([{ scheduler: "edf", p99Ms: 230 }, { scheduler: "fifo" }])[1]).toMatch(
      /SLO: edf, 6 replicas, 13\/h/,
    );
  });

  test("is of the least price, then of the fewest replicas", () => {
    const three = [
      { detect: 1, costPerHour: 15 },
      { detect: 3, p99Ms: 240 },
      { detect: 2, p99Ms: 260 },
    ];
    expect(lines(three)[1]).toContain("detect replicas 2, 6 replicas, 13/h");
    expect(lines(three.map((one) => ({ ...one, costPerHour: 0 })))[1]).toMatch(
      /detect replicas 1, 5 replicas, p99/,
    );
  });

  test("is named for each load, unclear ones are none, and the nearest where there is none", () => {
    const [summary, low, high] = lines([
      { ratePerS: 40, slo: "misses", share: 0.95, p99Ms: 420 },
      { ratePerS: 40, slo: "misses", share: 0.97, p99Ms: 360, scheduler: "random" },
      { ratePerS: 20 },
      { ratePerS: 20, scheduler: "random", slo: "unclear", share: 0.991, p99Ms: 240 },
    ]);
    expect(summary).toMatch(/^1 of 4 configurations meets the SLO .*, 2 miss it, 1 unclear: /);
    expect(low).toMatch(/^At arrival rate 20\/s: cheapest that meets the SLO: fifo, 6 replicas/);
    expect(high).toBe(
      "At arrival rate 40/s: none is shown to meet the SLO; nearest: random: 97.00 ± 0.20 % within 300 ms (99 % wanted), p99 360.0 ± 9.0 ms",
    );
  });
});

describe("where nothing meets the SLO", () => {
  const missed: Given = { slo: "misses", share: 0.9, p99Ms: 500 };

  test("one line says so, and names the nearest once", () => {
    const [only, ...more] = lines([
      { ...missed, ratePerS: 40 },
      missed,
      { ...missed, scheduler: "edf", share: 0.98, p99Ms: 340 },
    ]);
    expect(more).toEqual([]);
    expect(only).toBe(
      "none of 3 configurations is shown to meet the SLO (p99 ≤ 300 ms); nearest: edf · arrival rate 20/s: 98.00 ± 0.20 % within 300 ms (99 % wanted), p99 340.0 ± 9.0 ms",
    );
  });

  test("one configuration alone is one, and an unclear one asks for more", () => {
    expect(lines([{ slo: "unclear", share: 0.991 }])[0]).toMatch(
      /^none of 1 configuration is shown to meet the SLO \(p99 ≤ 300 ms\), 1 unclear: more replications/,
    );
  });

  test("overload has no nearest", () => {
    const unstable = { ...configuration(missed), stability: "unstable" } as const;
    const configurations = [unstable, { ...unstable, id: "b" }];
    const [line] = goalHeadlines({ ...sweepDocument(), configurations });
    expect(line.text).toMatch(/\(p99 ≤ 500 ms\); all are overloaded$/);
  });

  test("the nearest of several pipelines is judged by the SLO that it misses most", () => {
    const attained = (share: number) => ({
      sloAttainmentRatio: { mean: share, halfWidth95: 0.001 },
    });
    const configurations = [0.93, 0.96].map((share, i) => ({
      ...configuration({ ...missed, detect: i + 1 }),
      pipelines: { fast: attained(1 - i / 20), slow: attained(share) },
    }));
    const { slo: _, ...rest } = sweepDocument();
    const slos = {
      fast: { latencyMs: 50, percentile: 90 },
      slow: { latencyMs: 900, percentile: 99 },
    };
    const [line] = goalHeadlines({ ...rest, slos, configurations }).map(({ text }) => text);
    expect(line).toMatch(/nearest: detect replicas 2: 96\.0\d* ± 0\.1\d* % of slow within 900 ms/);
  });
});

test("a document without SLOs has no such lines, and a terminal names many loads", () => {
  const rates = Array.from({ length: 8 }, (_, i) => 10 * (i + 1));
  const given = rates.flatMap((ratePerS) => [{ ratePerS }, { ratePerS, scheduler: "edf" }]);
  expect(lines(given)).toHaveLength(1);
  const document = { ...sweepDocument(), configurations: given.map(configuration) };
  const rows = goalLines({ ...document, simplestFirst: ["fifo"] }, 200);
  const choice = /^At arrival rate \d+\/s: cheapest .*: fifo or edf .*6 replicas, 13\/h/;
  expect(rows.filter((row) => choice.test(row))).toHaveLength(8);
  expect(goalHeadlines({ ...document, configurations: [] })).toEqual([]);
  const { slo: _, ...free } = configuration({});
  expect(goalHeadlines({ ...document, configurations: [free] })).toEqual([]);
});
