import { expect, test } from "vitest";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";
import { runReplication } from "../sim/replication.ts";
import { judge } from "./judge.ts";
import { judgeEngines } from "./judge-engines.ts";

const INPUTS = { profiles: {}, traces: {} };
const BY = {
  tolerance: { tpotMeanMs: 0.05, latencyMeanMs: 0.1 },
  unfit: null,
  runSeconds: 0,
  warmupS: 0,
};
const RUNS = [0, 1, 2, 3];

/** With `stepMs` prompts beside tokens pay once for the rest of an iteration. */
const documentOf = (factor: number, policy = "vllm", stepMs = 0): ScenarioDocument =>
  scenarioSchema.parse({
    name: "judged",
    pipelines: {
      p: {
        tasks: {
          write: {
            model: "writer",
            tokens: { prompt: { distribution: "exponential", mean: 200 }, output: 40, most: 900 },
          },
        },
      },
    },
    models: {
      writer: {
        tokens: {
          steps: {
            prefill: [0, 0.05 * factor, 0],
            decode: [(30 - stepMs) * factor, 0, 0.1 * factor],
            stepMs,
          },
          ...{ policy, maxSequences: 16, maxBatchedTokens: 1024, blocks: 400 },
        },
      },
    },
    cluster: { replicas: { write: 1 } },
    workload: { arrivals: "poisson", ratePerS: 6, requests: 200 },
  });

/** As if the engine had run `served`, with iterations `ratio` times as long as the profile of `document` says. */
function judged(served: ScenarioDocument, ratio: number, document = documentOf(1)) {
  const plan = {
    document,
    inputs: INPUTS,
    backend: "engines" as const,
    timeScale: 1,
  };
  const runs = RUNS.map((replication) => {
    const { summary } = runReplication(served, INPUTS, replication);
    const metrics = { ...summary.metrics, iterationTimeRatio: ratio };
    return { replication, summary: { ...summary, metrics } };
  });
  const pairs = runs.map(({ replication, summary }) => ({
    predicted: runReplication(document, INPUTS, replication).summary.metrics,
    measured: summary.metrics,
  }));
  const stored = judge(pairs, BY);
  return { stored, ...judgeEngines(plan, runs, stored, BY) };
}

test("iterations that take a little longer than their profile are the host's, not the simulator's error", () => {
  const { stored, judgement, notes } = judged(documentOf(1.08), 1.08);
  expect(stored.judgements.tpotMeanMs?.verdict).toBe("disagrees");
  expect(judgement.judgements.tpotMeanMs?.verdict).toBe("cannot tell");
  expect(judgement.judgements.tpotMeanMs?.reason).toContain("iterations took 8.0% longer");
  expect(judgement.verdict).toBe("cannot tell");
  expect(notes).toHaveLength(1);
  expect(notes[0]).toMatch(/tpotMeanMs [+−]0\.0%/);
});

test("a profile that is far off, and another policy, disagree still", () => {
  expect(judged(documentOf(1.2), 1.2).judgement.verdict).toBe("disagrees");
  const [one, other] = ["vllm", "vllm-v0"].map((policy) => documentOf(1, policy, 30));
  expect(judged(other, 1, one).judgement.verdict).toBe("disagrees");
  expect(judged(documentOf(1), 1).judgement.verdict).toBe("agrees");
});
