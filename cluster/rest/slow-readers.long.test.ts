/** Clients of a language model that read their stream slowly, or leave in the middle of it: others go on, memory is free. */
import { connect, type Socket } from "node:net";
import { afterAll, expect, test } from "vitest";
import { type ScenarioDocument, scenarioSchema } from "../../scenario/schema/scenario.ts";
import { deployed } from "../deployed.test-support.ts";
import { eventually } from "../deployment.test-support.ts";
import { reportOf } from "../faults.test-support.ts";
import { postJson } from "../security/client-access.ts";

/** More events than any socket's buffers hold: each has some 150 bytes. */
const MANY = 60_000;
const tasksOf = (output: number) => ({
  write: { model: "writer", tokens: { prompt: 20, output, most: 65_536 } },
});
/** Memory for one long answer and two short ones: what is not freed is missed. */
const document: ScenarioDocument = scenarioSchema.parse({
  name: "slow-readers",
  pipelines: { long: { tasks: tasksOf(MANY) }, short: { tasks: tasksOf(6) } },
  models: {
    writer: {
      tokens: {
        steps: { prefill: [0.05, 0, 0], decode: [0.05, 0, 0] },
        maxSequences: 4,
        blocks: Math.ceil((MANY + 20) / 16) + 4,
      },
    },
  },
  cluster: { replicas: { write: 1 } },
  workload: { arrivals: "poisson", ratePerS: 4, requests: 12 },
});

const own = deployed({ document, backend: "replay" });
const opened: Socket[] = [];
afterAll(() => {
  for (const socket of opened) socket.destroy();
});

/** Asks for a stream, and reads no more than its beginning. */
async function unread(): Promise<Socket> {
  const body = JSON.stringify({ model: "long", prompt: "x", stream: true });
  const { hostname, port } = new URL(own.http);
  const socket = connect(Number(port), hostname);
  opened.push(socket);
  const head = [
    "POST /v1/completions HTTP/1.1",
    `host: ${hostname}:${port}`,
    "content-type: application/json",
  ];
  socket.write(`${head.join("\r\n")}\r\ncontent-length: ${body.length}\r\n\r\n${body}`);
  const first = await new Promise<Buffer>((resolve) => socket.once("data", resolve));
  socket.pause();
  expect(first.toString()).toContain("200 OK");
  return socket;
}

async function short(): Promise<number> {
  const body = { model: "short", prompt: "x" };
  const { value } = await postJson(`${own.http}/v1/completions`, body);
  const { usage } = value as unknown as { usage: { completion_tokens: number } };
  return usage.completion_tokens;
}

const isIdle = async (): Promise<boolean> => (await reportOf(own.deployment)).idle;

test("a client that does not read stalls nobody, and gets its whole answer when it does", async () => {
  const slow = await unread();
  expect(await Promise.all([short(), short()])).toEqual([6, 6]);
  // The engine has written all of it, and its blocks are free, while the client has read next to nothing.
  expect(await eventually(isIdle, 60_000)).toBe(true);
  expect(slow.bytesRead).toBeLessThan(1_000_000);
  let text = "";
  slow.on("data", (bytes) => {
    text += bytes.toString("latin1");
  });
  slow.resume();
  expect(await eventually(() => text.includes("data: [DONE]"))).toBe(true);
  expect(text).toContain('"finish_reason"');
  // Tokens went together, as they could not go one by one.
  expect(text.split("data: ").length).toBeLessThan(MANY);
});

test("one that leaves without a word frees its memory for the next", async () => {
  const gone = await unread();
  gone.destroy();
  expect(await eventually(isIdle)).toBe(true);
  const next = await unread();
  expect(await short()).toBe(6);
  next.destroy();
  expect(await eventually(isIdle)).toBe(true);
});
