import { expect, test } from "vitest";
import { engineCosts } from "./engine-costs.ts";

test("an iteration costs an engine's worker time, and more for each sequence, whose token goes out by itself", async () => {
  const { stepMs, sequenceMs } = await engineCosts();
  expect(stepMs).toBeGreaterThan(0);
  expect(sequenceMs).toBeGreaterThan(0);
});
