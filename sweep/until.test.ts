/** Replications until the intervals are narrow: the same however the work is spread. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import { configurationsOf, Workplace } from "./command-line.test-support.ts";

const SCENARIO = {
  name: "until",
  pipelines: { p: { tasks: { serve: { model: "server" } } } },
  models: { server: { service: { distribution: "exponential", meanMs: 10 } } },
  cluster: { replicas: { serve: 1 } },
  workload: { arrivals: "poisson", ratePerS: 50, requests: IS_LONG ? 2000 : 1200, warmupS: 2 },
  run: { seed: 1, replications: 4 },
  sweep: { "workload.ratePerS": [20, 60, 130] },
};

describe("a sweep with --until", () => {
  let workplace: Workplace;
  beforeAll(() => {
    workplace = new Workplace(SCENARIO);
  });
  afterAll(() => workplace.remove());

  // Narrower intervals take more replications.
  const [TARGET, MOST] = IS_LONG ? (["2%", 25] as const) : (["4%", 14] as const);
  const OPTIONS = ["--json", "--until", TARGET, "--until-metrics", "latencyMeanMs"];

  test("stops where it should, and the same on one thread and on three", async () => {
    const bound = ["--max-replications", `${MOST}`];
    const one = await workplace.simulate([...OPTIONS, ...bound, "--workers", "1", "--out", "one"]);
    const three = await workplace.simulate([
      ...OPTIONS,
      ...bound,
      "--workers",
      "3",
      "--out",
      "three",
    ]);
    expect(one.stderr).not.toContain("tandem:");
    const found = configurationsOf(one.stdout);
    expect(configurationsOf(three.stdout)).toEqual(found);
    const [low, high, overloaded] = found;
    expect(low.replications).toBeGreaterThanOrEqual(10);
    expect(low.precision).toMatchObject({ target: Number.parseFloat(TARGET) / 100, missed: [] });
    expect(low.precision?.relativeHalfWidths.latencyMeanMs).toBeLessThanOrEqual(
      Number.parseFloat(TARGET) / 100,
    );
    expect(high.replications).toBe(MOST);
    expect(high.precision?.missed).toEqual(["latencyMeanMs"]);
    expect(high.notes?.join()).toMatch(
      new RegExp(
        `not within ±${TARGET.replace("%", ".0%")} after ${MOST} replications: latencyMeanMs ±\\d`,
      ),
    );
    expect(overloaded, "no number of replications helps").toMatchObject({
      stability: "unstable",
      replications: 10,
    });
  });

  test("keeps results under another target apart", async () => {
    const out = ["--workers", "1", "--out", "one"];
    const { stdout, stderr } = await workplace.simulate(["--json", "--until", "40%", ...out]);
    expect(stderr).toContain("of another scenario");
    expect(configurationsOf(stdout)[1].replications).toBe(10);
  });
});

describe("one replication", () => {
  test("has intervals of its own, and says how they were found", async () => {
    const workplace = new Workplace({
      ...SCENARIO,
      workload: { ...SCENARIO.workload, requests: 40_000 },
      run: { seed: 1, replications: 1 },
      sweep: { "workload.ratePerS": [50] },
    });
    const { stdout } = await workplace.simulate(["--json"]);
    const table = await workplace.simulate([]);
    workplace.remove();
    const [one] = configurationsOf(stdout);
    expect(one.intervals).toMatchObject({
      latencyMeanMs: "batch means",
      latencyP50Ms: "order statistics",
    });
    expect(one.metrics.latencyMeanMs?.halfWidth95).toBeGreaterThan(0);
    expect(Math.abs((one.metrics.latencyMeanMs?.mean ?? 0) - 20)).toBeLessThan(2);
    expect(one.notes).toBeUndefined();
    expect(table.stdout, "no ± of what has no interval").not.toContain("± 0 ");
  });
});
