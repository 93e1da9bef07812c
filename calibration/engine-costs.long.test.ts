import { expect, test } from "vitest";
import { engineCosts } from "./engine-costs.ts";

test("each sequence costs an engine's worker time in each iteration, for its token goes out by itself", async () => {
  const several = await engineCosts(8);
  expect(several.sequenceMs).toBeGreaterThan(0);
  expect(several.stepMs).toBeGreaterThanOrEqual(0);
  const alone = await engineCosts(1);
  expect(alone.sequenceMs).toBe(0);
  expect(alone.stepMs).toBeGreaterThan(0);
});
