/** Moves from a cluster whose slow replicas do harm, on machines of two slots. */
import { expect, test } from "vitest";
import { goalsOf } from "../results/slo.ts";
import { parseScenario } from "../scenario/parse.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { NO_INPUTS } from "../sim/scenario.test-support.ts";
import { alternativeOf, choiceOf } from "./contenders.ts";
import { cheaper, lessMachines } from "./moves.ts";
import { type Shape, Space } from "./space.ts";

const TEXT = `
name: speech
pipelines: { p: { slo: { latencyMs: 1500, percentile: 95 }, tasks: { asr: { model: asr }, intent: { model: intent, after: [asr] } } } }
models:
  asr: { service: { distribution: lognormal, meanMs: 260, cv: 0.6 } }
  intent: { service: { distribution: lognormal, meanMs: 40, cv: 0.3 } }
cluster:
  nodes:
    - { name: gpu, count: 12, devices: { gpu: 2 }, costPerHour: 2 }
    - { name: cpu, count: 30, devices: { cpu: { slots: 2, speed: 0.35 } }, costPerHour: 0.4 }
  replicas: { asr: 1, intent: 1 }
workload: { arrivals: poisson, ratePerS: 25, durationS: 300, warmupS: 30 }
run: { seed: 4, replications: 8 }
`;

const { document } = parseScenario(TEXT, "s.yaml", () => "", {}, { checkScheduler });
const space = new Space(document, { low: [1, 1], high: [64, 64] });
const alternative = alternativeOf(
  document,
  {},
  choiceOf(document, NO_INPUTS, space, goalsOf(document)),
);

/** Replicas of each task on gpu and on cpu. */
const found = (part: number, ...rows: readonly (readonly number[])[]) =>
  cheaper(alternative, space.cheapestFor(rows) as Shape, part).map(({ shape }) => shape.rows);

test("all slow replicas of a task go at once where one alone saves no machine", () => {
  const all = found(0, [8, 4], [0, 4]);
  // Eight cpu slots: one replica of asr less leaves as many machines.
  for (const asr of [
    [8, 2],
    [8, 0],
  ])
    expect(all).toContainEqual([asr, [0, 4]]);
});

test("as many replicas go as save a machine, and no task is left without", () => {
  const all = found(0, [8, 0], [0, 1]);
  expect(new Set(all.map(String))).toEqual(new Set(["6,0,0,1"]));
  // A machine less takes them of both tasks; each task alone gives as many.
  const shared = found(0, [9, 0], [3, 0]).map(String);
  expect(shared).toEqual(expect.arrayContaining(["7,0,3,0", "9,0,1,0"]));
});

test("a part of many replicas goes at once", () => {
  expect(found(0.5, [8, 0], [0, 1]).map(String)).toContain("4,0,0,1");
});

test("a machine goes with a replica of each of two tasks, of those that stay least busy", () => {
  // Six machines of two slots: 40 ms a job leave intent at 0.5, then asr at 0.8 rather than intent at 1.
  expect(found(0, [9, 0], [3, 0]).map(String)).toContain("8,0,2,0");
});

test("machines that cost less are fewer of a kind, or cheaper ones in place of one", () => {
  const shape = space.cheapestFor([
    [4, 0],
    [0, 2],
  ]) as Shape;
  expect(shape.machines).toEqual([2, 1]);
  const ways = lessMachines(space, shape).map(String);
  // A gpu machine costs as much as five cpu machines.
  expect([...new Set(ways)]).toEqual(["1,5", "2,0", "1,3", "1,2", "1,1", "0,1"]);
});
