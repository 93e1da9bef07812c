import { expect, test } from "vitest";
import { scenarioSchema } from "../schema/scenario.ts";
import { compileSystem } from "./compile.ts";

const steps = { prefill: [0, 1, 0], decode: [0, 0, 10] };
const writer = { tokens: { steps } };

/** Schedulers expect these times of the tasks' first replicas, ms. */
function expectedMs(tasks: object, workload: object = { arrivals: "burst", requests: 1 }) {
  const names = Object.keys(tasks);
  const document = {
    name: "estimates",
    pipelines: { p: { tasks } },
    models: { writer, faster: writer },
    cluster: { replicas: Object.fromEntries(names.map((name) => [name, 1])) },
    workload,
  };
  const traceColumns = { "t.csv": { prompt: [10, 30], output: [1, 5] } };
  const inputs = { profiles: {}, traceColumns };
  const { pools, replicas } = compileSystem(scenarioSchema.parse(document), inputs);
  return names.map((name) => {
    const pool = pools.findIndex((one) => one.name === name);
    const replica = replicas.find((one) => one.pool === pool);
    return (replica?.service.meanUs[1] ?? Number.NaN) / 1000;
  });
}

test("a model that writes is expected to take what its task's mean lengths take", () => {
  const output = { distribution: "lognormal", mean: 5, cv: 1 };
  const first = { model: "writer", tokens: { prompt: 100, output } };
  const prompt = { distribution: "empirical", samples: [10, 20] };
  const tokens = { prompt, output: 1, outputsOf: ["first"] };
  // 100 + 4 × 10; 15 and the 5 of the first task, and no token after its first.
  expect(expectedMs({ first, second: { model: "writer", after: ["first"], tokens } })).toEqual([
    140, 20,
  ]);
});

test("by the columns of a trace, its rows' mean", () => {
  const tokens = { prompt: { column: "prompt" }, output: { column: "output" } };
  const workload = { arrivals: "trace", file: "t.csv", column: "at" };
  expect(expectedMs({ write: { model: "writer", tokens } }, workload)).toEqual([40]);
});

test("without the tokens that `most` cuts", () => {
  const workload = { arrivals: "trace", file: "t.csv", column: "at" };
  const timesOf = (tokens: object) => expectedMs({ write: { model: "writer", tokens } }, workload);
  const prompt = { column: "prompt" };
  // Of 10 and 30 tokens 10 and 12 are left; of as many to make 3 and 1.
  expect(timesOf({ prompt, output: 1, most: 13 })).toEqual([11]);
  expect(timesOf({ prompt, output: prompt, most: 13 })).toEqual([11 + 10]);
  const output = { distribution: "empirical", samples: [1, 1000] };
  expect(timesOf({ prompt: 10, output, most: 201 })).toEqual([10 + 10 * 100]);
});

test("prefill and decode apart share it", () => {
  const read = { model: "writer", tokens: { prompt: 100, output: 5 } };
  const write = { model: "faster", after: ["read"], tokens: { from: "read" } };
  expect(expectedMs({ read, write })).toEqual([100, 40]);
});
