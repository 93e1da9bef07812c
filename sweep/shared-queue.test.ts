import { describe, expect, test } from "vitest";
import { SharedQueue, sharedState } from "./shared-queue.ts";

const numbers = (count: number): number[] => Array.from({ length: count }, (_, i) => 10 * i);

describe("a queue that threads take from", () => {
  test("gives each configuration once and in order, to whoever asks", () => {
    const state = sharedState(numbers(100));
    const takers = [new SharedQueue(state, 2), new SharedQueue(state, 2)];
    const taken: number[] = [];
    for (let turn = 0; ; turn++) {
      const indices = takers[turn % 2].take(7);
      if (indices.length === 0) break;
      taken.push(...indices);
    }
    expect(taken).toEqual(numbers(100));
  });

  test("gives fewer towards the end, so that the last ones are not all in one hand", () => {
    const queue = new SharedQueue(sharedState(numbers(20)), 2);
    const sizes: number[] = [];
    for (let size = queue.take(64).length; size > 0; size = queue.take(64).length) sizes.push(size);
    expect(sizes).toEqual([5, 4, 3, 2, 2, 1, 1, 1, 1]);
  });

  test("gives nothing once it is closed", () => {
    const queue = new SharedQueue(sharedState(numbers(20)), 2);
    queue.close();
    expect(queue.take(1)).toHaveLength(0);
  });
});
