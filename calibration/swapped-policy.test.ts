/**
 * A policy of iterations that is another in one world only is found by the verdict, and the same one agrees: the
 * gateway's and the workers' own code, in virtual time, beside the simulator.
 */
import { expect, test } from "vitest";
import { servedRun } from "../checks/dst/same-decisions.ts";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";
import { runReplication } from "../sim/replication.ts";
import { judge, LEAST_RUNS } from "./judge.ts";

const INPUTS = { profiles: {}, traces: {} };
const TOLERANCE = { ttftMeanMs: 0.1, tpotMeanMs: 0.05, latencyMeanMs: 0.1 };

const documentOf = (policy: string): ScenarioDocument =>
  scenarioSchema.parse({
    name: "swapped",
    pipelines: {
      p: {
        tasks: {
          look: { model: "looker" },
          write: {
            ...{ model: "writer", after: ["look"] },
            tokens: {
              prompt: { distribution: "lognormal", mean: 300, cv: 0.7 },
              output: { distribution: "lognormal", mean: 40, cv: 0.7 },
              most: 900,
            },
          },
        },
      },
    },
    models: {
      looker: { service: { distribution: "lognormal", meanMs: 20, cv: 0.3 } },
      writer: {
        tokens: {
          // Prompts beside tokens pay once for the rest of an iteration.
          steps: { prefill: [0, 0.05, 0], decode: [0, 0, 0.1], stepMs: 30 },
          ...{ policy, maxSequences: 16, maxBatchedTokens: 1024, blocks: 400 },
        },
      },
    },
    cluster: { replicas: { look: 1, write: 1 } },
    workload: { arrivals: "poisson", ratePerS: 6, requests: 300 },
  });

async function verdictOf(predicted: string, served: string) {
  const replications = [...Array(LEAST_RUNS).keys()];
  const runs = await Promise.all(
    replications.map(async (replication) => ({
      predicted: runReplication(documentOf(predicted), INPUTS, replication).summary.metrics,
      measured: (await servedRun(documentOf(served), INPUTS, { replication })).summary.metrics,
    })),
  );
  return judge(runs, { tolerance: TOLERANCE, unfit: null, runSeconds: 0, warmupS: 0 });
}

test.each(["vllm", "vllm-v0", "sarathi"])("%s agrees with itself", async (policy) => {
  expect((await verdictOf(policy, policy)).verdict).toBe("agrees");
});

test.each([
  ["vllm", "vllm-v0"],
  ["vllm-v0", "sarathi"],
])("%s is not taken for %s", async (one, other) => {
  expect((await verdictOf(one, other)).verdict).toBe("disagrees");
  expect((await verdictOf(other, one)).verdict).toBe("disagrees");
});
