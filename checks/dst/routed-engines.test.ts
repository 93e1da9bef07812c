/** Rules that choose engines of language models get the same answers from the gateway as from the simulator. */
import { expect, test } from "vitest";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { compareDecisions } from "./same-decisions.ts";
import { INPUTS } from "./virtual-gateway.ts";

const documentOf = (routing: string, requests: number) =>
  scenarioSchema.parse({
    name: "routed",
    pipelines: {
      p: {
        tasks: {
          write: {
            model: "writer",
            tokens: {
              prompt: { distribution: "lognormal", mean: 120, cv: 1 },
              output: { distribution: "lognormal", mean: 12, cv: 1 },
              most: 400,
              prefix: { length: 64, groups: 6 },
            },
          },
        },
      },
    },
    models: {
      writer: {
        tokens: {
          steps: { prefill: [7.3, 0.113, 0], decode: [3.1, 0.0007, 0.9] },
          maxSequences: 4,
          blocks: 80,
          prefixCaching: true,
        },
      },
    },
    cluster: { replicas: { write: 3 } },
    workload: { arrivals: "poisson", ratePerS: 12, requests },
    scheduler: { routing },
  });

test.each(["prefix-affinity", "least-kv"])("%s", async (routing) => {
  const { same, entries, difference } = await compareDecisions(documentOf(routing, 300), INPUTS);
  // Two sequences that end in one iteration do so one after the other at the gateway.
  if (difference !== null) expect(difference.because).not.toBeNull();
  expect(same).toBeGreaterThan(900);
  expect(entries).toBeGreaterThanOrEqual(same);
});
