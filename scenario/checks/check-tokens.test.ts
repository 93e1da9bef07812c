import { expect, test } from "vitest";
import { parseScenario } from "../parse.ts";
import { issuesOf } from "../reading/issues.test-support.ts";
import { refuseUnreal } from "../simulated-only.ts";

const GOOD = {
  name: "test",
  pipelines: {
    p: {
      tasks: { write: { model: "writer", tokens: { prompt: 100, output: 20, most: 200 } } },
    },
  },
  models: { writer: { tokens: { steps: { prefill: [1, 1, 0], decode: [1, 0, 0] } } } },
  cluster: { replicas: { write: 1 } },
  workload: { arrivals: "poisson", ratePerS: 1, requests: 10 },
  scheduler: "fifo",
};

const load = (document: object) =>
  parseScenario(JSON.stringify(document), "test.yaml", () => {
    throw new Error("no files");
  });

/** Path and message of each issue of the good scenario with these values set. */
function issuesWith(values: Readonly<Record<string, unknown>>): string[] {
  const document = structuredClone(GOOD) as Record<string, unknown>;
  for (const [path, value] of Object.entries(values)) {
    const words = path.split(".");
    let at = document;
    for (const word of words.slice(0, -1)) {
      at[word] ??= {};
      at = at[word] as Record<string, unknown>;
    }
    const last = words[words.length - 1];
    if (value === undefined) delete at[last];
    else at[last] = value;
  }
  return issuesOf(() => load(document)).map(({ path, message }) => `${path}: ${message}`);
}

const TASK = "pipelines.p.tasks.write";
const TOKENS = "models.writer.tokens";

/** A task that reads the text, under a condition or always. */
const followed = (when: object | undefined) => ({
  "pipelines.p.tasks.look": { model: "looker", after: ["write"], when },
  "models.looker": { service: { distribution: "exponential", meanMs: 1 } },
  cluster: { replicas: { write: 1, look: 1 } },
});

test("a sound one passes, also for real runs", () => {
  expect(issuesWith({})).toEqual([]);
  const first = { "pipelines.p.slo": { latencyMs: 100, ttftMs: 10 } };
  expect(issuesWith({ ...followed({ probability: 0.5 }), ...first })).toEqual([]);
  expect(() => refuseUnreal(load(GOOD))).not.toThrow();
});

test.each<[string, Readonly<Record<string, unknown>>, RegExp]>([
  ["no lengths", { [`${TASK}.tokens`]: undefined }, /needs lengths/],
  [
    "lengths without a language model",
    { "models.writer": { service: { distribution: "exponential", meanMs: 1 } } },
    /its model has no `tokens`/,
  ],
  [
    "a goal for tokens that nobody writes",
    {
      "pipelines.q": {
        slo: { latencyMs: 100, ttftMs: 10 },
        tasks: { look: { model: "looker" } },
      },
      "models.looker": { service: { distribution: "exponential", meanMs: 1 } },
      cluster: { replicas: { write: 1, look: 1 } },
    },
    /q\.slo\.ttftMs: no task of the pipeline writes tokens/,
  ],
  ...(["ttftMs", "tpotMs"] as const).map((key): [string, Record<string, unknown>, RegExp] => [
    `a ${key} of a text that another task reads`,
    { ...followed(undefined), "pipelines.p.slo": { latencyMs: 100, [key]: 10 } },
    new RegExp(`p\\.slo\\.${key}: no client reads what a language model writes`),
  ]),
  [
    "a time per token of a text that may be followed",
    { ...followed({ probability: 0.5 }), "pipelines.p.slo": { latencyMs: 100, tpotMs: 10 } },
    /p\.slo\.tpotMs: texts come whole where other tasks may follow/,
  ],
  [
    "a service time besides",
    { "models.writer.service": { distribution: "exponential", meanMs: 1 } },
    /expected one of them/,
  ],
  [
    "fewer blocks than the longest sequence",
    { [`${TOKENS}.blocks`]: 12 },
    /writer\.tokens\.blocks: they hold 192 tokens, but a sequence of "write" of p may have 200/,
  ],
  [
    "a fixed prompt that would be cut",
    { [`${TASK}.tokens.prompt`]: 7000 },
    /write\.tokens\.most: prompt and output have 7020 tokens, but `most` cuts them to 200/,
  ],
  [
    "a fixed output beside prompts of a trace",
    {
      [`${TASK}.tokens.prompt`]: { column: "in" },
      [`${TASK}.tokens.output`]: 200,
    },
    /prompt and output have 201 tokens/,
  ],
  [
    "drawn outputs that would be cut in the mean",
    { [`${TASK}.tokens.output`]: { distribution: "lognormal", mean: 101, cv: 1 } },
    /have on average 201 tokens/,
  ],
  [
    "a prompt that is cut for an earlier output",
    {
      "pipelines.p.tasks.more": {
        model: "writer",
        after: ["write"],
        tokens: { prompt: 100, outputsOf: ["write"], output: 81, most: 200 },
      },
    },
    /more\.tokens\.most: prompt and output have 201 tokens/,
  ],
  [
    "prompts that begin with more tokens than they have",
    { [`${TASK}.tokens.prefix`]: { length: 101 } },
    /prefix\.length: prompts begin with the same 101 tokens, but have 100/,
  ],
  [
    "fewer tokens of an iteration than sequences",
    { [`${TOKENS}.maxBatchedTokens`]: 255 },
    /255 tokens of an iteration are too few for a token of each of 256 sequences/,
  ],
  [
    "iterations without time",
    { [`${TOKENS}.steps`]: { prefill: [0, 0, 0], decode: [0, 0, 0] } },
    /writer\.tokens\.steps: iterations take no time/,
  ],
  [
    "a policy of the tokens after the first for a task with prompts",
    { [`${TOKENS}.policy`]: "distserve-decode" },
    /write\.model: distserve-decode makes the tokens after the first/,
  ],
  [
    "prompts longer than an iteration that runs them whole",
    { [`${TOKENS}.policy`]: "vllm-v0", [`${TOKENS}.maxBatchedTokens`]: 199 },
    /runs a prompt whole in 199/,
  ],
  ["a policy that there is not", { [`${TOKENS}.policy`]: "orca" }, /vllm/],
  ["no tokens", { [`${TASK}.tokens.prompt`]: 0 }, /prompt/],
  ["negative times", { [`${TOKENS}.steps.decode`]: [-1, 0, 0] }, /decode/],
  [
    "a column without a trace",
    { [`${TASK}.tokens.output`]: { column: "out" } },
    /write\.tokens\.output\.column: a column of a trace, but arrivals are poisson/,
  ],
  [
    "a task that goes on with nobody",
    {
      "pipelines.p.tasks.more": { model: "writer", after: ["write"], tokens: { from: "wrote" } },
    },
    /more\.tokens\.from: "wrote" is no task with lengths/,
  ],
  [
    "a task that goes on with another sometimes",
    {
      "pipelines.p.tasks.more": {
        model: "writer",
        after: ["write"],
        when: { probability: 0.5 },
        tokens: { from: "write" },
      },
    },
    /more: it goes on with "write" for every request/,
  ],
  [
    "a policy of first tokens without a task for the others",
    { [`${TOKENS}.policy`]: "distserve-prefill" },
    /no task goes on with them/,
  ],
  [
    "a first token of a task that makes none",
    {
      "pipelines.p.tasks.look": { model: "looker" },
      "pipelines.p.tasks.guard": { model: "looker", after: [{ task: "look", at: "first-token" }] },
      "models.looker": { service: { distribution: "exponential", meanMs: 1 } },
    },
    /guard\.after\.0\.at: "look" makes no first token/,
  ],
  [
    "a prompt that holds the output of a later task",
    { [`${TASK}.tokens.outputsOf`]: ["write"] },
    /write\.tokens\.outputsOf\.0: "write" is no task before this one with lengths/,
  ],
  ["chains", { "pipelines.p.discipline": "pipeline-held" }, /serves several/],
  [
    "faults",
    { faults: { scheduled: [{ kind: "slow", task: "write", factor: 2, atS: 1 }] } },
    /a language model can only crash: expected crash, got slow/,
  ],
  [
    "two replicas on one device slot",
    {
      cluster: {
        replicas: { write: 2 },
        nodes: [{ name: "gpu", devices: { gpu: { slots: 1, shared: true } } }],
      },
    },
    /two replicas of "write" on one device slot/,
  ],
  [
    "a device that takes turns",
    {
      cluster: {
        replicas: { write: 1 },
        nodes: [
          {
            name: "gpu",
            devices: { gpu: { slots: 1, sharing: { kind: "time-slice", quantumMs: 1 } } },
          },
        ],
      },
    },
    /takes no turns of a quantum/,
  ],
  [
    "larger batches",
    { scheduler: { preset: "fifo", batching: { policy: "fixed", maxBatch: 4 } } },
    /takes jobs one by one|maxBatch/,
  ],
])("%s: refused", (_, values, message) => {
  const issues = issuesWith(values);
  expect(issues.join("\n")).toMatch(message);
});

test("blocks out of bounds are one issue: no other follows from the number in their place", () => {
  expect(issuesWith({ [`${TOKENS}.blocks`]: 0 })).toEqual([
    `${TOKENS}.blocks: expected a number from 1, got 0`,
  ]);
});
