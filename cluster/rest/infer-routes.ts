/** The routes that infer: JSON, tensors behind JSON, a picture or a form in; JSON or a drawn picture out. */
import multipart from "@fastify/multipart";
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { Fault } from "../../core/fault.ts";
import { callPipeline } from "../front/pipeline-call.ts";
import type { PipelineModels } from "../front/pipeline-models.ts";
import { OUTPUT } from "../front/pipeline-tensors.ts";
import { payloadRequest } from "../load/tensor-inputs.ts";
import {
  deadlineOf,
  type ModelInferRequest,
  type ModelInferResponse,
  REQUEST_ID_HEADER,
  requestIdOf,
  TRACEPARENT,
} from "../protocol/messages.ts";
import { outputText } from "../protocol/tensors.ts";
import type { PictureFormat } from "./annotate.ts";
import { formFiles, readBody, unpacked } from "./bodies.ts";
import {
  encodeAnswer,
  headOf,
  type InferBody,
  inferRequestSchema,
  inferResponseSchema,
  JSON_LENGTH_HEADER,
  parseInfer,
} from "./infer-body.ts";
import { type App, contentOf, describer, errorBody, type ModelName } from "./route.ts";

/** Content types of bodies that are the payload itself. */
const PAYLOAD_TYPE = /^(image\/|application\/octet-stream)/i;
/** A form has no more parts; the server ignores its fields. `formFiles` bounds the bytes of all files together. */
const FORM_LIMITS = {
  ...{ files: 64, fields: 128, parts: 128 },
  ...{ fieldSize: 64 * 1024, fileSize: Number.POSITIVE_INFINITY },
};
/** Asks for the JSON of the tasks, also where the last of them give tensors. */
const AS_JSON = [{ name: OUTPUT }];
const PICTURE_TYPE = /image\/(png|jpeg|webp)/;

const headers = z.looseObject({
  [JSON_LENGTH_HEADER]: z.coerce
    .number()
    .int()
    .min(0)
    .optional()
    .describe("bytes of the JSON, when tensors follow it"),
  "idempotency-key": z
    .string()
    .min(1)
    .max(255)
    .optional()
    .describe("requests with one key run once and get one answer"),
  "request-timeout": z.coerce
    .number()
    .positive()
    .optional()
    .describe("seconds that the caller waits"),
});

const body = contentOf({
  "application/json": inferRequestSchema.meta({
    examples: [
      {
        id: "1",
        inputs: [{ name: "payload", datatype: "BYTES", shape: [2], data: ["text", "more text"] }],
      },
    ],
  }),
  "multipart/form-data": z
    .record(z.string(), z.array(z.file()))
    .describe("one or more files, each an inference of its own"),
  "image/*": z.file(),
  "application/octet-stream": z.file(),
});

const pictures = Object.fromEntries(["png", "jpeg", "webp"].map((f) => [`image/${f}`, z.file()]));
const answer = contentOf({
  "application/json": inferResponseSchema,
  "application/octet-stream": z.file(),
  ...pictures,
});

const description =
  "Each element of the payload is an inference of its own. Accept: image/png (or jpeg, webp) " +
  "asks for the picture with what was found drawn on it. With several files in a form, one " +
  "that fails has its error in place of its answer.";

/** `paths`: of the models, each with the suffix of its operation and the schema of its parameters. */
export function addInferRoutes(
  app: App,
  models: PipelineModels,
  paths: readonly (readonly [string, string, z.ZodType<ModelName>])[],
): void {
  app.register(multipart, { limits: FORM_LIMITS });
  app.addContentTypeParser("*", readBody);
  const describe = describer("infer", "inference");
  for (const [path, suffix, params] of paths) {
    app.post(
      `${path}/infer`,
      {
        ...describe(`infer${suffix}`, "Run a pipeline", answer, {
          ...{ description, params, headers, body },
        }),
        // An unknown model is refused before its body is received.
        preParsing: ({ params: { model, version } }, _reply, payload, done) => {
          models.named(model, version);
          done(null, payload);
        },
      },
      (request, reply) => infer({ models, request: request as InferRequest, reply }),
    );
  }
}

interface InferRequest extends FastifyRequest {
  readonly params: ModelName;
  readonly headers: FastifyRequest["headers"] & z.output<typeof headers>;
}

interface Exchange {
  readonly models: PipelineModels;
  readonly request: InferRequest;
  readonly reply: FastifyReply;
}

async function infer(exchange: Exchange): Promise<FastifyReply> {
  const { request, reply } = exchange;
  const { params, headers } = request;
  if (request.isMultipart()) return inferForm(exchange);
  const received = (request.body as Buffer | undefined) ?? Buffer.alloc(0);
  const bytes = await unpacked(received, headers["content-encoding"]);
  const jsonLength = headers[JSON_LENGTH_HEADER];
  const isPayload = PAYLOAD_TYPE.test(headers["content-type"] ?? "") && !jsonLength;
  if (isPayload) return inferPayload(exchange, bytes);
  const { message, isBinary } = parseInfer(params, bytes, jsonLength);
  if (headers[REQUEST_ID_HEADER] === undefined) request.id = requestIdOf(message.id, request.id);
  return send(reply, await answerOf(exchange, message), isBinary);
}

/** The picture format that the caller asks for; null: JSON. */
function pictureFormat({ headers: { accept = "" } }: InferRequest): PictureFormat | null {
  if (accept.includes("json")) return null;
  return (PICTURE_TYPE.exec(accept)?.[1] as PictureFormat | undefined) ?? null;
}

async function inferPayload(exchange: Exchange, payload: Buffer): Promise<FastifyReply> {
  const { request, reply } = exchange;
  const message = { modelName: request.params.model, ...payloadRequest(payload) };
  const picture = pictureFormat(request);
  if (picture === null) return send(reply, await answerOf(exchange, message), () => false);
  const response = await answerOf(exchange, { ...message, outputs: AS_JSON });
  const { outputs } = JSON.parse(outputText(response)) as { outputs: Record<string, unknown> };
  // Few callers ask for pictures, and the drawing library takes a while to load.
  const { annotated } = await import("./annotate.ts");
  const drawn = await annotated(payload, outputs, picture);
  return traced(reply, response).type(`image/${picture}`).send(drawn);
}

/** Each file is a request of its own; one that fails does not fail the others. */
async function inferForm(exchange: Exchange): Promise<FastifyReply> {
  const { request, reply } = exchange;
  const files = await formFiles(request);
  if (files.length === 1) return inferPayload(exchange, files[0].bytes);
  if (pictureFormat(request) !== null) {
    throw new Fault("invalid-input", `one picture is drawn on, the form has ${files.length}`);
  }
  const answers = await Promise.allSettled(
    files.map(({ bytes }) => {
      const contents = { ...payloadRequest(bytes), outputs: AS_JSON };
      return answerOf(exchange, { modelName: request.params.model, ...contents });
    }),
  );
  const done = answers.find((answer) => answer.status === "fulfilled");
  if (done === undefined) throw (answers[0] as PromiseRejectedResult).reason;
  const data = answers.map((answer) =>
    answer.status === "fulfilled"
      ? outputText(answer.value)
      : JSON.stringify(errorBody(answer.reason)),
  );
  return reply.send({
    ...headOf(done.value),
    files: files.map(({ name }) => name),
    outputs: [{ name: OUTPUT, datatype: "BYTES", shape: [files.length], data }],
  });
}

function answerOf(
  { models, request, reply }: Exchange,
  given: ModelInferRequest,
): Promise<ModelInferResponse> {
  const { headers } = request;
  const message = withKey(given, headers["idempotency-key"]);
  const seconds = headers["request-timeout"];
  const deadlineMs = seconds === undefined ? deadlineOf(message) : seconds * 1000;
  const header = (name: string): string | undefined => {
    const value = name === REQUEST_ID_HEADER ? request.id : headers[name];
    return typeof value === "string" ? value : undefined;
  };
  return new Promise((resolve, reject) => {
    const call = { request: message, deadlineMs, header };
    const cancel = callPipeline(models, call, (error, response) => {
      if (response === null) reject(error);
      else resolve(response);
    });
    onGone(reply, cancel);
  });
}

/** Calls `listener` when the caller goes away before its answer, or has gone already. */
export function onGone({ raw }: FastifyReply, listener: () => void): void {
  // The files of a form each add one.
  raw.setMaxListeners(0);
  if (raw.closed) listener();
  else raw.once("close", () => raw.writableEnded || listener());
}

/** The header's idempotency key counts as the parameter. */
function withKey(message: ModelInferRequest, key: string | undefined): ModelInferRequest {
  if (key === undefined) return message;
  const parameters = { ...message.parameters, idempotency_key: { stringParam: key } };
  return { ...message, parameters };
}

function send(
  reply: FastifyReply,
  response: ModelInferResponse,
  isBinary: InferBody["isBinary"],
): FastifyReply {
  const { json, behind } = encodeAnswer(response, isBinary);
  traced(reply, response);
  if (behind.length === 0) return reply.type("application/json").send(json);
  const head = Buffer.from(json);
  return reply
    .type("application/octet-stream")
    .header(JSON_LENGTH_HEADER, head.length)
    .send(Buffer.concat([head, ...behind]));
}

/** Names the span of the call, where there is one. */
function traced(reply: FastifyReply, { parameters }: ModelInferResponse): FastifyReply {
  const traceparent = parameters?.[TRACEPARENT]?.stringParam;
  return traceparent === undefined ? reply : reply.header(TRACEPARENT, traceparent);
}
