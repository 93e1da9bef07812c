import { expect, test } from "vitest";
import type { ValidationDocument } from "../../results/validation.ts";
import { doubts, simulatorLines } from "./validation-tables.ts";

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

test("the simulator's verdict is told with its error, its interval and the paths that differ", () => {
  const simulator = {
    verdict: "agrees",
    error: { latencyMeanMs: -0.004 },
    judgements: {
      latencyMeanMs: { verdict: "agrees", interval90: { low: -0.009, high: 0.001 } },
    },
    otherPathRatio: 0.03,
  };
  const configurations = [{ parameters: {}, simulator }, { parameters: {} }];
  expect(simulatorLines({ configurations } as unknown as ValidationDocument)).toEqual([
    "A: the simulator agrees with the cluster: given these runs' own times it is off in mean latency by -0.4 % (-0.9 % to +0.1 %); 3% of the requests took another path in it",
  ]);
});
