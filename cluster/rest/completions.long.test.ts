/** OpenAI's completions of a replayed language model: its form, its refusals, and OpenAI's own Python client. */
import { spawnSync } from "node:child_process";
import { expect, test } from "vitest";
import { type ScenarioDocument, scenarioSchema } from "../../scenario/schema/scenario.ts";
import { deployed } from "../deployed.test-support.ts";
import { inJson } from "../in-json.test-support.ts";
import { peer } from "../protocol/peers.test-support.ts";

const document: ScenarioDocument = scenarioSchema.parse({
  name: "completions",
  pipelines: {
    answer: { tasks: { write: { model: "writer", tokens: { prompt: 20, output: 6 } } } },
    look: { tasks: { look: { model: "looker" } } },
  },
  models: {
    looker: { service: { distribution: "deterministic", meanMs: 2 } },
    writer: { tokens: { steps: { prefill: [2, 0, 0], decode: [2, 0, 0] }, maxSequences: 2 } },
  },
  cluster: { replicas: { write: 1, look: 1 } },
  workload: { arrivals: "poisson", ratePerS: 4, requests: 12 },
});

const own = deployed({ document, backend: "replay" });

async function ask(body: object): Promise<{ readonly status: number; readonly text: string }> {
  const answer = await fetch(`${own.http}/v1/completions`, inJson("POST", body));
  return { status: answer.status, text: await answer.text() };
}

test("only pipelines whose one language model writes last are there", async () => {
  const models = await (await fetch(`${own.http}/v1/models`)).json();
  expect(models).toMatchObject({ object: "list", data: [{ id: "answer" }] });
  const { text } = await ask({ model: "look", prompt: "x" });
  expect(JSON.parse(text).error).toEqual({
    message: "pipeline look has not one language model that writes last; those that do: answer",
    type: "invalid_request_error",
    code: "invalid-input",
  });
  expect((await ask({ model: "boats", prompt: "x" })).status).toBe(404);
});

test("an answer has OpenAI's form, whole and as events with usage", async () => {
  const whole = JSON.parse((await ask({ model: "answer", prompt: "x" })).text);
  expect(whole).toMatchObject({
    object: "text_completion",
    model: "answer",
    usage: { completion_tokens: 6, prompt_tokens: 20, total_tokens: 26 },
  });
  const { text } = await ask({
    model: "answer",
    prompt: ["x"],
    stream: true,
    stream_options: { include_usage: true },
  });
  const events = text
    .split("\n\n")
    .flatMap((one) => (one.startsWith("data: ") ? [one.slice(6)] : []));
  // Six tokens, the end of the text, the usage, the end.
  expect(events).toHaveLength(9);
  expect(JSON.parse(events[7])).toMatchObject({ choices: [], usage: { completion_tokens: 6 } });
  expect(events[8]).toBe("[DONE]");
});

test("what the engine does not do is refused, not left out", async () => {
  for (const wrong of [
    { n: 2 },
    { temperature: 0.7 },
    { stop: ["."] },
    { max_tokens: 0 },
    { prompt: "" },
  ]) {
    const { status, text } = await ask({ model: "answer", prompt: "x", ...wrong });
    expect(status, text).toBe(400);
    // OpenAI's clients show nothing but this.
    expect(JSON.parse(text).error.message).toContain(Object.keys(wrong)[0]);
  }
});

const PROGRAM = `
import sys
from openai import OpenAI
client = OpenAI(base_url=sys.argv[1] + "/v1", api_key="none")
whole = client.completions.create(model="answer", prompt="x", max_tokens=6)
parts = list(client.completions.create(model="answer", prompt="x", max_tokens=6, stream=True))
print(client.models.list().data[0].id, whole.usage.completion_tokens, len(parts), parts[-1].choices[0].finish_reason)
`;
const python = peer("python3", ["-c", "import openai"], "the Python package openai");

test.skipIf(python === null)("OpenAI's Python client completes, streams and lists", () => {
  const options = ["-c", PROGRAM, own.http];
  const { stdout, stderr } = spawnSync(python as string, options);
  expect(`${stdout}${stderr}`.trim()).toBe("answer 6 7 length");
});
