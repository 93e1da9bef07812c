import { expect, test } from "vitest";
import type { ValidationDocument } from "../../results/validation.ts";
import { doubts } from "./validation-tables.ts";

test("a reason that several configurations have is told once", () => {
  const untold = (reason: string) => ({ verdict: "cannot tell", interval90: null, reason });
  const configuration = (reason: string) => ({
    judgements: { latencyMeanMs: untold(reason), latencyP95Ms: untold(reason) },
    tolerance: { latencyMeanMs: 0.05, latencyP95Ms: 0.05 },
    parameters: {},
    error: {},
  });
  const document = { configurations: ["busy", "busy", "late"].map(configuration) };
  expect(doubts(document as unknown as ValidationDocument)).toEqual([
    "A, B: mean latency, p95 latency cannot be judged yet: busy",
    "C: mean latency, p95 latency cannot be judged yet: late",
  ]);
});
