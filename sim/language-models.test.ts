import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { RunSummary } from "../engine/metrics/summary.ts";
import { ITERATION_POLICIES } from "../scenario/schema/tokens.ts";
import { replicate, runAt, scenarioOf } from "./scenario.test-support.ts";

/** Prefill 10 ms + 0.1 ms a token; decode 5 ms + 1 ms a sequence. */
const STEPS = { prefill: [10, 0.1, 0], decode: [5, 0, 1] };

function writer(tokens: object, lengths: object, more: object = {}) {
  return {
    pipelines: { p: { tasks: { write: { model: "writer", tokens: lengths } } } },
    models: { writer: { tokens: { steps: STEPS, ...tokens } } },
    cluster: { replicas: { write: 1 } },
    ...more,
  };
}

const LENGTHS = { prompt: 100, output: 5 };

test("a request alone takes its prompt, then an iteration for each token after the first", () => {
  const { summary } = runAt([0], writer({}, LENGTHS));
  const { latencyMeanMs, ttftMeanMs, tpotMeanMs, preemptionsPerRequest } = summary.metrics;
  expect(ttftMeanMs).toBe(20);
  expect(tpotMeanMs).toBe(6);
  expect(latencyMeanMs).toBe(20 + 4 * 6);
  expect(preemptionsPerRequest).toBe(0);
});

test("a second prompt joins at the next iteration, and both make tokens together", () => {
  // The first is at its second iteration (20 to 26 ms) when the second comes.
  const { bars } = runAt([0, 22], writer({ policy: "vllm" }, LENGTHS));
  // 26: the prompt beside one token, 10 + 10 + 5 + 1; then two tokens each.
  const afterBoth = 26 + 26;
  expect(bars.map(({ end }) => end)).toEqual([afterBoth + 2 * 7, afterBoth + 2 * 7 + 2 * 6]);
});

test("vllm-v0 stops those that make tokens for the prompt", () => {
  const { bars } = runAt([0, 22], writer({ policy: "vllm-v0" }, LENGTHS));
  const afterPrompt = 26 + 20;
  expect(bars.map(({ end }) => end)).toEqual([afterPrompt + 3 * 7, afterPrompt + 3 * 7 + 6]);
});

test("an SLO may bound the first token and the time per token: all bounds must hold", () => {
  const attained = (slo: object): number => {
    const own = writer({}, LENGTHS);
    const tasks = own.pipelines.p.tasks;
    const pipelines = { p: { slo: { latencyMs: 1000, ...slo }, tasks } };
    const { metrics } = runAt([0, 22], { ...own, pipelines }).summary;
    return metrics.sloAttainmentRatio as number;
  };
  // First tokens after 20 and 30 ms; the tokens after them take 11.5 and 6.5 ms each.
  expect([19, 20, 30].map((ttftMs) => attained({ ttftMs }))).toEqual([0, 0.5, 1]);
  expect([6, 7, 12].map((tpotMs) => attained({ tpotMs }))).toEqual([0, 0.5, 1]);
  expect(attained({ ttftMs: 20, tpotMs: 7 })).toBe(0);
});

test("a device of twice the speed takes half of each iteration", () => {
  const nodes = [{ name: "fast", devices: { gpu: { slots: 1, speed: 2 } } }];
  const cluster = { replicas: { write: 1 }, nodes };
  const { metrics } = runAt([0], { ...writer({}, LENGTHS), cluster }).summary;
  expect([metrics.ttftMeanMs, metrics.tpotMeanMs]).toEqual([10, 3]);
});

test("clients whose time ends with their last tokens leave no place taken", () => {
  // Both end at 58 ms, in one iteration, as their clients' time does; the third has their place.
  const client = { timeoutMs: 58, retries: 0 };
  const workload = { arrivals: "trace", file: "times.csv", column: "t", client };
  const { summary } = runAt([0, 0, 100], { ...writer({}, LENGTHS), workload });
  expect(summary.counted).toBe(3);
  // A time-out at the instant of an end comes first.
  expect([summary.metrics.timeoutRatio, summary.metrics.latencyMeanMs]).toEqual([2 / 3, 44]);
});

test("replicas get their requests in turn", () => {
  const { bars } = runAt([0, 1, 2, 3], {
    ...writer({}, LENGTHS),
    cluster: { replicas: { write: 2 } },
  });
  const replicas = bars.map(({ replica }) => replica.split("/")[0]).sort();
  expect(replicas).toEqual(["write-1", "write-1", "write-2", "write-2"]);
});

test("too few blocks preempt, which costs time, and every request ends", () => {
  const run = (blocks: number) => {
    const at = Array.from({ length: 6 }, (_, i) => i);
    return runAt(at, writer({ blocks }, { prompt: 60, output: 40, most: 100 })).summary;
  };
  const [tight, roomy] = [run(12), run(1000)];
  expect(tight.metrics.preemptionsPerRequest).toBeGreaterThan(0);
  expect(roomy.metrics.preemptionsPerRequest).toBe(0);
  expect(tight.metrics.latencyMeanMs).toBeGreaterThan(roomy.metrics.latencyMeanMs as number);
  expect(tight.counted).toBe(6);
  expect(tight.metrics.kvUseRatio).toBeGreaterThan(roomy.metrics.kvUseRatio as number);
});

const load = { workload: { arrivals: "poisson", ratePerS: 8, requests: 400 } };
const DRAWN = {
  prompt: { distribution: "lognormal", mean: 80, cv: 1 },
  output: { distribution: "exponential", mean: 20 },
  most: 400,
};

describe("in a pipeline", () => {
  const pipelines = {
    p: {
      tasks: {
        look: { model: "looker" },
        write: { model: "writer", after: ["look"], when: { probability: 0.7 }, tokens: DRAWN },
      },
    },
  };
  const models = (policy: string) => ({
    looker: { service: { distribution: "exponential", meanMs: 20 } },
    writer: { tokens: { steps: STEPS, policy, blocks: 60 } },
  });
  const run = (policy: string): RunSummary => {
    const cluster = { replicas: { look: 1, write: 2 } };
    const document = scenarioOf({ pipelines, models: models(policy), cluster, ...load });
    return replicate(document, 1)[0];
  };

  test.each(ITERATION_POLICIES)("every request ends and every token is written: %s", (policy) => {
    const { metrics, counted, tasks } = run(policy);
    expect(counted).toBe(400);
    expect(metrics.unfinishedRatio ?? 0).toBe(0);
    expect(tasks.write.replicasMean).toBe(2);
    // The same lengths under every policy.
    const tokens = (metrics.tokensPerS as number) * (metrics.makespanMs as number);
    const first = run("vllm").metrics;
    expect(tokens / ((first.tokensPerS as number) * (first.makespanMs as number))).toBeCloseTo(
      1,
      1,
    );
  });

  test("the same seed gives the same digest, another policy another", () => {
    expect(run("vllm").digest).toBe(run("vllm").digest);
    expect(run("vllm").digest).not.toBe(run("vllm-v0").digest);
  });
});

test("clients that give up free their places: the rest ends", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 20, max: 400 }),
      fc.constantFrom(...ITERATION_POLICIES),
      (ms, policy) => {
        const client = { timeoutMs: ms, retries: 1, backoffMs: 10 };
        const document = scenarioOf({
          ...writer({ policy, blocks: 40 }, DRAWN),
          workload: { arrivals: "poisson", ratePerS: 12, requests: 150, client },
        });
        const [{ metrics, counted }] = replicate(document, 1);
        expect(counted).toBe(150);
        expect(metrics.unfinishedRatio ?? 0).toBe(0);
        expect(metrics.timeoutRatio).toBeGreaterThan(0);
      },
    ),
    { numRuns: 12 },
  );
});
