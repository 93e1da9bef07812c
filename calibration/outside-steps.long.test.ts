/** A language model on another server, whose times are known, measured from outside as `calibrate` does. */
import { createServer, type Server } from "node:http";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { listening } from "../checks/support/listening.test-support.ts";
import { externalWriter } from "../cluster/worker/external-writer.ts";
import { fitSteps } from "./fit-steps.ts";
import { measureOutside } from "./outside-steps.ts";

/** A prompt's iteration, ms: so much, and so much for each token. */
const [PROMPT_MS, PROMPT_TOKEN_MS] = [5, 0.4];
/** Between two tokens, ms: so much, and so much for each answer that is written. */
const [STEP_MS, ANSWER_MS] = [10, 10];

/** All that is written takes one iteration together, as on one device. */
function serverOfKnownTimes(): Server {
  let writing = 0;
  return createServer(async (request, response) => {
    if (request.url === "/v1/models") return void response.end("{}");
    const body = JSON.parse(Buffer.concat(await request.toArray()).toString());
    response.writeHead(200, { "content-type": "text/event-stream" });
    writing++;
    await pause(PROMPT_MS + PROMPT_TOKEN_MS * body.prompt.length);
    for (let token = 0; token < body.max_tokens; token++) {
      response.write(`data: ${JSON.stringify({ choices: [{ text: "a" }] })}\n\n`);
      if (token + 1 < body.max_tokens) await pause(STEP_MS + ANSWER_MS * writing);
    }
    writing--;
    response.end("data: [DONE]\n\n");
  });
}

test("finds what prompts and answers take on a server of known times", async () => {
  const server = serverOfKnownTimes();
  const url = `http://127.0.0.1:${await listening(server)}`;
  try {
    const open = () => externalWriter({ url, model: "m", timeoutS: 60 });
    const grid = { maxSequences: 4, longest: 256, seconds: 1 };
    const cells = await measureOutside(open, { ...grid, seconds: 12 });
    const { prefill, decodeMany } = fitSteps(cells).steps;
    const [step, context, answer] = decodeMany?.decode ?? [0, 0, 0];
    // Timers ring late, never early; on a busy machine by some milliseconds.
    const promptMs = prefill[0] + 256 * prefill[1] + 256 ** 2 * prefill[2];
    expect(promptMs).toBeGreaterThan(0.95 * (PROMPT_MS + 256 * PROMPT_TOKEN_MS));
    expect(promptMs).toBeLessThan(1.3 * (PROMPT_MS + 256 * PROMPT_TOKEN_MS));
    const answersMs = step + 4 * answer + 4 * 256 * context;
    expect(answersMs).toBeGreaterThan(0.95 * (STEP_MS + 4 * ANSWER_MS));
    expect(answersMs).toBeLessThan(1.3 * (STEP_MS + 4 * ANSWER_MS));
    const contexts = new Set(cells.map(({ contextTokens }) => contextTokens));
    expect(contexts.size).toBeGreaterThan(3);
    // A bound that is over at once leaves no cell half measured.
    await expect(measureOutside(open, { ...grid, seconds: 0 })).resolves.toEqual([]);
  } finally {
    server.close();
    server.closeAllConnections();
  }
});
