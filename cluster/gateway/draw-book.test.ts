import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { compileSystem } from "../../core/compile.ts";
import { RequestDraws } from "../../core/request-draws.ts";
import { NO_INPUTS, twoTasks } from "../deployment.test-support.ts";
import { DrawBook } from "./draw-book.ts";

const system = compileSystem(twoTasks(), NO_INPUTS);

function drawnInOrder(count: number): { flags: number[]; variates: number[] }[] {
  const draws = new RequestDraws(system, "seed");
  return Array.from({ length: count }, () => {
    const flags = new Uint8Array(system.stride);
    const variates = new Float64Array(system.stride);
    draws.draw(draws.pipeline(), 0, flags, variates);
    return { flags: [...flags], variates: [...variates] };
  });
}

function taken(book: DrawBook, index: number | null): { flags: number[]; variates: number[] } {
  const flags = new Uint8Array(system.stride);
  const variates = new Float64Array(system.stride);
  book.take(index, 0, 0, flags, variates);
  return { flags: [...flags], variates: [...variates] };
}

describe("DrawBook", () => {
  it("gives request n the simulator's draws, in whatever order requests come", () => {
    const expected = drawnInOrder(12);
    const orders = fc.shuffledSubarray(
      expected.map((_, i) => i),
      { minLength: 12 },
    );
    fc.assert(
      fc.property(orders, (order) => {
        const book = new DrawBook(system, "seed");
        for (const index of order) expect(taken(book, index)).toEqual(expected[index]);
      }),
    );
  });

  it("is not moved by requests without a number, nor by a number used twice", () => {
    const expected = drawnInOrder(3);
    const book = new DrawBook(system, "seed");
    taken(book, null);
    expect(taken(book, 0)).toEqual(expected[0]);
    taken(book, 0);
    taken(book, null);
    expect(taken(book, 1)).toEqual(expected[1]);
    expect(taken(book, 2)).toEqual(expected[2]);
  });

  it("refuses numbers that no run can have reached", () => {
    const book = new DrawBook(system, "seed");
    expect(() => book.check(-1)).toThrow(/out of range/);
    expect(() => book.check(1e9)).toThrow(/out of range/);
    expect(() => book.check(0.5)).toThrow(/out of range/);
    expect(() => book.check(null)).not.toThrow();
  });
});
