import { expect, test } from "vitest";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";
import { runReplication } from "../sim/replication.ts";
import { enginePaces, judgeEngines } from "./judge-engines.ts";
import { predict } from "./predict.ts";

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
  const found = enginePaces(plan, runs, BY);
  const pairs = runs.map(({ replication, summary }, i) => ({
    predicted: predict(plan, replication, found?.paces[i]).summary.metrics,
    measured: summary.metrics,
  }));
  return { ...judgeEngines(pairs, BY, found?.doubt ?? null), found };
}

test("iterations that take a little longer than their profile are the host's pace, which predictions follow", () => {
  const { verdict, error, found } = judged(documentOf(1.08), 1.08);
  expect(verdict).toBe("agrees");
  expect(Math.abs(error.tpotMeanMs ?? 1)).toBeLessThan(1e-3);
  expect(found?.iterations.ratio).toBeCloseTo(1.08, 6);
  expect(found?.iterations.storedError.tpotMeanMs).toBeLessThan(-0.05);
  expect(found?.note).toMatch(/iterations took 8\.0% longer .* tpotMeanMs −/);
});

test("nobody can tell where the pace changed by more than quiet hosts' does", () => {
  const { verdict, judgements, found } = judged(documentOf(1.2), 1.2);
  expect(verdict).toBe("cannot tell");
  expect(judgements.tpotMeanMs?.reason).toMatch(/^iterations took 20% longer .* calibrate again$/);
  expect(found?.iterations.storedError.tpotMeanMs).toBeLessThan(-0.15);
});

test("a profile that is far off, and another policy, disagree", () => {
  const { verdict, found } = judged(documentOf(1.4), 1.4);
  expect([verdict, found?.paces]).toEqual(["disagrees", RUNS.map(() => ({}))]);
  expect(found?.note).toContain("more than a host's pace changes");
  const [one, other] = ["vllm", "vllm-v0"].map((policy) => documentOf(1, policy, 30));
  expect(judged(other, 1, one).verdict).toBe("disagrees");
  expect(judged(documentOf(1), 1).verdict).toBe("agrees");
});
