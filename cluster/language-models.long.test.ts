/** Replayed language models on real processes: tokens stream, nothing is answered twice, and places are free afterwards. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { kill } from "../checks/soak/faults.ts";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";
import { deployed } from "./deployed.test-support.ts";
import { eventually } from "./deployment.test-support.ts";
import { statusOf } from "./faults.test-support.ts";
import { payloadRequest } from "./load/tensor-inputs.ts";
import { divergence, run, SEED } from "./measured-run.test-support.ts";
import type { InferStream } from "./protocol/client.ts";
import type { ModelInferResponse, Parameters } from "./protocol/messages.ts";

const LENGTHS = { prompt: { distribution: "lognormal", mean: 60, cv: 1 }, most: 400 } as const;

/** One sequence at a time, so that a second waits in the engine. */
const document: ScenarioDocument = scenarioSchema.parse({
  name: "writers",
  pipelines: {
    answer: {
      tasks: {
        look: { model: "looker" },
        write: {
          model: "writer",
          after: ["look"],
          tokens: { ...LENGTHS, output: 40 },
        },
      },
    },
  },
  models: {
    looker: { service: { distribution: "deterministic", meanMs: 2 } },
    writer: {
      tokens: {
        steps: { prefill: [5, 0.02, 0], decode: [5, 0, 0] },
        policy: "sarathi",
        maxSequences: 1,
        maxBatchedTokens: 512,
        blocks: 30,
      },
    },
  },
  cluster: { replicas: { look: 1, write: 1 } },
  workload: { arrivals: "poisson", ratePerS: 8, requests: 30 },
});

const own = deployed({ document, seed: SEED, backend: "replay", replicasPerWorker: 1 });
let stream: InferStream;
beforeAll(() => {
  stream = own.client.openStream({ ended: () => undefined });
});
afterAll(() => stream.close());

interface Asked {
  readonly id: string;
  readonly parts: ModelInferResponse[];
  readonly answers: (Error | ModelInferResponse)[];
}

function ask(parameters: Parameters): Asked {
  const asked = { parts: [] as ModelInferResponse[], answers: [] as Asked["answers"] };
  const request = { modelName: "answer", ...payloadRequest(Buffer.from("x")), id: "", parameters };
  const id = stream.send(
    request,
    (error, response) => void asked.answers.push(error ?? (response as ModelInferResponse)),
    (part) => void asked.parts.push(part),
  );
  return { id, ...asked };
}

const STREAMED = { stream: { boolParam: true } };

const tokensOf = ({ parts }: Asked): number =>
  parts.reduce((sum, { parameters }) => sum + (parameters?.tokens.int64Param ?? 0), 0);

const isFree = (): Promise<boolean> =>
  eventually(async () =>
    (await statusOf(own.deployment)).replicas.every(({ inFlight }) => inFlight === 0),
  );

test("a measured run has the times of tokens by request and on the whole, and its log replays", async () => {
  const { outcomes, load, log, summary } = await run(own.deployment, document);
  expect(outcomes.completed).toBe(30);
  expect(load.ttftUs.every((us, i) => us > 0 && us <= load.latencyUs[i])).toBe(true);
  expect(load.tpotUs.every((us) => us > 0)).toBe(true);
  const { metrics } = summary;
  // Every 40 tokens take 40 iterations of 5 ms at least.
  expect(metrics.ttftMeanMs).toBeGreaterThan(5);
  expect(metrics.tpotMeanMs).toBeGreaterThanOrEqual(4.9);
  expect(metrics.kvUseRatio).toBeGreaterThan(0);
  expect(metrics.preemptionsPerRequest).toBe(0);
  expect(divergence(document, log)).toBeNull();
});

test("a caller that asks for a stream gets every token, then the answer", async () => {
  const asked = ask(STREAMED);
  expect(await eventually(() => asked.answers.length === 1)).toBe(true);
  expect(tokensOf(asked)).toBe(40);
  const [answer] = asked.answers as ModelInferResponse[];
  expect(answer.parameters?.output_tokens.int64Param).toBe(40);
  const plain = ask({});
  expect(await eventually(() => plain.answers.length === 1)).toBe(true);
  expect(plain.parts).toEqual([]);
});

test("a killed worker ends what has streamed, with its count, and what has not starts again", async () => {
  const [first, second] = [ask(STREAMED), ask(STREAMED)];
  expect(await eventually(() => first.parts.length > 0)).toBe(true);
  const writer = own.deployment.workers.find(({ replica }) => replica.startsWith("write"));
  kill((writer as { readonly pid: number }).pid);
  expect(await eventually(() => second.answers.length === 1)).toBe(true);
  expect(tokensOf(second)).toBe(40);
  expect(first.answers).toHaveLength(1);
  const [error] = first.answers as Error[];
  expect(error.message).toMatch(/its worker was lost: .+, after \d+ tokens? of the answer/);
  expect(Number(/after (\d+)/.exec(error.message)?.[1])).toBe(tokensOf(first));
  expect(await isFree()).toBe(true);
});
