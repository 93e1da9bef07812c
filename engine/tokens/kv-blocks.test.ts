import { expect, test } from "vitest";
import { KvBlocks } from "./kv-blocks.ts";

const taken = (memory: KvBlocks, count: number): number[] => {
  const blocks: number[] = [];
  memory.take(count, blocks);
  return blocks;
};

test("kept blocks take memory as they are used, however many there are", () => {
  const before = process.memoryUsage().arrayBuffers;
  const memory = new KvBlocks(32_000_000, true);
  const blocks = taken(memory, 100);
  blocks.forEach((block, i) => {
    memory.filled(block, i);
  });
  memory.release(blocks);
  expect(memory.found((i) => i, 100)).toEqual(blocks);
  expect(memory.free).toBe(32_000_000);
  expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
});

test("a block is taken that was never used, then the one that has been free for the longest", () => {
  const memory = new KvBlocks(4, true);
  const [first, second] = [taken(memory, 2), taken(memory, 1)];
  for (const [content, block] of [...first, ...second].entries()) memory.filled(block, content);
  memory.release(second);
  memory.release(first);
  // The fourth block is fresh; then the second's, then the first's, from its last on.
  const fresh = taken(memory, 1);
  expect([...first, ...second]).not.toContain(fresh[0]);
  expect(taken(memory, 3)).toEqual([...second, ...first.toReversed()]);
  expect(memory.free).toBe(0);
  expect(memory.found((i) => i, 3)).toEqual([]);
});
