import { expect, test } from "vitest";
import type { ConfigurationResult } from "../../results/documents.ts";
import type { PlacementByKind } from "../../scenario/compile/placement.ts";
import { singleDocument } from "../documents.test-support.ts";
import { placementLines, placementTable } from "./result-tables.ts";

function placedOn(used: number, idleCostPerHour: number): PlacementByKind {
  return {
    gpu: { machinesUsed: used, machines: 4, idleCostPerHour, replicas: { detect: 4, plate: used } },
    cpu: { machinesUsed: 0, machines: 1, idleCostPerHour: 0, replicas: {} },
  };
}

function configuration(
  scheduler: string,
  plate: number,
  placement: PlacementByKind,
): ConfigurationResult {
  const [one] = singleDocument().configurations;
  const parameters = { scheduler, "cluster.replicas.plate": plate };
  return { ...one, id: `${scheduler},${plate}`, parameters, placement };
}

test("one placement of all configurations is one line, with a warning where machines stay idle", () => {
  const all = ["fifo", "edf"].map((scheduler) => configuration(scheduler, 2, placedOn(2, 5)));
  expect(placementLines({ configurations: all }, 200)).toEqual([
    "where replicas run: gpu 2 of 4 machines (detect 4, plate 2); cpu 0 of 1 machine; idle 5 per hour",
    "warning: machines that host no replica are not billed; idle is what they would cost",
  ]);
  const without = all.map((one) => ({ ...one, placement: placedOn(4, 0) }));
  expect(placementLines({ configurations: without }, 200)).toEqual([
    "where replicas run: gpu 4 of 4 machines (detect 4, plate 4); cpu 0 of 1 machine",
  ]);
});

test("placements that differ have a line each, told apart by the cluster alone", () => {
  const all = [1, 2].flatMap((plate) =>
    ["fifo", "edf"].map((scheduler) => configuration(scheduler, plate, placedOn(plate, 0))),
  );
  expect(placementLines({ configurations: all }, 200)).toEqual([
    "where replicas run:",
    "plate replicas 1: gpu 1 of 4 machines (detect 4, plate 1); cpu 0 of 1 machine",
    "plate replicas 2: gpu 2 of 4 machines (detect 4, plate 2); cpu 0 of 1 machine",
  ]);
});

test("equal placements of several shapes share a line, and no more than eight lines are shown", () => {
  const shared = [1, 2, 3].map((plate) => configuration("fifo", plate, placedOn(plate >> 1, 0)));
  expect(placementLines({ configurations: shared }, 200)[2]).toMatch(
    /^plate replicas 2 and 1 more: gpu 1 of 4/,
  );
  const many = Array.from({ length: 20 }, (_, i) => configuration("fifo", i, placedOn(i, 0)));
  const lines = placementLines({ configurations: many }, 200);
  expect(lines).toHaveLength(1 + 8 + 1);
  expect(lines.at(-1)).toBe("and 12 more placements: `placement` in the results");
  expect(placementTable({ configurations: many })?.rows).toHaveLength(20);
});

test("no line is wider than asked for", () => {
  const all = [1, 2].map((plate) => configuration("fifo", plate, placedOn(plate, 5)));
  for (const text of placementLines({ configurations: all }, 40)) {
    for (const line of text.split("\n")) expect(line.length).toBeLessThanOrEqual(40);
  }
});

test("the report's table has a column for each kind, and one of what idle machines would cost", () => {
  const all = [1, 2].map((plate) => configuration("fifo", plate, placedOn(plate, 5)));
  const table = placementTable({ configurations: all });
  expect(table?.headings).toEqual(["configurations", "gpu", "cpu", "idle, per hour"]);
  expect(table?.rows[1].map(({ text }) => text)).toEqual([
    "plate replicas 2",
    "2 of 4 machines (detect 4, plate 2)",
    "0 of 1 machine",
    "5",
  ]);
  expect(table?.caption).toMatch(/not billed/);
});

test("a scenario without nodes has no placement to show", () => {
  const all = singleDocument().configurations;
  expect(placementLines({ configurations: all }, 100)).toEqual([]);
  expect(placementTable({ configurations: all })).toBeUndefined();
});
