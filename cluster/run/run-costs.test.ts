import { expect, test } from "vitest";
import { RunCosts } from "./run-costs.ts";

const BUSY_MS = 400;

function busy(): void {
  for (const endMs = performance.now() + BUSY_MS; performance.now() < endMs; );
}

test("what begins and ends a run is no message's, and what lies between messages is shared by them", () => {
  const costs = new RunCosts();
  busy();
  costs.add("arrival", 0);
  costs.add("completion", 0);
  busy();
  expect(costs.summary().receiveUs).toBeLessThan((1000 * BUSY_MS) / 2);
  costs.add("completion", 0);
  expect(costs.summary().receiveUs).toBeGreaterThan((1000 * BUSY_MS) / 3);
});
