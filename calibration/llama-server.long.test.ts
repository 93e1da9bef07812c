/** llama-server, by the Python package xllamacpp, as an engine that schedules by itself: measured, and served through the gateway. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { needs } from "../checks/support/needs.test-support.ts";
import { withDeployment } from "../cluster/deployment.test-support.ts";
import { divergence, run } from "../cluster/measured-run.test-support.ts";
import { peer } from "../cluster/protocol/peers.test-support.ts";
import { externalWriter } from "../cluster/worker/external-writer.ts";
import { weightsPath } from "../models/weights.ts";
import { scenarioSchema } from "../scenario/schema/scenario.ts";
import { fitSteps } from "./fit-steps.ts";
import { measureOutside } from "./outside-steps.ts";

/** Ends with its standard input. One memory for all sequences, so that all are computed together. */
const SERVER = `
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path = sys.argv[1]
params.n_ctx, params.n_parallel, params.kv_unified = 2048, 2, True
params.cpuparams.n_threads = params.cpuparams_batch.n_threads = 1
params.hostnames, params.port = ["127.0.0.1"], 0
server = xllamacpp.Server(params)
print("listens at", server.listening_address, flush=True)
sys.stdin.read()
`;

const python = peer("python3", ["-c", "import xllamacpp"], "the Python package xllamacpp");
const weights = weightsPath("smollm2-135m");
const isHere = needs("the weights smollm2-135m", existsSync(weights)) && python !== null;

describe.skipIf(!isHere)("llama-server", () => {
  let server: ChildProcess;
  let url = "";
  beforeAll(async () => {
    server = spawn(python as string, ["-c", SERVER, weights], {
      stdio: ["pipe", "pipe", "ignore"],
    });
    for (let said = ""; url === ""; ) {
      said += String((await once(server.stdout as NodeJS.ReadableStream, "data"))[0]);
      url = /listens at (http:\S+)/.exec(said)?.[1] ?? "";
    }
  }, 60_000);
  afterAll(() => void server?.stdin?.end());

  test("is measured from outside: prompts, and answers alone and together", async () => {
    const open = () => externalWriter({ url, model: "any", timeoutS: 60 });
    const cells = await measureOutside(open, { maxSequences: 2, longest: 64, seconds: 15 });
    expect(cells.some(({ prefillTokens }) => prefillTokens === 64)).toBe(true);
    expect(new Set(cells.map(({ decodes }) => decodes))).toEqual(new Set([0, 1, 2]));
    const { steps } = fitSteps(cells);
    const tokenMs = (decode: readonly number[] = [], answers = 1): number =>
      decode[0] + decode[1] * 100 * answers + decode[2] * answers;
    expect(tokenMs(steps.decode)).toBeGreaterThan(0);
    // How much longer two together take is for a quiet host to say, not for a test.
    expect(tokenMs(steps.decodeMany?.decode, 2)).toBeGreaterThan(0);
  });

  test("serves drawn lengths to the token, and a client's text", async () => {
    const tokens = { prompt: { distribution: "exponential", mean: 20 }, output: 8, most: 100 };
    const external = { url, model: "any" };
    const steps = { prefill: [5, 3, 0], decode: [5, 0, 10] };
    const document = scenarioSchema.parse({
      name: "foreign",
      pipelines: { answer: { tasks: { write: { model: "writer", tokens } } } },
      models: { writer: { tokens: { steps, maxSequences: 2, external } } },
      cluster: { replicas: { write: 1 } },
      workload: { arrivals: "poisson", ratePerS: 3, requests: 10 },
    });
    await withDeployment({ document, backend: "engines" }, async (deployment) => {
      const { outcomes, load, log } = await run(deployment, document);
      expect(outcomes.completed).toBe(10);
      expect(load.ttftUs.every((us, i) => us > 0 && us <= load.latencyUs[i])).toBe(true);
      expect(divergence(document, log)).toBeNull();
      const body = { model: "answer", prompt: "The capital of France is", max_tokens: 8 };
      const answer = await fetch(`${deployment.gateway.http}/v1/completions`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      const { choices, usage } = (await answer.json()) as {
        choices: { text: string }[];
        usage: { completion_tokens: number };
      };
      expect(choices[0].text).toContain("Paris");
      expect(usage.completion_tokens).toBe(8);
    });
  });
});
