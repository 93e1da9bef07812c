/**
 * A language model on another server, by OpenAI's completions, streamed: vLLM, llama-server, another Tandem. That
 * server's own scheduler decides what runs, so it is measured and predicted from outside.
 */
import { Fault } from "../../engine/basics/fault.ts";
import { asBuffer } from "../../models/tensor.ts";
import type { ModelDocument } from "../../scenario/schema/scenario.ts";
import { monotonicUs } from "../time/clock.ts";
import type { Backend, Batch, BatchResult } from "./backend.ts";

type ExternalEngine = NonNullable<NonNullable<ModelDocument["tokens"]>["external"]>;

/** Ids of tokens that any vocabulary has as parts of words, for prompts of a drawn length. */
const FIRST_ID = 1000;
const IDS = 4000;
/** Lengths of an unmeasured job. */
const WARM_UP = { prompt: 1, output: 2 };
const NOTHING_USED = { preemptions: 0, busyUs: 0, usedUs: 0, ranUs: 0, profiledUs: 0 };

interface CompletionRequest {
  readonly prompt: string | readonly number[];
  readonly max_tokens: number;
  readonly temperature: 0;
}

/** A completion's event, as far as it is read. */
interface Completion {
  readonly choices?: readonly {
    readonly text?: string;
    readonly finish_reason?: string | null;
  }[];
  readonly usage?: { readonly prompt_tokens?: number; readonly completion_tokens?: number } | null;
  readonly error?: { readonly message?: string } | string;
}

/** Opens a place: one request at a time. Rejects with Fault("cluster-failure") where the server does not answer. */
export async function externalWriter(external: ExternalEngine): Promise<Backend> {
  const { url, model } = external;
  const startUs = monotonicUs();
  await answered(fetch(`${url}/v1/models`, { signal: AbortSignal.timeout(10_000) }), url);
  let asked: AbortController | null = null;
  let requests = 0;
  return {
    inputs: null,
    outputs: null,
    stopsUnwanted: true,
    provenance: {
      name: model,
      files: [],
      source: url,
      license: "that of its server",
      runtime: "OpenAI's completions",
      provider: "external",
    },
    cost: { loadMs: (monotonicUs() - startUs) / 1000, memoryBytes: 0 },
    run(batch, told) {
      const abort = new AbortController();
      asked = abort;
      const body = requestOf(batch, external, requests++);
      return written(external, body, abort, told).finally(() => {
        asked = null;
      });
    },
    stop: () => asked?.abort(new Fault("interrupted", "the request was given up")),
    close: async () => asked?.abort(new Fault("unavailable", "its worker shuts down")),
  };
}

/** Drawn lengths are met to the token, as far as the server knows `ignore_eos`. */
function requestOf(
  { tokens: order, warmUp, jobs }: Batch,
  { model }: ExternalEngine,
  request: number,
): CompletionRequest {
  const tokens = warmUp ? WARM_UP : order;
  const common = { model, stream: true, stream_options: { include_usage: true } };
  if (tokens === null)
    throw new Fault("invalid-input", "a language model needs the length of its answer");
  const { prompt, output } = tokens;
  if (prompt === null) {
    const text = asBuffer(jobs[0].payload).toString();
    return { ...common, prompt: text, max_tokens: output, temperature: 0 };
  }
  const ids = Array.from(
    { length: prompt },
    (_, i) => FIRST_ID + ((request * 7919 + i * 31) % IDS),
  );
  const exact = { ignore_eos: true, cache_prompt: false };
  return { ...common, ...exact, prompt: ids, max_tokens: output, temperature: 0 };
}

async function written(
  { url, timeoutS }: ExternalEngine,
  body: CompletionRequest,
  abort: AbortController,
  told: Parameters<Backend["run"]>[1],
): Promise<BatchResult> {
  const startUs = monotonicUs();
  const most = body.max_tokens;
  let tokens = 0;
  let text = "";
  let usage: Completion["usage"] = null;
  let unsaid = "";
  const stalled = (): void =>
    abort.abort(new Fault("cluster-failure", `${url} sent nothing for ${timeoutS} s`));
  let patience = setTimeout(stalled, timeoutS * 1000);
  try {
    const headers = { "content-type": "application/json" };
    const { signal } = abort;
    const asked = fetch(`${url}/v1/completions`, {
      method: "POST",
      headers,
      signal,
      body: JSON.stringify(body),
    });
    const { body: stream } = await answered(asked, url);
    for await (const event of eventsOf(stream as AsyncIterable<Uint8Array>)) {
      clearTimeout(patience);
      patience = setTimeout(stalled, timeoutS * 1000);
      if (event.error !== undefined) throw failureOf(url, event.error);
      usage = event.usage ?? usage;
      const [choice] = event.choices ?? [];
      const part = choice?.text;
      if (part === undefined) continue;
      // Some servers end with an event that has no token.
      if (part === "" && typeof choice.finish_reason === "string") continue;
      text += part;
      // The last token goes with the answer.
      if (++tokens < most) told({ tokens: 1, text: part });
      else unsaid += part;
    }
  } catch (error) {
    throw abort.signal.aborted ? abort.signal.reason : error;
  } finally {
    clearTimeout(patience);
  }
  if (tokens === 0) throw new Fault("cluster-failure", `${url} ended its stream without a token`);
  // A server may send several tokens together, and fewer than it was asked for.
  const all = usage?.completion_tokens ?? tokens;
  const last = { tokens: Math.max(0, all - Math.min(tokens, most - 1)), text: unsaid };
  const value = { text, tokens: all };
  const output = { text: Buffer.from(JSON.stringify({ labels: [], value })), tensors: [] };
  return {
    outputs: [output],
    serviceUs: monotonicUs() - startUs,
    written: { last, promptTokens: usage?.prompt_tokens ?? 0, use: NOTHING_USED },
  };
}

async function answered(asked: Promise<Response>, url: string): Promise<Response> {
  const response = await asked.catch((cause: Error) => {
    throw new Fault("cluster-failure", `${url} does not answer: ${cause.message}`, { cause });
  });
  if (response.ok) return response;
  throw failureOf(url, (await response.text()).slice(0, 300), response.status);
}

function failureOf(url: string, error: NonNullable<Completion["error"]>, status = 500): Fault {
  const message = typeof error === "string" ? error : (error.message ?? "an error");
  const code =
    status >= 400 && status < 500 && status !== 429 ? "invalid-input" : "cluster-failure";
  return new Fault(code, `${url} refused the request: ${message}`);
}

/** Server-sent events with JSON, up to `[DONE]`. Throws Fault("cluster-failure") for a stream that breaks off. */
async function* eventsOf(stream: AsyncIterable<Uint8Array>): AsyncGenerator<Completion> {
  const decoder = new TextDecoder();
  let unread = "";
  for await (const chunk of stream) {
    unread += decoder.decode(chunk, { stream: true });
    const lines = unread.split(/\r?\n/);
    unread = lines.pop() as string;
    for (const line of lines) {
      if (!line.startsWith("data:")) continue;
      const data = line.slice(5).trim();
      if (data === "[DONE]") return;
      yield JSON.parse(data) as Completion;
    }
  }
  throw new Fault("cluster-failure", "the server's stream broke off");
}
