import { describe, expect, test } from "vitest";
import { finished } from "../engine/basics/iterables.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { detectWarmUp, runReplication } from "./replication.ts";
import { fixedService, NO_INPUTS, scenarioOf } from "./scenario.test-support.ts";

/** All 200 clients come at once: the first takes 10 ms, the last 2 s, and later ones 1.9 s each. */
const ALL_AT_ONCE = scenarioOf({
  models: { server: fixedService(10) },
  workload: { arrivals: "closed", clients: 200, thinkMs: 100, durationS: 100, warmupS: "auto" },
});

describe("a warm-up left to be found", () => {
  test("takes in the rush at the start of a closed loop, and leaves most of the run", () => {
    const { seconds, settled } = finished(detectWarmUp(ALL_AT_ONCE, NO_INPUTS));
    expect(settled).toBe(true);
    expect(seconds).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(5);
    const meanMs = (warmupS: number): number | undefined => {
      const workload = { ...ALL_AT_ONCE.workload, warmupS } as ScenarioDocument["workload"];
      const { summary } = runReplication({ ...ALL_AT_ONCE, workload }, NO_INPUTS, 0);
      return summary.metrics.latencyMeanMs;
    };
    expect(meanMs(seconds)).toBe(1900);
    expect(meanMs(0)).toBeLessThan(1890);
    expect(finished(detectWarmUp(ALL_AT_ONCE, NO_INPUTS))).toEqual({ seconds, settled });
  });

  test("is short where nothing has to warm up", () => {
    const workload = { arrivals: "poisson", ratePerS: 20, durationS: 400, warmupS: "auto" };
    const { seconds, settled } = finished(detectWarmUp(scenarioOf({ workload }), NO_INPUTS));
    expect(settled).toBe(true);
    expect(seconds).toBeLessThan(80);
  });

  test("does not settle in overload", () => {
    const workload = { arrivals: "poisson", ratePerS: 200, requests: 5000, warmupS: "auto" };
    expect(finished(detectWarmUp(scenarioOf({ workload }), NO_INPUTS)).settled).toBe(false);
  });

  test("must be found before anything runs with it", () => {
    expect(() => runReplication(ALL_AT_ONCE, NO_INPUTS, 0)).toThrow("for `tandem simulate` alone");
  });
});
