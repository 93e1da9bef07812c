/** Work in lanes: how much at once, in which order its results, and what a failure or an abort leaves. */
import { setImmediate as turn } from "node:timers/promises";
import { expect, test } from "vitest";
import { inLanes } from "./lanes.ts";

test("works on as many items at once as there are lanes, and gives results in the items' order", async () => {
  let working = 0;
  let most = 0;
  const squares = await inLanes([5, 0, 3, 1, 4], 2, async (turns) => {
    most = Math.max(most, ++working);
    for (let i = 0; i < turns; i++) await turn();
    working--;
    return turns ** 2;
  });
  expect([squares, most]).toEqual([[25, 0, 9, 1, 16], 2]);
});

test("after a failure or an abort no other item is begun, and those at work come to their ends", async () => {
  const begun: string[] = [];
  const ended: string[] = [];
  const abort = new AbortController();
  const work = async (item: string): Promise<void> => {
    begun.push(item);
    await turn();
    if (item === "fails") throw new Error(item);
    if (item === "aborts") abort.abort();
    await turn();
    ended.push(item);
  };
  await expect(inLanes(["fails", "a", "b", "c"], 2, work)).rejects.toThrow("fails");
  await inLanes(["aborts", "d", "e"], 2, work, abort.signal);
  expect([begun, ended]).toEqual([
    ["fails", "a", "aborts", "d"],
    ["a", "aborts", "d"],
  ]);
});
