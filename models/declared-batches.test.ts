/** Jobs run together where they fit, each with its own answer. */
import { expect, test } from "vitest";
import { Fault, type FaultCode } from "../engine/basics/fault.ts";
import { batchRows, runJobs } from "./declared-model.ts";
import type { Engine } from "./task-model.ts";
import { floatsOf, floatTensor, type Tensor } from "./tensor.ts";

const spec = (name: string, rows: number) =>
  ({ name, datatype: "FP32", shape: [rows, 2] }) as const;

/** Doubles rows of two numbers, takes none that is negative, and notes what it was given. */
function doubling(
  rows: number,
  negative: FaultCode = "invalid-input",
): Engine & { readonly given: number[][] } {
  const given: number[][] = [];
  return {
    given,
    inputs: [spec("x", rows)],
    outputs: [spec("y", rows)],
    provenance: { name: "", files: [], source: "", license: "", runtime: "", provider: "" },
    async run([x]) {
      const data = floatsOf(x!);
      given.push([...data]);
      if (data.some((value) => value < 0)) throw new Fault(negative, "a negative number");
      return [
        floatTensor(
          "y",
          x!.shape,
          data.map((value) => 2 * value),
        ),
      ];
    },
    close: async () => undefined,
  };
}

const job = (...data: number[]): readonly Tensor[] => [
  floatTensor("x", [data.length / 2, 2], Float32Array.from(data)),
];
const answersOf = async (engine: Engine, jobs: readonly (readonly Tensor[])[], maxRows = 64) =>
  (await runJobs(engine, jobs, batchRows(engine), maxRows)).map((result) =>
    result instanceof Error ? result.message : [...floatsOf(result[0]!)],
  );

test("up to the most rows at once, and jobs of several rows stay whole", async () => {
  const engine = doubling(-1);
  const jobs = [job(1, 1), job(2, 2, 3, 3), job(4, 4), job(5, 5)];
  expect(await answersOf(engine, jobs, 3)).toEqual([
    [2, 2],
    [4, 4, 6, 6],
    [8, 8],
    [10, 10],
  ]);
  expect(engine.given).toEqual([
    [1, 1, 2, 2, 3, 3],
    [4, 4, 5, 5],
  ]);
});

test("a fixed number of rows is filled up with copies of the last", async () => {
  const engine = doubling(4);
  const jobs = [1, 2, 3, 4, 5, 6].map((i) => job(i, 10 * i));
  expect(await answersOf(engine, jobs)).toEqual([1, 2, 3, 4, 5, 6].map((i) => [2 * i, 20 * i]));
  expect(engine.given.map((data) => data.length)).toEqual([8, 8]);
  expect(engine.given[1]).toEqual([5, 50, 6, 60, 6, 60, 6, 60]);
});

test.each(["invalid-input", "cluster-failure"] as const)(
  "a job that is %s fails alone",
  async (code) => {
    const engine = doubling(-1, code);
    const given = [job(1, 1), job(-1, 1), job(3, 3)];
    expect(await answersOf(engine, given)).toEqual([[2, 2], "a negative number", [6, 6]]);
  },
);

test("a server that is not there fails the batch", async () => {
  await expect(answersOf(doubling(-1, "unavailable"), [job(1, 1), job(-1, 1)])).rejects.toThrow();
});

test("jobs of another shape run apart", async () => {
  const engine = doubling(-1);
  const wide = [floatTensor("x", [1, 4], Float32Array.of(1, 2, 3, 4))];
  expect(await answersOf(engine, [job(1, 1), wide, job(2, 2)])).toEqual([
    [2, 2],
    [2, 4, 6, 8],
    [4, 4],
  ]);
  expect(engine.given).toEqual([
    [1, 1, 2, 2],
    [1, 2, 3, 4],
  ]);
});

test("an output whose first dimension is no batch is refused, with the way out", async () => {
  const engine = doubling(-1);
  const summing: Engine = {
    ...engine,
    run: async () => [floatTensor("y", [1, 2], Float32Array.of(1, 2))],
  };
  const [first] = await runJobs(summing, [job(1, 1, 2, 2)], "any", 64);
  expect(first).toMatchObject({
    message: "output y has shape [1,2] for 2 rows: its first dimension is no batch",
    hint: expect.stringContaining("batching: none"),
  });
});
