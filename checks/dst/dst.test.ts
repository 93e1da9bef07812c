/** The gateway in virtual time: a hundred seeds here, a thousand in the long form; `npm run dst` has more. */
import { expect, test } from "vitest";
import { IS_LONG } from "../../core/test-form.test-support.ts";
import { planOf } from "./plan.ts";
import { play } from "./play.ts";

const SEEDS = IS_LONG ? 1000 : 100;

test(`${SEEDS} seeds keep every invariant`, async () => {
  for (let seed = 1; seed <= SEEDS; seed++) {
    const { violations } = await play(planOf(seed));
    expect(violations, `seed ${seed}: npm run dst -- --seed ${seed}`).toEqual([]);
  }
});

test("a seed plays the same each time, to the bit", async () => {
  for (const seed of [3, 7, 11]) {
    const [first, second] = [await play(planOf(seed)), await play(planOf(seed))];
    expect(second).toEqual(first);
    expect(first.decisions).toBeGreaterThan(500);
  }
});
