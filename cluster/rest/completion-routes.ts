/**
 * OpenAI's completions, for pipelines with one language model, which writes last: a pipeline is a model to its caller.
 * With `stream` the tokens come as server-sent events. Source: platform.openai.com/docs/api-reference/completions.
 */
import { PassThrough } from "node:stream";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { Fault } from "../../engine/basics/fault.ts";
import { writesLast } from "../../engine/system/writers.ts";
import { callPipeline } from "../front/pipeline-call.ts";
import type { PipelineModels } from "../front/pipeline-models.ts";
import { promptRequest } from "../load/tensor-inputs.ts";
import type { ModelInferRequest, ModelInferResponse, WrittenPart } from "../protocol/messages.ts";
import { LIMITS } from "../security/limits.ts";
import { parseJson, readBody } from "./bodies.ts";
import { type App, contentOf, describer, onGone, openAiError, sendError } from "./route.ts";

/** Unset or this: an engine makes the most probable token of one answer. */
const only = <T extends string | number | boolean>(value: T) =>
  z.union([z.literal(value), z.null()]).optional();

const bodySchema = z
  .looseObject({
    model: z.string().max(LIMITS.nameLength).describe("a pipeline whose last task writes"),
    prompt: z.union([z.string().min(1), z.tuple([z.string().min(1)])]),
    max_tokens: z.int().min(1).nullable().optional().describe("default: 16"),
    stream: z.boolean().nullable().optional().describe("server-sent events, a token or more each"),
    stream_options: z.looseObject({ include_usage: z.boolean().optional() }).nullable().optional(),
    temperature: only(0),
    n: only(1),
    best_of: only(1),
    echo: only(false),
    logprobs: z.null().optional(),
    stop: z.null().optional(),
    suffix: z.null().optional(),
  })
  .meta({ examples: [{ model: "answer", prompt: "Once", max_tokens: 20 }] });

type Body = z.output<typeof bodySchema>;

const DEFAULT_MAX_TOKENS = 16;
/** A comment in the stream while no token comes: else a client that waits would be cut off as one that does not read. */
const BEAT_MS = 5000;

const usageSchema = z.strictObject({
  prompt_tokens: z.int(),
  completion_tokens: z.int(),
  total_tokens: z.int(),
});

const completionSchema = z
  .strictObject({
    id: z.string(),
    object: z.literal("text_completion"),
    created: z.int(),
    model: z.string(),
    choices: z.array(
      z.strictObject({
        index: z.int(),
        text: z.string(),
        logprobs: z.null(),
        finish_reason: z.enum(["stop", "length"]).nullable(),
      }),
    ),
    usage: usageSchema.nullable().optional(),
  })
  .describe("the answer");

type Usage = z.output<typeof usageSchema>;

export function addCompletionRoutes(app: App, models: PipelineModels): void {
  const { pipelines } = models.gateway.system;
  const names = pipelines.flatMap(({ name, tasks }) => {
    const begin = tasks.filter(({ tokens }) => tokens !== null);
    return begin.length === 1 && tasks.filter(writesLast).length === 1 ? [name] : [];
  });
  const describe = describer("infer", "completions");
  const listed = z
    .strictObject({ object: z.literal("list"), data: z.array(z.looseObject({ id: z.string() })) })
    .describe("in the form of OpenAI's API");
  app.get("/v1/models", describe("listModels", "Pipelines that write", listed), () => ({
    object: "list",
    data: names.map((id) => ({ id, object: "model", created: 0, owned_by: "tandem" })),
  }));
  app.addContentTypeParser("application/json", async (request: FastifyRequest) =>
    parseJson(await readBody(request)),
  );
  const answers = contentOf({
    "application/json": completionSchema,
    "text/event-stream": z.string(),
  });
  app.post(
    "/v1/completions",
    {
      ...describe("complete", "Have a pipeline write", answers, { body: bodySchema }),
      errorHandler: (error, request, reply) => sendError(error, request, reply, openAiError),
    },
    (request, reply) => {
      const { model } = request.body;
      if (names.includes(model)) return complete(models, request.body, request.id, reply);
      models.named(model);
      const message = `pipeline ${model} has not one language model that writes last`;
      const hint = `those that do: ${names.join(", ") || "none"}`;
      throw new Fault("invalid-input", message, { hint });
    },
  );
}

/** The parts of one answer. */
class Completion {
  readonly #body: Body;
  readonly #head: object;

  constructor(body: Body, id: string) {
    const { model } = body;
    const created = Math.floor(Date.now() / 1000);
    this.#body = body;
    this.#head = { id: `cmpl-${id}`, object: "text_completion", created, model };
  }

  get maxTokens(): number {
    return this.#body.max_tokens ?? DEFAULT_MAX_TOKENS;
  }

  get message(): ModelInferRequest {
    const { model, prompt } = this.#body;
    const text = typeof prompt === "string" ? prompt : prompt[0];
    return { modelName: model, ...promptRequest({ text, maxTokens: this.maxTokens }) };
  }

  part(text: string, finish: "stop" | "length" | null, usage?: Usage): object {
    const choice = { index: 0, text, logprobs: null, finish_reason: finish };
    return { ...this.#head, choices: [choice], ...(usage && { usage }) };
  }

  /** The last event of a stream, where the caller asks for it. */
  usage(usage: Usage): object | null {
    if (this.#body.stream_options?.include_usage !== true) return null;
    return { ...this.#head, choices: [], usage };
  }

  finish({ completion_tokens }: Usage): "stop" | "length" {
    return completion_tokens < this.maxTokens ? "stop" : "length";
  }
}

function usageOf({ parameters }: ModelInferResponse): Usage {
  const prompt_tokens = parameters?.prompt_tokens?.int64Param ?? 0;
  const completion_tokens = parameters?.output_tokens?.int64Param ?? 0;
  return { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
}

function complete(
  models: PipelineModels,
  body: Body,
  id: string,
  reply: FastifyReply,
): Promise<FastifyReply> | FastifyReply {
  const completion = new Completion(body, id);
  return body.stream === true
    ? streamed(models, completion, reply)
    : whole(models, completion, reply);
}

function whole(
  models: PipelineModels,
  completion: Completion,
  reply: FastifyReply,
): Promise<FastifyReply> {
  let text = "";
  return new Promise((resolve, reject) => {
    const told = (part: WrittenPart): void => {
      text += part.text;
    };
    const call = { request: completion.message, deadlineMs: undefined, told };
    const cancel = callPipeline(models, call, (error, response) => {
      if (response === null) return reject(error);
      const usage = usageOf(response);
      resolve(reply.send(completion.part(text, completion.finish(usage), usage)));
    });
    onGone(reply, cancel);
  });
}

/** Several tokens go together to a client that reads slowly. */
function streamed(
  models: PipelineModels,
  completion: Completion,
  reply: FastifyReply,
): FastifyReply {
  const events = new PassThrough();
  const send = (data: string): void => void events.write(`data: ${data}\n\n`);
  let text = "";
  const told = (part: WrittenPart): void => {
    text += part.text;
    if (events.writableNeedDrain) return;
    send(JSON.stringify(completion.part(text, null)));
    text = "";
  };
  const beat = setInterval(() => events.writableNeedDrain || events.write(": \n\n"), BEAT_MS);
  const end = (): void => {
    clearInterval(beat);
    events.end();
  };
  const call = { request: completion.message, deadlineMs: undefined, told };
  let cancel = (): void => undefined;
  try {
    cancel = callPipeline(models, call, (error, response) => {
      if (response === null) send(JSON.stringify(openAiError(error)));
      else {
        const usage = usageOf(response);
        send(JSON.stringify(completion.part(text, completion.finish(usage))));
        const last = completion.usage(usage);
        if (last !== null) send(JSON.stringify(last));
        send("[DONE]");
      }
      end();
    });
  } catch (error) {
    clearInterval(beat);
    throw error;
  }
  onGone(reply, () => {
    end();
    cancel();
  });
  return reply.type("text/event-stream").header("cache-control", "no-cache").send(events);
}
