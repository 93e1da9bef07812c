/** The behaviour that Kubernetes documents for its HorizontalPodAutoscaler, one test a sentence. */
import { describe, expect, test } from "vitest";
import { RunLog } from "../../engine/dispatch/run-log.ts";
import { checkScheduler } from "../../schedulers/check-scheduler.ts";
import { runReplication } from "../replication.ts";
import { fixedService, NO_INPUTS, scenarioOf } from "../scenario.test-support.ts";

type Change = readonly [atS: number, kind: string, count: number];

/** One request takes a second; the load is given as phases of constant rates. */
function ordersUnder(
  phases: readonly (readonly [untilS: number, ratePerS: number])[],
  scaling: Readonly<Record<string, unknown>> = {},
): readonly Change[] {
  const times: number[] = [];
  let fromS = 0;
  for (const [untilS, ratePerS] of phases) {
    for (let i = 0; fromS + i / ratePerS < untilS; i++) times.push((fromS + i / ratePerS) * 1e6);
    fromS = untilS;
  }
  const preset = "kubernetes-hpa";
  const own = { policy: "target-utilization", target: 0.5, upReplicas: 4, upPercent: 100 };
  const document = scenarioOf({
    models: { server: fixedService(1000) },
    cluster: { replicas: { serve: 64 } },
    scheduler:
      Object.keys(scaling).length === 0 ? preset : { preset, scaling: { ...own, ...scaling } },
    workload: { arrivals: "trace", file: "t.csv", column: "t" },
  });
  const log = new RunLog();
  runReplication(document, { ...NO_INPUTS, traces: { "t.csv": times } }, 0, { log });
  const changes = new Map<string, Change>();
  for (const [kind, , atUs] of log.entries) {
    if (kind !== "order" && kind !== "release") continue;
    const atS = Number(atUs) / 1e6;
    if (atS === 0) continue;
    const key = `${atS} ${kind}`;
    changes.set(key, [atS, kind, (changes.get(key)?.[2] ?? 0) + 1]);
  }
  return [...changes.values()];
}

describe("up", () => {
  test("at once, by 4 pods or 100% in 15 s, whichever is more", () => {
    // All busy at a target of 0.1 asks for ten times as many: 1, 5, 10, 20, 40, 64 (all there are).
    const ups = ordersUnder([[100, 40]], { target: 0.1 }).filter(([, kind]) => kind === "order");
    expect(ups.slice(0, 5).map(([atS, , count]) => [atS, count])).toEqual([
      [15, 4],
      [30, 5],
      [45, 10],
      [60, 20],
      [75, 24],
    ]);
  });

  test("by 1 / target of its busy replicas, as utilisation does not see the queue", () => {
    const ups = ordersUnder([[60, 40]]).filter(([, kind]) => kind === "order");
    // 1, 2, 3, 5: ⌈n / 0.7⌉, so the limits on steps do not matter.
    expect(ups.slice(0, 3).map(([atS, , count]) => [atS, count])).toEqual([
      [15, 1],
      [30, 1],
      [45, 2],
    ]);
  });

  test("the limits hold for a period, however often the autoscaler looks", () => {
    const limits = { intervalS: 5, upPercent: 1, min: 8 };
    const ups = ordersUnder([[60, 60]], limits).filter(([, kind]) => kind === "order");
    expect(ups.slice(0, 4).map(([atS, , count]) => [atS, count])).toEqual([
      [5, 4],
      [20, 4],
      [35, 4],
      [50, 4],
    ]);
  });
});

describe("within the tolerance of 0.1", () => {
  test.each([
    // Ten replicas at a target of 0.5 are meant for a load of 5.
    [4.7, false],
    [5.4, false],
    [4.4, true],
    [5.8, true],
  ])("a load of %d replicas changes ten: %s", (load, changes) => {
    const found = ordersUnder([[100, load]], { min: 1, start: 10, downWindowS: 0 });
    expect(found.some(([atS]) => atS < 100)).toBe(changes);
  });
});

describe("down", () => {
  test("only after 300 s in which no recommendation was higher", () => {
    const phases = [[60, 4] as const, [900, 0.5] as const];
    const down = ordersUnder(phases).filter(([, kind]) => kind === "release");
    // The last recommendation for the load of 4 is that at 60 s, of the 15 s before.
    expect(down[0][0]).toBe(375);
  });

  test("not from the replicas at the start either", () => {
    const down = ordersUnder([[600, 0.4]], { start: 10 }).filter(([, kind]) => kind === "release");
    expect(down[0]).toEqual([300, "release", 9]);
  });
});

test("unsound limits are issues", () => {
  const scaling = { policy: "target-utilization", upReplicas: 0, upPercent: -1, upPeriodS: 0 };
  const issues = checkScheduler({ preset: "kubernetes-hpa", scaling }, "scheduler");
  expect(issues.map(({ path }) => path)).toEqual([
    "scheduler.scaling.upReplicas",
    "scheduler.scaling.upPercent",
    "scheduler.scaling.upPeriodS",
  ]);
});
