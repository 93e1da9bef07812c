/** Measurements of a cluster beside the predicted curve. */
import { expect, test } from "vitest";
import type { GatewayStatus } from "../../library/browser.ts";
import type { Sample } from "../shared/connection.ts";
import { measuredOf } from "./what-if-tab.tsx";

const sample = (atS: number, scheduler: string, completedPerS = 5): Sample => {
  const replica = { name: "a-1", task: "a", state: "up", utilizationRatio: 0.5 };
  const all = { completedPerS, latencyP50Ms: 1, latencyP95Ms: 2, latencyP99Ms: atS };
  const status = { scheduler, windowS: 10, all, replicas: [replica], tasks: [{ name: "a" }] };
  return { atS, status: status as unknown as GatewayStatus };
};
const times = (samples: readonly Sample[]) =>
  measuredOf(samples).points.map(({ metrics }) => metrics.latencyP99Ms);

test("samples with answers are measured points of the configuration that runs", () => {
  const samples = [sample(1, "fifo"), sample(2, "fifo", 0), sample(3, "fifo")];
  expect(measuredOf(samples).configuration).toBe("a 1 · fifo");
  expect(times(samples)).toEqual([1, 3]);
  expect(measuredOf([]).points).toEqual([]);
});

test("a change ends the points before it, and those whose window reaches back to it", () => {
  const samples = [sample(1, "fifo"), ...[2, 11, 12, 13].map((atS) => sample(atS, "edf"))];
  expect(times(samples)).toEqual([12, 13]);
});
