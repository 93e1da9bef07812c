import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileSystem } from "../../core/compile.ts";
import { RequestDraws } from "../../core/draws.ts";
import { scenarioSchema } from "../../core/scenario/schema.ts";
import { NO_INPUTS, twoTasks } from "../deployment.test-support.ts";
import { RunDraws } from "./draws.ts";

const deadlineMs = { distribution: "lognormal", mean: 40, cv: 0.5 };
const document = twoTasks();
const pipelines = Object.fromEntries(
  Object.entries(document.pipelines).map(([name, pipeline]) => [name, { ...pipeline, deadlineMs }]),
);
const system = compileSystem(scenarioSchema.parse({ ...document, pipelines }), NO_INPUTS);

interface Drawn {
  readonly flags: number[];
  readonly variates: number[];
  readonly goalUs: number;
}

function drawnInOrder(count: number): Drawn[] {
  const draws = new RequestDraws(system, "seed");
  return Array.from({ length: count }, () => {
    const flags = new Uint8Array(system.stride);
    const variates = new Float64Array(system.stride);
    const pipeline = draws.pipeline();
    draws.draw(pipeline, 0, flags, variates);
    return { flags: [...flags], variates: [...variates], goalUs: draws.goalUs(pipeline) };
  });
}

const runDraws = (triedAgain = false): RunDraws =>
  new RunDraws({ system, backend: "replay", seed: "seed", triedAgain });

function taken(draws: RunDraws, index: number | null): Drawn {
  const { flags, variates, goalUs } = draws.take({ index, pipeline: 0 }, 0);
  return { flags: [...flags], variates: [...variates], goalUs };
}

describe("RunDraws", () => {
  it("gives request n the simulator's draws, in any order of requests", () => {
    const expected = drawnInOrder(12);
    const orders = fc.shuffledSubarray(
      expected.map((_, i) => i),
      { minLength: 12 },
    );
    fc.assert(
      fc.property(orders, (order) => {
        const draws = runDraws();
        for (const index of order) expect(taken(draws, index)).toEqual(expected[index]);
      }),
    );
  });

  it("draws the same after requests without a number, and after a number used twice", () => {
    const expected = drawnInOrder(3);
    const draws = runDraws();
    taken(draws, null);
    expect(taken(draws, 0)).toEqual(expected[0]);
    taken(draws, 0);
    taken(draws, null);
    expect(taken(draws, 1)).toEqual(expected[1]);
    expect(taken(draws, 2)).toEqual(expected[2]);
  });

  it("gives a request that is tried again the same draws each time", () => {
    const expected = drawnInOrder(3);
    const draws = runDraws(true);
    for (const index of [2, 0, 2, 1, 0, 2]) expect(taken(draws, index)).toEqual(expected[index]);
  });

  it("refuses numbers out of range", () => {
    const draws = runDraws();
    expect(() => draws.check(-1)).toThrow(/out of range/);
    expect(() => draws.check(1e9)).toThrow(/out of range/);
    expect(() => draws.check(0.5)).toThrow(/out of range/);
    expect(() => draws.check(null)).not.toThrow();
  });
});
