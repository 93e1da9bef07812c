/** Runs as the page keeps them: figures with their intervals, CSV; and the server's course with its gaps and changes. */
import { expect, test } from "vitest";
import { RandomStream } from "../../engine/random/stream.ts";
import type { GatewayStatus } from "../../library/browser.ts";
import type { Sample } from "../shared/connection.ts";
import { csvOf, meanInterval, quantileInterval, recordOf } from "./history.ts";
import { changesOf, withGaps } from "./measure.tsx";
import type { Answer } from "./measuring.ts";

const statusOf = (scheduler: string, up = 1) => {
  const replicas = Array.from({ length: up }, (_, i) => ({
    name: `a-${i}`,
    task: "a",
    state: "up",
  }));
  return { scheduler, replicas, tasks: [{ name: "a" }] } as unknown as GatewayStatus;
};
const sample = (atS: number, scheduler = "fifo", up = 1): Sample => ({
  atS,
  status: statusOf(scheduler, up),
});
const workload = { arrivals: "burst", requests: 40, note: 'a "b", c' };
const answer = (request: number, latencyMs: number): Answer => ({
  request,
  payload: null,
  dueMs: request,
  sentMs: request,
  endedMs: request + latencyMs,
  outcome: "completed",
  latencyMs,
  picture: null,
});

test("a run is kept with its configuration, and its figures have intervals where answers suffice", () => {
  const facts = { at: "2020-01-01T00:00:00Z", model: "p", workload, sent: 200 };
  const answers = Array.from({ length: 200 }, (_, i) => answer(i, i % 100));
  const run = recordOf({ ...facts, status: statusOf("edf", 2), answers });
  expect(run).toMatchObject({ scheduler: "edf", replicas: "a 2", answers: 200, sent: 200 });
  expect(run.meanMs?.value).toBe(49.5);
  expect(run.p95Ms?.low).toBeLessThan(run.p95Ms?.value ?? 0);
  expect(run.p95Ms?.high).toBeGreaterThan(run.p95Ms?.value ?? 0);
  expect([run.curveMs[0], run.curveMs.at(-1)]).toEqual([0, 99]);
  const few = recordOf({ ...facts, status: null, answers: answers.slice(0, 10) });
  expect(few).toMatchObject({ scheduler: "not known", meanMs: { value: 4.5, low: null } });
  expect(few.p95Ms).toMatchObject({ low: null, high: null });
  expect(recordOf({ ...facts, status: null, answers: [] })).toMatchObject({ meanMs: null });
  expect(csvOf([run]).split("\n")[1]).toMatch(/^2020-01-01T00:00:00Z,edf,a 2,p,"\{""arrivals""/);
  expect(csvOf([run]).split("\n")[0].split(",")).toHaveLength(16);
});

test("the intervals hold the truth about as often as they say", () => {
  const trials = 400;
  const stream = new RandomStream("history", "coverage");
  let [means, medians] = [0, 0];
  for (let trial = 0; trial < trials; trial++) {
    const values = Array.from({ length: 100 }, () => -Math.log(1 - stream.uniform()));
    const mean = meanInterval(values);
    if ((mean.low ?? 0) <= 1 && 1 <= (mean.high ?? 0)) means++;
    const median = quantileInterval(
      values.toSorted((a, b) => a - b),
      0.5,
    );
    if ((median.low ?? 0) <= Math.LN2 && Math.LN2 <= (median.high ?? 0)) medians++;
  }
  for (const held of [means, medians]) {
    expect(held / trials).toBeGreaterThan(0.91);
    expect(held / trials).toBeLessThan(0.985);
  }
});

test("an outage is a gap, and a change of scheduler or replicas is a mark", () => {
  const samples = [sample(1), sample(2), sample(30), sample(31, "edf"), sample(32, "edf", 2)];
  const moments = withGaps(samples);
  expect(moments.map(({ atS, status }) => [atS, status === null])).toEqual([
    ...[1, 2].map((atS) => [atS, false]),
    [16, true],
    ...[30, 31, 32].map((atS) => [atS, false]),
  ]);
  expect(changesOf(samples)).toEqual([
    { x: 31, name: "edf" },
    { x: 32, name: "a 2" },
  ]);
});
