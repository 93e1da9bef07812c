/** Expected work of jobs and of what follows them, against values computed by hand. */

import { describe, expect, test } from "vitest";
import type { JobView } from "../../engine/dispatch/controller.ts";
import type { System } from "../../engine/system/system.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { ExpectedWork } from "./ways.ts";

const TIMES = { a: 10, b: 20, c: 40, d: 80 };

/** Tasks named like their models, whose means are `TIMES`, ms. */
function systemOf(
  tasks: Readonly<Record<string, Record<string, unknown>>>,
  sections: Readonly<Record<string, unknown>> = {},
): System {
  const document = scenarioSchema.parse({
    name: "work",
    pipelines: {
      p: {
        tasks: Object.fromEntries(
          Object.entries(tasks).map(([name, task]) => [name, { model: name, ...task }]),
        ),
      },
    },
    models: Object.fromEntries(
      Object.entries(TIMES).map(([name, meanMs]) => [
        name,
        { service: { distribution: "exponential", meanMs } },
      ]),
    ),
    cluster: { replicas: Object.fromEntries(Object.keys(tasks).map((name) => [name, 1])) },
    workload: { arrivals: "burst", requests: 1 },
    ...sections,
  });
  return compileSystem(document, { profiles: {} });
}

/** Remaining work of each task, ms. */
function remaining(system: System, inputSize = Number.NaN): number[] {
  const work = new ExpectedWork(system);
  return system.pipelines[0].tasks.map((_, task) => {
    const us = work.remainingUs({ pipeline: 0, task, inputSize } as JobView);
    return Math.round(us) / 1000;
  });
}

describe("remaining work", () => {
  test("of a chain is the sum of what is left of it", () => {
    expect(remaining(systemOf({ a: {}, b: { after: ["a"] }, c: { after: ["b"] } }))).toEqual([
      70, 60, 40,
    ]);
  });

  test("weighs a branch, and all behind it, by its probability", () => {
    const when = { probability: 0.25 };
    const system = systemOf({ a: {}, b: { after: ["a"], when }, c: { after: ["b"] } });
    // 10 + (20 + 40) / 4; who has come to b runs it.
    expect(remaining(system)).toEqual([25, 60, 40]);
  });

  test("counts a join once, if any branch before it runs", () => {
    const half = { after: ["a"], when: { probability: 0.5 } };
    const system = systemOf({ a: {}, b: half, c: half, d: { after: ["b", "c"] } });
    // 10 + 20 / 2 + 40 / 2 + 80 × 3/4.
    expect(remaining(system)).toEqual([100, 100, 120, 80]);
  });

  test("skips after a hit of a cache all that it skips, together", () => {
    const cache = { hitRatio: 0.8, skips: ["b", "c"] };
    const system = systemOf({ a: { cache }, b: { after: ["a"] }, c: { after: ["b"] } });
    // 10 + (20 + 40) / 5; at b the cache has missed.
    expect(remaining(system)).toEqual([22, 60, 40]);
  });

  test("grows with the size of the input, where it is known", () => {
    const inputScaling = { reference: 100, fixedShare: 0.5 };
    const service = { distribution: "deterministic", meanMs: 10 };
    const workload = { arrivals: "burst", requests: 1, inputSize: 300 };
    const models = { a: { service, inputScaling }, b: { service } };
    const system = systemOf({ a: {}, b: { after: ["a"] } }, { models, workload });
    expect(remaining(system, 100)).toEqual([20, 10]);
    expect(remaining(system, 300)).toEqual([30, 10]);
    // All inputs of this workload have 300.
    expect(remaining(system)).toEqual([30, 10]);
  });
});
