/** Small clusters find what a large one hides, and schedulers that keep the rules keep them there too. */
import { describe, expect, test } from "vitest";
import "../checks/support/solver.test-support.ts";
import type { Controller } from "../engine/dispatch/controller.ts";
import type { Scheduler } from "../engine/dispatch/policies.ts";
import type { System } from "../engine/system/system.ts";
import { documentOf, systemOf } from "./contract-systems.test-support.ts";
import { createScheduler } from "./create-scheduler.ts";
import { clustersToPlay, playOnce } from "./play.ts";
import { PRESETS } from "./registry.ts";

const tasks = { a: { model: "model" }, b: { model: "other", after: ["a"] } };
const SYSTEM = systemOf(
  documentOf({
    pipelines: { p: { slo: { latencyMs: 500 }, tasks } },
    replicas: { a: 50, b: 50 },
    nodes: [{ name: "host", count: 2, devices: { gpu: { slots: 25, shared: true } } }],
  }),
);

/** Never starts a job on a pool's last replica: with fifty there is always another. */
function forgetful(system: System): Scheduler {
  const controller: Controller = {
    pools: system.pools.map((_, pool) => pool),
    scales: [],
    timers: 0,
    decide(view, act) {
      for (const [pool, { first, count }] of system.pools.entries()) {
        for (let replica = first; replica < first + count - 1; replica++) {
          const isFree = view.isUp(replica) && view.running(replica) === 0;
          if (isFree && view.queue(pool).length > 0) act.startNext(replica, 1);
        }
      }
    },
  };
  return { ...createScheduler("fifo", system, "1"), controllers: [controller] };
}

const brokenOn = (system: System, make: (system: System) => Scheduler, runs: number) =>
  Array.from({ length: runs }, (_, run) => playOnce(system, () => make(system), run, "rough")).find(
    (verdict) => verdict !== null,
  );

describe("a scheduler that strands jobs where replicas are few", () => {
  test("keeps the rules on fifty replicas", () => {
    expect(brokenOn(SYSTEM, forgetful, 100)).toBeUndefined();
  });

  test("breaks one on a small cluster", () => {
    const [own, one] = clustersToPlay(SYSTEM);
    expect(own).toEqual({ about: "", system: SYSTEM });
    expect(one.about).toBe(" on 1 of each task's replicas");
    expect(brokenOn(one.system, forgetful, 20)?.rule).toMatch(/drain|wait/);
  });
});

test("the small clusters have 1 to 4 replicas of each task, and one slot for two", () => {
  const shapes = clustersToPlay(SYSTEM).map(({ system: { pools, replicas } }) => {
    pools.forEach(({ first, count }, pool) => {
      for (let i = 0; i < count; i++) expect(replicas[first + i].pool).toBe(pool);
    });
    return [pools.map(({ count }) => count), new Set(replicas.map(({ slot }) => slot)).size];
  });
  expect(shapes[1][0]).toEqual([1, 1]);
  expect(shapes.map(([counts]) => counts)).toEqual([50, 1, 2, 3, 4, 2].map((n) => [n, n]));
  // On two machines.
  expect(shapes[5][1]).toBeLessThanOrEqual(2);
});

test.each(Object.keys(PRESETS))("%s keeps the rules on every small cluster", (preset) => {
  const [, ...small] = clustersToPlay(SYSTEM);
  for (const { about, system } of small) {
    // Accuracy scaling gives each task a slot of its own.
    const slots = new Set(system.replicas.map(({ slot }) => slot)).size;
    if (slots < system.pools.length && /^(proteus|loki)$/.test(preset)) continue;
    const make = (one: System) => createScheduler(preset, one, "1");
    expect(brokenOn(system, make, 2), about).toBeUndefined();
  }
});
