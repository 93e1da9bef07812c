/** Each scaling policy's formula, asked directly. */
import { describe, expect, test } from "vitest";
import type { Scaling, ScalingView } from "../../core/dispatch/policies.ts";
import { RandomStream } from "../../core/random/stream.ts";
import { documentOf, systemOf } from "../contract-systems.test-support.ts";
import { POLICIES } from "../registry.ts";

const pipelines = { p: { tasks: { a: { model: "model" } } } };
const SYSTEM = systemOf(documentOf({ pipelines, replicas: { a: 1 } }));

function policy(name: string, parameters: Readonly<Record<string, unknown>> = {}): Scaling {
  const definition = POLICIES.scaling.find((one) => one.name === name);
  const rng = () => new RandomStream("1", "policy");
  const context = { rng, maxBatch: 1, pool: 0, system: SYSTEM };
  return definition?.create(parameters, context) as Scaling;
}

const view = (given: Partial<ScalingView>): ScalingView => ({
  ...{ nowUs: 0, ready: 4, ordered: 4, busyMean: 0, waitingMean: 0, jobsMean: 0 },
  ...given,
});

describe("target-utilization", () => {
  test.each([
    // Kubernetes' own example: 4 replicas at twice the target are doubled, at half are halved.
    [{ ordered: 4, busyMean: 4 }, { target: 0.5 }, 8],
    [{ ordered: 4, busyMean: 1 }, { target: 0.5 }, 2],
    [{ ordered: 4, busyMean: 3.01 }, { target: 0.7 }, 4],
    [{ ordered: 4, busyMean: 3.2 }, { target: 0.7, tolerance: 0.2 }, 4],
    [{ ordered: 4, busyMean: 3.2 }, { target: 0.7, tolerance: 0.1 }, 5],
    [{ ordered: 0, busyMean: 0 }, {}, 0],
    // "Algorithm details": pods that are not ready yet dampen a rise, and never turn it into a fall.
    [{ ready: 4, ordered: 8, busyMean: 4 }, { target: 0.7 }, 8],
    [{ ready: 4, ordered: 5, busyMean: 4 }, { target: 0.5 }, 8],
    [{ ready: 2, ordered: 4, busyMean: 1 }, { target: 0.5 }, 4],
    [{ ready: 2, ordered: 4, busyMean: 0.5 }, { target: 0.5 }, 1],
    [{ ready: 0, ordered: 4, busyMean: 0 }, {}, 4],
  ])("with %o and %o wants %i", (given, parameters, replicas) => {
    expect(policy("target-utilization", parameters).replicas(view(given))).toBe(replicas);
  });
});

test("queue-length gives each replica its share of the queue", () => {
  expect(policy("queue-length", { target: 5 }).replicas(view({ waitingMean: 11 }))).toBe(3);
  expect(policy("queue-length").replicas(view({ waitingMean: 0 }))).toBe(0);
});

describe("concurrency", () => {
  const parameters = { target: 2, windowS: 20, intervalS: 2 };

  test("averages over its stable window", () => {
    const scaling = policy("concurrency", parameters);
    const jobs = [8, 8, 8, 8, 8, 2, 2, 2, 2, 2];
    const wanted = jobs.map((jobsMean, i) => scaling.replicas(view({ jobsMean, nowUs: i * 2e6 })));
    expect(wanted).toEqual([4, 4, 4, 4, 4, 4, 4, 3, 3, 3]);
    for (let i = 10; i < 15; i++) scaling.replicas(view({ jobsMean: 2, nowUs: i * 2e6 }));
    expect(scaling.replicas(view({ jobsMean: 2, nowUs: 30e6 }))).toBe(1);
  });

  test("panics at twice of what is ready, and does not shrink for a window", () => {
    const scaling = policy("concurrency", parameters);
    for (let i = 0; i < 9; i++) scaling.replicas(view({ jobsMean: 2, nowUs: i * 2e6 }));
    expect(scaling.replicas(view({ jobsMean: 16, nowUs: 18e6 }))).toBe(8);
    for (let s = 20; s < 38; s += 2) {
      expect(scaling.replicas(view({ jobsMean: 0, ready: 8, nowUs: s * 1e6 }))).toBe(8);
    }
    expect(scaling.replicas(view({ jobsMean: 0, ready: 8, nowUs: 38e6 }))).toBe(0);
  });
});

describe("scheduled", () => {
  const steps = [
    { atS: 10, replicas: 5 },
    { atS: 20, replicas: 2 },
  ];

  test("keeps its timetable, and repeats it", () => {
    const at = (scaling: Scaling, s: number): number => scaling.replicas(view({ nowUs: s * 1e6 }));
    const once = policy("scheduled", { steps, min: 1 });
    expect([0, 10, 19, 20, 70].map((s) => at(once, s))).toEqual([1, 5, 5, 2, 2]);
    const daily = policy("scheduled", { steps, periodS: 60 });
    expect([0, 15, 30, 60, 70, 85].map((s) => at(daily, s))).toEqual([2, 5, 2, 2, 5, 2]);
    expect([once.start, daily.start]).toEqual([1, 2]);
  });

  test.each([
    [{ steps: [] }],
    [{ steps: [...steps].reverse() }],
    [{ steps, periodS: 15 }],
    [{ steps, min: -1 }],
  ])("refuses %o", (parameters) => {
    expect(() => policy("scheduled", parameters)).toThrow();
  });
});
