/**
 * Events at one instant come in the order finish, arrive, wake, decide. One test for each pair, and
 * for two of one kind, each by what the other order would do, and by the order in the run log; with
 * service times alone and on devices with terms of their own, which cost nothing here.
 */
import { describe, expect, test } from "vitest";
import type { LogEntry } from "../engine/dispatch/run-log.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { runReplication } from "./replication.ts";
import {
  fixedService,
  NO_INPUTS,
  runAt as runPlainly,
  scenarioOf,
} from "./scenario.test-support.ts";

const TEN_MS = { models: { server: fixedService(10) } };

const windowed = (maxBatch: number, waitMs: number) => ({
  scheduler: { batching: { policy: "size-or-timeout", maxBatch, waitMs } },
});

type Sections = Readonly<Record<string, unknown>>;

/** One machine with room for all, on which nobody slows another down. */
const UNHINDERED = [
  { name: "host", devices: { cpu: { slots: 8, shared: true } }, contention: [1, 1, 1, 1, 1, 1] },
];

describe.each([
  ["service times alone", {}],
  ["devices", { nodes: UNHINDERED }],
])("with %s", (_, deployment) => {
  /** The sections on this deployment. */
  const deployed = (sections: Sections): Sections => {
    const { cluster = { replicas: { serve: 1 } } } = sections as { cluster?: object };
    return { ...sections, cluster: { ...cluster, ...deployment } };
  };

  const runAt = (arrivalsMs: readonly number[], sections: Sections) =>
    runPlainly(arrivalsMs, deployed(sections));

  /** Kinds of the events of one instant, in the order in which the dispatcher heard of them. */
  function eventsAt(atMs: number, arrivalsMs: readonly number[], sections: Sections): string[] {
    const workload = { arrivals: "trace", file: "times.csv", column: "t" };
    const traces = { "times.csv": arrivalsMs.map((ms) => ms * 1000) };
    const log = new RunLog();
    runReplication(scenarioOf({ workload, ...deployed(sections) }), { ...NO_INPUTS, traces }, 0, {
      log,
    });
    const instantOf = ([kind, ...numbers]: LogEntry): number | undefined => {
      if (kind === "arrive") return numbers[3];
      if (kind === "finish" || kind === "wake" || kind === "join") return numbers[1];
      return kind === "decide" ? numbers[0] : undefined;
    };
    return log.entries.filter((entry) => instantOf(entry) === atMs * 1000).map(([kind]) => kind);
  }

  test("a finish comes before an arrival: the arrival finds the place free", () => {
    const scheduler = { admission: { policy: "bounded", maxInSystem: 1 } };
    const { summary, bars } = runAt([0, 10, 15], { ...TEN_MS, scheduler });
    expect(bars.map(({ start, requests }) => [start, requests])).toEqual([
      [0, "0"],
      [10, "1"],
    ]);
    expect(summary.metrics.dropRatio).toBeCloseTo(1 / 3, 12);
    expect(eventsAt(10, [0, 10], { ...TEN_MS, scheduler })).toEqual(["finish", "arrive", "decide"]);
  });

  test("a finish comes before a wake: the window that closes can use the replica set free", () => {
    // The first two fill a batch that ends at 20; the third comes at 10 and waits 10.
    const sections = {
      ...windowed(2, 10),
      models: { server: fixedService(20) },
      cluster: { replicas: { serve: 2 } },
    };
    const recent = {
      ...sections,
      scheduler: { ...sections.scheduler, routing: { policy: "central", idle: "most-recent" } },
    };
    const { bars } = runAt([0, 0, 10], recent);
    expect(bars.map(({ start, requests }) => [start, requests])).toEqual([
      [0, "0,1"],
      [20, "2"],
    ]);
    expect(bars[1].replica, "the replica idle most recently").toBe(bars[0].replica);
    expect(eventsAt(20, [0, 0, 10], recent)).toEqual(["finish", "wake", "decide"]);
  });

  test("a finish comes before the decision: work that waits starts at once", () => {
    const { bars } = runAt([0, 3, 4], TEN_MS);
    expect(bars.map(({ start }) => start)).toEqual([0, 10, 20]);
    expect(eventsAt(10, [0, 3], TEN_MS)).toEqual(["finish", "decide"]);
  });

  test("an arrival comes before a wake: it joins the batch whose window closes then", () => {
    const sections = { ...TEN_MS, ...windowed(3, 10) };
    const { bars } = runAt([0, 10], sections);
    expect(bars.map(({ start, requests }) => [start, requests])).toEqual([[10, "0,1"]]);
    expect(eventsAt(10, [0, 10], sections)).toEqual(["arrive", "wake", "decide"]);
  });

  test("all arrivals of an instant come before the decision: they share a batch", () => {
    const sections = { ...TEN_MS, ...windowed(3, 0) };
    const { bars } = runAt([5, 5, 5], sections);
    expect(bars.map(({ start, requests }) => [start, requests])).toEqual([[5, "0,1,2"]]);
    expect(eventsAt(5, [5, 5, 5], sections)).toEqual(["arrive", "arrive", "arrive", "decide"]);
  });

  test("a wake comes before the decision: the batch starts when its window closes", () => {
    const sections = { ...TEN_MS, ...windowed(3, 10) };
    const { bars } = runAt([2], sections);
    expect(bars.map(({ start }) => start)).toEqual([12]);
    expect(eventsAt(12, [2], sections)).toEqual(["wake", "decide"]);
  });

  test("finishes of one instant come in the order in which their batches started", () => {
    for (const tasks of [
      ["serve", "quick"],
      ["quick", "serve"],
    ]) {
      const sections = {
        pipelines: {
          p: { tasks: Object.fromEntries(tasks.map((task) => [task, { model: task }])) },
        },
        models: { serve: fixedService(10), quick: fixedService(4) },
        cluster: { replicas: { serve: 1, quick: 1 } },
      };
      // `serve` of request 0 starts at 0 and `quick` of request 1 at 6: both end at 10.
      const { bars } = runAt([0, 6], sections);
      const atTen = bars.filter(({ end }) => end === 10).map(({ replica }) => replica);
      expect(atTen).toEqual(["serve-1", "quick-1"]);
    }
  });

  test("finishes of one instant do so among more replicas than a short list is for", () => {
    const sections = {
      pipelines: { p: { tasks: { quick: { model: "quick" }, serve: { model: "serve" } } } },
      models: { serve: fixedService(10), quick: fixedService(4) },
      cluster: { replicas: { quick: 30, serve: 30 } },
    };
    const { bars } = runAt([0, 0, 6, 6], sections);
    const atTen = bars.filter(({ end }) => end === 10);
    expect(atTen.map(({ replica, requests }) => [replica, requests])).toEqual([
      ["serve-1", "0"],
      ["serve-2", "1"],
      ["quick-3", "2"],
      ["quick-4", "3"],
    ]);
  });

  test("arrivals of one instant are numbered in the order of the trace, and served in it", () => {
    const { bars } = runAt([5, 5, 5, 5], TEN_MS);
    expect(bars.map(({ requests }) => requests)).toEqual(["0", "1", "2", "3"]);
  });

  test("wakes of one instant come in the order of their queues, before one decision for all", () => {
    const sections = {
      ...windowed(3, 10),
      pipelines: { p: { tasks: { serve: { model: "server" }, quick: { model: "server" } } } },
      models: { server: fixedService(1) },
      cluster: { replicas: { serve: 1, quick: 1 } },
    };
    const { bars } = runAt([2], sections);
    expect(bars.map(({ start }) => start)).toEqual([12, 12]);
    expect(eventsAt(12, [2], sections)).toEqual(["wake", "wake", "decide"]);
  });

  test("an instant has one decision, after all that it brought", () => {
    // At 10 the first two end, the window of the third closes and the fourth arrives.
    const sections = {
      ...windowed(2, 5),
      models: { server: fixedService(7) },
      cluster: { replicas: { serve: 2 } },
    };
    const arrivals = [3, 3, 5, 10];
    expect(eventsAt(10, arrivals, sections)).toEqual(["finish", "arrive", "wake", "decide"]);
    const { bars } = runAt(arrivals, sections);
    expect(bars.map(({ start, requests }) => [start, requests])).toEqual([
      [3, "0,1"],
      [10, "2,3"],
    ]);
  });
});
