/** A crash frees a shared device, link or memory for the others. By hand. */
import { describe, expect, test } from "vitest";
import { fixedService, runAt } from "../scenario.test-support.ts";

/** Bars of the replicas that do not crash; the crash is never noticed. */
function barsOfOthers(
  arrivalsMs: readonly number[],
  replica: string,
  atMs: number,
  sections: Readonly<Record<string, unknown>>,
): readonly (readonly [number, number])[] {
  const faults = {
    detection: { intervalMs: 0, timeoutMs: 10_000, failures: 1 },
    scheduled: [{ kind: "crash", replica, atS: atMs / 1000 }],
  };
  const { bars } = runAt(arrivalsMs, { ...sections, faults, run: { maxDrainS: 1 } });
  return bars.filter((bar) => bar.replica !== replica).map(({ start, end }) => [start, end]);
}

const sharing = (kind: Record<string, unknown>) => ({
  models: { server: fixedService(10) },
  cluster: {
    replicas: { serve: 2 },
    nodes: [{ name: "host", devices: { gpu: { slots: 1, sharing: kind } } }],
  },
});

test("its part of a shared device's speed", () => {
  // Both at half speed until 5; the other has 7.5 left.
  const sections = sharing({ kind: "processor-sharing" });
  expect(barsOfOthers([0, 0], "serve-1", 5, sections)).toEqual([[0, 12.5]]);
});

describe("its turns", () => {
  const sections = sharing({ kind: "time-slice", quantumMs: 4 });

  test("when it was waiting for one", () => {
    // The other has the device from 4 on.
    expect(barsOfOthers([0, 0], "serve-1", 6, sections)).toEqual([[0, 14]]);
  });

  test("when it had one", () => {
    // The other had it until 4, and has it again from 6.
    expect(barsOfOthers([0, 0], "serve-2", 6, sections)).toEqual([[0, 12]]);
  });
});

test("its part of a link", () => {
  // Both at half of the link until 1; the other's transfer has 0.5 left.
  const sections = {
    pipelines: { p: { tasks: { serve: { model: "server", payloadBytes: 125_000 } } } },
    models: { server: fixedService(10) },
    cluster: {
      replicas: { serve: 2 },
      nodes: [{ name: "host", devices: { cpu: 2 } }],
      network: { gbps: 1, links: "fair" },
    },
  };
  expect(barsOfOthers([0, 0], "serve-1", 1, sections)).toEqual([[1.5, 11.5]]);
});

describe("a device's memory", () => {
  const model = (meanMs: number, loadMs: number) => ({
    ...(fixedService(meanMs) as object),
    memoryMb: 60,
    loadMs,
  });
  /** b is asked for first and loads from 0 to 20; there is room for one model. */
  const sections = {
    pipelines: { p: { tasks: { a: { model: "a" }, b: { model: "b" } } } },
    models: { a: model(10, 30), b: model(5, 20) },
    cluster: {
      replicas: { a: 1, b: 1 },
      nodes: [{ name: "host", devices: { gpu: { slots: 1, shared: true, memoryMb: 100 } } }],
    },
  };

  test("that was being loaded", () => {
    expect(barsOfOthers([0], "b-1", 5, sections)).toEqual([[35, 45]]);
  });

  test("whose model was in use", () => {
    expect(barsOfOthers([0], "b-1", 22, sections)).toEqual([[52, 62]]);
  });

  test("that it waited for", () => {
    // a waits for room until b is through at 25, and crashes at 21: b goes on.
    expect(barsOfOthers([0, 60], "a-1", 21, sections)).toEqual([
      [20, 25],
      [60, 65],
    ]);
  });
});
