import { expect, test } from "vitest";
import { scenarioSchema } from "../schema/scenario.ts";
import { compileSystem } from "./compile.ts";

test("an engine that keeps blocks keeps as many as its memory has: real ones are copied", () => {
  const blocksOf = (more: object): number | undefined => {
    const steps = { prefill: [0, 1, 0], decode: [0, 0, 10] };
    const { devices } = compileSystem(
      scenarioSchema.parse({
        name: "kept",
        pipelines: {
          p: { tasks: { write: { model: "writer", tokens: { prompt: 10, output: 2 } } } },
        },
        models: { writer: { tokens: { steps, maxSequences: 4, ...more } } },
        cluster: { replicas: { write: 1 } },
        workload: { arrivals: "burst", requests: 1 },
      }),
      { profiles: {} },
    );
    const [{ sharing }] = devices;
    return sharing?.kind === "iterations" ? sharing.limits.blocks : undefined;
  };
  const llama = { weights: "smollm2-135m", contextTokens: 500 };
  expect(blocksOf({ llama, prefixCaching: true })).toBe(125);
  expect(blocksOf({ prefixCaching: true })).toBeGreaterThan(100_000);
  expect(blocksOf({ llama })).toBeGreaterThan(100_000);
});
