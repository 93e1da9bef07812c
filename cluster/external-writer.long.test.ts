/** A language model on another server, by OpenAI's completions: one that writes, and some that fail. */
import { createServer, type Server } from "node:http";
import { expect, test } from "vitest";
import { listening } from "../checks/support/listening.test-support.ts";
import { type ScenarioDocument, scenarioSchema } from "../scenario/schema/scenario.ts";
import { eventually } from "./deployment.test-support.ts";
import { divergence, ownRun } from "./measured-run.test-support.ts";
import { externalWriter } from "./worker/external-writer.ts";

const TOKEN = JSON.stringify({ choices: [{ text: "a" }] });

const STEPS = { prefill: [2, 0, 0], decode: [2, 0, 0] };

function writer(tokens: object = {}): ScenarioDocument {
  return scenarioSchema.parse({
    name: "writer",
    pipelines: {
      answer: { tasks: { write: { model: "writer", tokens: { prompt: 20, output: 6 } } } },
    },
    models: { writer: { tokens: { steps: STEPS, maxSequences: 2, ...tokens } } },
    cluster: { replicas: { write: 1 } },
    workload: { arrivals: "poisson", ratePerS: 20, requests: 15 },
  });
}

test("a measured run has the times of tokens of a foreign server, and its log replays", async () => {
  const asked: { prompt: readonly number[]; max_tokens: number; ignore_eos: boolean }[] = [];
  const server = createServer(async (request, response) => {
    if (request.url === "/v1/models") return void response.end("{}");
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString());
    asked.push(body);
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (let i = 0; i < body.max_tokens; i++) {
      response.write(`data: ${TOKEN}\n\n`);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    response.end("data: [DONE]\n\n");
  });
  const external = { url: `http://127.0.0.1:${await listening(server)}`, model: "m" };
  const document = writer({ external });
  try {
    const { outcomes, load, log, summary } = await ownRun(document, { backend: "engines" });
    expect(outcomes.completed).toBe(15);
    expect(load.ttftUs.every((us, i) => us > 0 && us <= load.latencyUs[i])).toBe(true);
    expect(summary.metrics.tpotMeanMs).toBeGreaterThan(0);
    expect(divergence(document, log)).toBeNull();
  } finally {
    server.close();
  }
  const measured = asked.filter(({ prompt }) => prompt.length === 20);
  expect(measured.length).toBeGreaterThanOrEqual(15);
  expect(measured.every((one) => one.max_tokens === 6 && one.ignore_eos)).toBe(true);
});

const batch = {
  jobs: [
    { payload: Buffer.from("x"), upstream: Buffer.from("{}"), tensors: [], upstreamTensors: {} },
  ],
  ...{
    variate: null,
    warmUp: false,
    tokens: { prompt: null, output: 6, priority: 0, client: 0, beginning: 0 },
  },
};

/** Sends these parts of a stream, and then ends it, or leaves it open. */
async function served(
  parts: readonly string[],
  ends: boolean,
  use: (url: string) => Promise<void>,
) {
  const open = { requests: 0 };
  const server: Server = createServer((request, response) => {
    if (request.url === "/v1/models") return void response.end("{}");
    open.requests++;
    response.once("close", () => open.requests--);
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const part of parts) response.write(`data: ${part}\n\n`);
    if (ends) response.end();
  });
  try {
    await use(`http://127.0.0.1:${await listening(server)}`);
    expect(await eventually(() => open.requests === 0)).toBe(true);
  } finally {
    server.close();
  }
}

test("a server that falls silent, breaks off or tells an error fails its request", async () => {
  const ask = async (url: string): Promise<unknown> =>
    (await externalWriter({ url, model: "m", timeoutS: 0.3 })).run(batch, () => undefined);
  await served([TOKEN, TOKEN], false, (url) =>
    expect(ask(url)).rejects.toThrow(/sent nothing for 0.3 s$/),
  );
  await served([TOKEN], true, (url) => expect(ask(url)).rejects.toThrow("broke off"));
  const error = JSON.stringify({ error: { message: "too long" } });
  await served([TOKEN, error], true, (url) => expect(ask(url)).rejects.toThrow("too long"));
  await served(["[DONE]"], true, (url) => expect(ask(url)).rejects.toThrow("without a token"));
  await expect(
    externalWriter({ url: "http://127.0.0.1:1", model: "m", timeoutS: 1 }),
  ).rejects.toThrow("does not answer");
});

test("tokens are told as they come, the last with the answer; an event without one is none", async () => {
  const end = JSON.stringify({ choices: [{ text: "", finish_reason: "length" }] });
  for (const parts of [
    [TOKEN, TOKEN, TOKEN, end, "[DONE]"],
    Array(6).fill(TOKEN).concat("[DONE]"),
  ]) {
    const made = parts.filter((part) => part === TOKEN).length;
    await served(parts, true, async (url) => {
      let told = 0;
      const place = await externalWriter({ url, model: "m", timeoutS: 5 });
      const { written } = await place.run(batch, ({ tokens }) => {
        told += tokens;
      });
      // It was asked for six.
      expect([told, written?.last.tokens]).toEqual(made === 6 ? [5, 1] : [3, 0]);
    });
  }
});

test("a request that is given up closes its stream", async () => {
  await served([TOKEN, TOKEN], false, async (url) => {
    const place = await externalWriter({ url, model: "m", timeoutS: 60 });
    const running = place.run(batch, () => place.stop?.());
    await expect(running).rejects.toThrow("given up");
  });
});
