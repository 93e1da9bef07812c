import { stripVTControlCharacters } from "node:util";
import fc from "fast-check";
import { expect, test } from "vitest";
import { singleDocument, sweepDocument, validationDocument } from "../documents.test-support.ts";
import { resultsTable, validationTable } from "./terminal-text.ts";

test("no line is wider than asked for, from forty characters on", () => {
  fc.assert(
    fc.property(fc.integer({ min: 40, max: 260 }), (width) => {
      for (const text of [
        resultsTable(sweepDocument(), width),
        validationTable(validationDocument(9), width),
      ]) {
        for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(width);
      }
    }),
    { numRuns: 40 },
  );
});

test("one row per configuration, with what varies, p99 and whether the SLO is met", () => {
  const lines = resultsTable(sweepDocument(), 120).split("\n");
  const rows = lines.filter((line) => /^(fifo|join|power)/.test(line));
  expect(rows).toHaveLength(36);
  expect(rows[0]).toMatch(/fifo +1 +8 +misses +.*930 ± +160/);
});

test("a validation of a plan has the plan's own figures, also those that nothing judges", () => {
  const document = validationDocument(1);
  expect(validationTable(document, 200)).not.toContain("planned");
  const [one] = document.configurations;
  const planned = {
    latencyP99Ms: { mean: 587, halfWidth95: 12 },
    sloAttainmentRatio: { mean: 0.993, halfWidth95: 0.002 },
  };
  const text = validationTable({ ...document, configurations: [{ ...one, planned }] }, 240);
  expect(text).toMatch(/planned +predicted +measured/);
  expect(text).toMatch(/p99 latency \(ms\) .*587 ± +12 /);
  expect(text).toMatch(/within SLO[^\n]* 99.30? ± +0.20? /);
});

test("colour on a terminal repeats states and headings, and moves nothing", () => {
  const text = () =>
    [resultsTable(sweepDocument(), 120), validationTable(validationDocument(9), 120)].join("\n");
  const plain = text();
  process.env.FORCE_COLOR = "1";
  try {
    const coloured = text();
    expect(coloured).toContain("\x1b[31mmisses\x1b[39m");
    expect(coloured).toContain("\x1b[32mmeets\x1b[39m");
    expect(coloured).toContain("\x1b[1mverdict\x1b[22m");
    expect(stripVTControlCharacters(coloured)).toBe(plain);
  } finally {
    delete process.env.FORCE_COLOR;
  }
  expect(stripVTControlCharacters(plain), "a pipe gets no colour").toBe(plain);
});

test("columns that do not fit are named", () => {
  expect(resultsTable(sweepDocument(), 100)).toContain("not shown: ");
  expect(resultsTable(sweepDocument(), 300)).not.toContain("not shown: ");
});

test("a narrow table gives up what is ranked last", () => {
  const { comparisons, ...document } = sweepDocument();
  const [one] = comparisons ?? [];
  const shown = (metric: string): string =>
    resultsTable({ ...document, comparisons: [{ ...one, metric } as typeof one] }, 85);
  expect(shown("sloAttainmentRatio").split("not shown")[0]).toMatch(/within/);
  expect(shown("throughputPerS").split("not shown")[0]).not.toMatch(/within/);
});

test("the ± signs of a column stand below each other", () => {
  const lines = resultsTable(sweepDocument(), 100).split("\n");
  const rows = lines.filter((line) => /^(fifo|join|power)/.test(line));
  const places = new Set(rows.map((line) => line.indexOf("±")));
  expect(places.size).toBe(1);
});

test("a rate that was given as a share of capacity shows the share, and whose capacity it is", () => {
  const capacity = {
    perS: 40,
    station: "detect",
    replicas: { detect: 1, plate: 2 },
    shares: [{ ofCapacity: 0.4, ratePerS: 16 }],
  };
  const text = resultsTable({ ...sweepDocument(), capacity }, 200);
  expect(text).toMatch(/ 8 {2,}/);
  expect(text).toContain("16 (40%)");
  const line = "40% is 16/s; capacity 40/s, bound by detect with replicas detect 1, plate 2";
  expect(text).toContain(line);
  const validated = validationTable({ ...validationDocument(), capacity }, 200);
  expect(validated).toContain(line);
  expect(resultsTable(sweepDocument(), 200)).not.toContain("capacity");
});

test("one replication shows means without an interval", () => {
  const text = resultsTable(singleDocument(), 120);
  expect(text).not.toContain("±");
  expect(text).toContain("348.8");
});

test("a validation shows both sides, the error, the verdict and what a replay is", () => {
  const text = validationTable(validationDocument(9), 120);
  expect(text).toContain("measured times replayed, no GPU/model ran");
  expect(text).toMatch(/E: join.*mean latency \(ms\) +disagrees \(±10%\) .*\+25\.1 %.* to /);
  expect(text).toMatch(/^H: mean latency, p95 latency, throughput cannot be judged yet: /);
  expect(text).toContain(
    "9 configurations validated: 7 agree, 1 disagrees, 1 cannot be judged yet",
  );
  expect(text).toMatch(/E: join.* disagrees/);
  expect(text.replace(/\s+/g, " ")).toContain(
    "H: mean latency, p95 latency, throughput cannot be judged yet: only 2 of 5 runs were fit to be " +
      "judged by; about 12 runs, or runs of about 250 s would settle it",
  );
});

test("a terminal has one line per configuration with runs that were set aside", () => {
  const text = validationTable(validationDocument(9), 80);
  expect(text).not.toContain("reasons");
  for (const tolerance of ["(±10%)", "(±15%)"]) expect(text).toContain(tolerance);
  expect(text.replace(/\s+/g, " ")).toContain(
    "H: 8.0 % of arrivals were more than 5 ms late (limit 1 %)",
  );
  const [one, ...others] = validationDocument(9).configurations;
  const [judgement] = Object.values(validationDocument(9).configurations[7].judgements);
  const health = { ...one.measured.health, reasons: [judgement.reason as string] };
  const doubted = { ...one, judgements: { latencyMeanMs: judgement } };
  const again = validationTable(
    {
      ...validationDocument(9),
      configurations: [{ ...doubted, measured: { ...one.measured, health } }, ...others],
    },
    200,
  );
  expect(again.match(/^A.*2 of 5 runs were fit/gm), "a doubt's reason stands once").toHaveLength(1);
});

test("a figure of one run has no ±", () => {
  const { configurations, ...head } = validationDocument(1);
  const alone = (figures: object) =>
    Object.fromEntries(
      Object.entries(figures).map(([name, { mean }]) => [name, { mean, halfWidth95: null }]),
    );
  const text = validationTable({
    ...head,
    configurations: configurations.map((one) => ({
      ...one,
      predicted: alone(one.predicted),
      measured: { ...one.measured, metrics: alone(one.measured.metrics), repeats: 1 },
    })),
  });
  expect(text).toMatch(/mean latency \(ms\) +agrees \(±10%\) +\d/);
  expect(text.split("90%")[0]).not.toContain(" ± ");
});

test("a narrow terminal keeps the cost, the SLO and its own quantile", () => {
  const slo = { latencyMs: 500, percentile: 95 };
  const [heading] = resultsTable({ ...sweepDocument(), slo }, 80).split("─");
  for (const kept of ["cost", "SLO", "p95"]) expect(heading).toContain(kept);
});
