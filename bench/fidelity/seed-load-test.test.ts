/** The seed project's load test: the measured requests, the scenario's figures, and the bounds of its predictions. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { parse } from "yaml";
import { seedFigures } from "./seed-figures.test-support.ts";
import {
  MEASURED,
  measuredRequests,
  runFigures,
  seedConfigurations,
  seedErrors,
  seedLeftOut,
  seedLoadTest,
  seedLoadTestSection,
} from "./seed-load-test.ts";

const textOf = (path: string): string => readFileSync(new URL(path, import.meta.url), "utf8");

test("the measured requests add up to the measurement's own summary of its levels", () => {
  const [, ...lines] = textOf("seed-load-test/levels.csv").trim().split("\n");
  const summaryOf = (name: string): string[] => {
    const { levels, all, throughputPerS } = runFigures(
      measuredRequests(name as (typeof MEASURED)[number]),
    );
    const seconds = (ms: number): string => (Number.isNaN(ms) ? "" : `${Math.round(ms) / 1000}`);
    return [
      ...levels.map((one, i) =>
        [2 ** i, one.answers, one.timeouts, seconds(one.latencyMeanMs)].join(),
      ),
      [
        "all",
        all.answers,
        all.timeouts,
        seconds(all.latencyMeanMs),
        throughputPerS.toFixed(4),
      ].join(),
    ];
  };
  const expected = lines.map((line) => {
    const [instances, batch, , level, ok, late, mean, last] = line.split(",");
    const cells = [level, ok, late, mean === "" ? "" : `${Number(mean)}`];
    return {
      name: `${instances}x-batch${batch}`,
      row: [...cells, ...(level === "all" ? [Number(last).toFixed(4)] : [])].join(),
    };
  });
  for (const name of MEASURED) {
    const rows = expected.filter((one) => one.name === name).map(({ row }) => row);
    expect(summaryOf(name)).toEqual(rows);
  }
});

test("the scenario's figures are those that the three configurations give", () => {
  const { models, cluster, scheduler, workload } = parse(
    textOf("../../scenarios/seed-load-test.yaml"),
  );
  const figures = seedFigures();
  const { detector, "plate-reader": plateReader } = models;
  expect(detector.service.meanMs).toBe(Math.round(figures.detectMs));
  expect(detector.service.batch.marginal).toBeCloseTo(figures.detectMarginal, 3);
  expect(plateReader.service.meanMs).toBe(Math.round(figures.plateMs));
  expect(plateReader.service.batch.marginal).toBeCloseTo(figures.plateMarginal, 3);
  for (const { service } of [detector, plateReader]) expect(service.cv).toBeCloseTo(figures.cv, 3);
  const [{ contention }] = cluster.nodes;
  const slowDowns = contention.map((_: number, others: number) => 1 + others * figures.contention);
  expect(contention).toEqual(slowDowns.map((factor: number) => Math.round(factor * 1000) / 1000));
  expect(scheduler.controller.recheckMs).toBe(Math.round(figures.recheckMs));
  const joins = workload.clients
    .slice(1)
    .map(({ atS }: { atS: number }, i: number) => 20 * (i + 1) - atS);
  for (const early of joins) expect(early * 1000).toBeCloseTo(figures.joinEarlyMs, -1);
});

describe("of the configurations that were measured", () => {
  const rows = seedLoadTest(40);
  const measured = seedConfigurations(rows).flatMap((one) => {
    const errors = seedErrors(one);
    return errors === null ? [] : [{ rows: one, errors }];
  });

  test("there are three of twelve, with eight rows each", () => {
    expect(measured).toHaveLength(3);
    expect(rows).toHaveLength(12 * 8);
  });

  test("throughput is predicted within 8%", () => {
    for (const { errors } of measured) expect(Math.abs(errors.throughput)).toBeLessThan(0.08);
  });

  test("each level's mean latency is predicted within 15%, of fewer than ten requests within 25%, and half of them within 8%", () => {
    const levels = measured.flatMap(({ errors }) => errors.levels);
    expect(levels).toHaveLength(19);
    for (const { answers, latency } of levels) {
      expect(Math.abs(latency)).toBeLessThan(answers < 10 ? 0.25 : 0.15);
    }
    const sorted = levels.map(({ latency }) => Math.abs(latency)).sort((a, b) => a - b);
    expect(sorted[9]).toBeLessThan(0.08);
  });

  test("where requests time out, the count is predicted to the nearest two, and a level without answers has none", () => {
    for (const row of measured.flatMap(({ rows: one }) => one)) {
      expect(Math.abs(row.timeouts.mean - (row.measured?.timeouts ?? 0))).toBeLessThan(2);
      if (row.measured?.answers === 0) expect(row.requests.mean).toBeLessThan(0.5);
    }
  });

  test("four instances are predicted from the two single ones alone, which know no neighbours, within 15%", () => {
    const leftOut = seedLeftOut(40);
    expect(Math.abs(leftOut.throughput)).toBeLessThan(0.15);
    for (const { latency } of leftOut.levels) expect(Math.abs(latency)).toBeLessThan(0.15);
    const section = seedLoadTestSection(rows, leftOut);
    expect(section.match(/^\| /gm)).toHaveLength(2 + 9 + 2 + 9);
  });
});
