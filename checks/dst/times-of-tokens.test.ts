/** Times of what clients read are one rule for gateway and simulator: branches that are skipped, and several texts. */
import { expect, test } from "vitest";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { runReplication } from "../../sim/replication.ts";
import { servedRun } from "./same-decisions.ts";
import { INPUTS } from "./virtual-gateway.ts";

const DRAWN = {
  prompt: { distribution: "lognormal", mean: 120, cv: 1 },
  output: { distribution: "lognormal", mean: 12, cv: 1 },
  most: 400,
} as const;

const documentOf = (after: object) => {
  const steps = { prefill: [7.3, 0.113, 0], decode: [3.1, 0.0007, 0.9] };
  return scenarioSchema.parse({
    name: "texts",
    pipelines: {
      p: {
        slo: { latencyMs: 10_000, ttftMs: 30, tpotMs: 4.2 },
        tasks: {
          decide: { model: "small", tokens: DRAWN },
          write: { model: "large", tokens: DRAWN, ...after },
        },
      },
    },
    models: { small: { tokens: { steps } }, large: { tokens: { steps } } },
    cluster: { replicas: { decide: 1, write: 1 } },
    workload: { arrivals: "poisson", ratePerS: 12, requests: 200 },
  });
};

const FIGURES = [
  ...["ttftMeanMs", "ttftP99Ms", "tpotMeanMs", "tpotP99Ms"],
  ...["sloAttainmentRatio", "latencyMeanMs"],
] as const;

test.each([
  ["a branch", { after: ["decide"], when: { probability: 0.4 } }],
  ["two texts", {}],
])("%s", async (_, after) => {
  const document = documentOf(after);
  const { summary: simulated } = runReplication(document, INPUTS, 0);
  const { summary: served } = await servedRun(document, INPUTS);
  const [own, other] = [simulated, served].map(
    ({ metrics }) => metrics as Record<string, number | undefined>,
  );
  for (const name of FIGURES) {
    expect(own[name], name).toBeGreaterThan(0);
    expect(other[name], name).toBeCloseTo(own[name] as number, 0);
  }
  expect(own.sloAttainmentRatio).toBeLessThan(0.95);
});
