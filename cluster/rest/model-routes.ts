/**
 * The Open Inference Protocol's HTTP routes, with Triton's: a pipeline is a model to its caller. An inference takes
 * JSON, tensors behind JSON or a picture, and gives JSON or tensors behind JSON.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { z } from "zod";
import { Fault } from "../../engine/basics/fault.ts";
import { callPipeline } from "../front/pipeline-call.ts";
import { GATEWAY_METADATA, type PipelineModels } from "../front/pipeline-models.ts";
import { payloadRequest } from "../load/tensor-inputs.ts";
import {
  configSchema,
  indexSchema,
  learnedModel,
  modelConfig,
  modelIndex,
  modelSchema,
  modelStatistics,
  serverSchema,
  stateOf,
  statisticsSchema,
} from "../protocol/hosted-models.ts";
import {
  deadlineOf,
  type ModelInferRequest,
  type ModelInferResponse,
  REQUEST_ID_HEADER,
  requestIdOf,
  TRACEPARENT,
} from "../protocol/messages.ts";
import { LIMITS } from "../security/limits.ts";
import { parseJson, readBody, unpacked } from "./bodies.ts";
import {
  encodeAnswer,
  type InferBody,
  inferRequestSchema,
  inferResponseSchema,
  JSON_LENGTH_HEADER,
  parseInfer,
} from "./infer-body.ts";
import { type App, contentOf, describer, type ModelName, onGone } from "./route.ts";

const describePublic = describer("public", "inference");
const describe = describer("infer", "inference");

export function addModelRoutes(app: App, models: PipelineModels): void {
  const model = z.enum([...models.byName.keys()] as [string, ...string[]]);
  const unversioned = z.object({ model });
  const versioned = z.object({ model, version: z.enum(["1"]) });
  const paths = [
    ["/v2/models/:model", "", unversioned],
    ["/v2/models/:model/versions/:version", "Version", versioned],
  ] as const;
  addServerRoutes(app, models);
  for (const [path, suffix, params] of paths) addRoutesOf(app, models, path, suffix, params);
  app.register(async (scope: App) => addInferRoutes(scope, models, paths));
  app.register(async (scope: App) => addRepositoryRoutes(scope, models, unversioned));
}

function addServerRoutes(app: App, { gateway, byName }: PipelineModels): void {
  const deployment = gateway.specification.id;
  const own = z.string().describe("tells one deployment from another");
  const schema = serverSchema.extend({ deployment: own });
  const server = describePublic("getServer", "What this server is", schema);
  app.get("/v2", server, () => ({ ...GATEWAY_METADATA, deployment }));
  const live = describePublic("getLive", "Whether it runs", z.strictObject({ live: z.boolean() }));
  app.get("/v2/health/live", live, () => ({ live: true }));
  const summary = "Whether it takes requests and every replica is up";
  const ready = describePublic("getReady", summary, yesOrNo(z.object({ ready: z.boolean() })));
  app.get("/v2/health/ready", ready, (_, reply) =>
    reply.code(gateway.ready ? 200 : 503).send({ ready: gateway.ready }),
  );
  const statistics = "Counts and times of every pipeline";
  app.get("/v2/models/stats", describe("getAllStatistics", statistics, statisticsSchema), () => ({
    model_stats: modelStatistics(byName, {}),
  }));
}

/** The routes of a model that have no body, with or without its version. */
function addRoutesOf(
  app: App,
  models: PipelineModels,
  path: string,
  suffix: string,
  params: z.ZodType<ModelName>,
): void {
  const { byName } = models;
  const learned = ({ model, version }: ModelName) => learnedModel(byName, model, version);
  app.get(
    path,
    describe(`getModel${suffix}`, "A pipeline's inputs and outputs", modelSchema, { params }),
    async (request) => (await learned(request.params)).metadata,
  );
  const config = "A pipeline as Triton describes models";
  app.get(
    `${path}/config`,
    describe(`getModelConfig${suffix}`, config, configSchema, { params }),
    async (request) => modelConfig(await learned(request.params)),
  );
  const statistics = "Counts and times of a pipeline";
  app.get(
    `${path}/stats`,
    describe(`getModelStatistics${suffix}`, statistics, statisticsSchema, { params }),
    ({ params: { model: name, ...version } }) => ({
      model_stats: modelStatistics(byName, { name, ...version }),
    }),
  );
  const ready = yesOrNo(z.object({ name: z.string(), ready: z.boolean() }));
  app.get(
    `${path}/ready`,
    describePublic(`getModelReady${suffix}`, "Whether a pipeline can infer", ready, { params }),
    ({ params: { model, version } }, reply) => {
      const isReady = models.named(model, version).ready();
      return reply.code(isReady ? 200 : 503).send({ name: model, ready: isReady });
    },
  );
}

function yesOrNo(schema: z.ZodObject): Record<number, z.ZodType> {
  return { 200: schema.strict().describe("yes"), 503: schema.strict().describe("no") };
}

/** Triton's routes that list models, load and unload them. Each may come without a body. */
function addRepositoryRoutes(app: App, models: PipelineModels, params: z.ZodType<ModelName>): void {
  app.addContentTypeParser("*", async (request: FastifyRequest) => {
    const body = await readBody(request);
    return body.length === 0 ? {} : parseJson(body);
  });
  app.addHook("preValidation", (request, _reply, done) => {
    request.body ??= {};
    done();
  });
  app.post(
    "/v2/repository/index",
    describe("getIndex", "Every pipeline and its state", indexSchema, {
      body: indexRequestSchema,
      "x-body-optional": true,
    }),
    ({ body }) => modelIndex(models.byName, body.ready ?? false),
  );
  const describeControl = describer("admin", "control");
  const actions = [
    ["unload", "Answer what was taken, take no more, give the models' memory back"],
    ["load", "Load a pipeline's models, on every replica"],
  ] as const;
  for (const [action, summary] of actions) {
    app.post(
      `/v2/repository/models/:model/${action}`,
      describeControl(`${action}Model`, summary, controlSchema, {
        params,
        body: controlRequestSchema,
        "x-body-optional": true,
      }),
      async ({ params: { model }, body }) => {
        const loads = await models[action](model, body.parameters?.task);
        const told = loads.map(({ replica, loadMs }) => ({ replica, load_ms: loadMs }));
        return { name: model, ...stateOf(models.named(model)), loads: told };
      },
    );
  }
}

const indexRequestSchema = z
  .looseObject({ ready: z.boolean().optional().describe("only models that are ready") })
  .meta({ examples: [{ ready: true }] });

const controlRequestSchema = z
  .looseObject({
    parameters: z
      .looseObject({
        task: z.string().max(LIMITS.nameLength).optional().describe("this task's model alone"),
      })
      .optional()
      .describe("the gateway ignores unknown ones"),
  })
  .meta({ examples: [{}] });

const controlSchema = z
  .strictObject({
    name: z.string(),
    state: z.string(),
    reason: z.string(),
    loads: z
      .array(z.strictObject({ replica: z.string(), load_ms: z.number().nullable() }))
      .describe("what each replica's load took"),
  })
  .describe("done");

/** Content types of bodies that are the payload itself. */
const PAYLOAD_TYPE = /^(image\/|application\/octet-stream)/i;
const inferHeaders = z.looseObject({
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

const inferBody = contentOf({
  "application/json": inferRequestSchema.meta({
    examples: [
      {
        id: "1",
        inputs: [{ name: "payload", datatype: "BYTES", shape: [2], data: ["text", "more text"] }],
      },
    ],
  }),
  "image/*": z.file(),
  "application/octet-stream": z.file(),
});

const inferAnswer = contentOf({
  "application/json": inferResponseSchema,
  "application/octet-stream": z.file(),
});

/** `paths`: of the models, each with the suffix of its operation and the schema of its parameters. */
function addInferRoutes(
  app: App,
  models: PipelineModels,
  paths: readonly (readonly [string, string, z.ZodType<ModelName>])[],
): void {
  app.addContentTypeParser("*", readBody);
  for (const [path, suffix, params] of paths) {
    app.post(
      `${path}/infer`,
      {
        ...describe(`infer${suffix}`, "Run a pipeline", inferAnswer, {
          params,
          headers: inferHeaders,
          body: inferBody,
          description: "Each element of the payload is an inference of its own.",
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
  readonly headers: FastifyRequest["headers"] & z.output<typeof inferHeaders>;
}

interface Exchange {
  readonly models: PipelineModels;
  readonly request: InferRequest;
  readonly reply: FastifyReply;
}

async function infer(exchange: Exchange): Promise<FastifyReply> {
  const { request, reply } = exchange;
  const { params, headers } = request;
  const type = headers["content-type"] ?? "";
  if (/^multipart\//i.test(type)) {
    throw new Fault("invalid-input", "multipart forms are not taken", {
      hint: "send one picture as image/* or application/octet-stream, several as application/json",
    });
  }
  const received = (request.body as Buffer | undefined) ?? Buffer.alloc(0);
  const bytes = await unpacked(received, headers["content-encoding"]);
  const jsonLength = headers[JSON_LENGTH_HEADER];
  const isPayload = PAYLOAD_TYPE.test(type) && !jsonLength;
  if (isPayload) {
    const message = { modelName: params.model, ...payloadRequest(bytes) };
    return send(reply, await answerOf(exchange, message), () => false);
  }
  const { message, isBinary } = parseInfer(params, bytes, jsonLength);
  if (headers[REQUEST_ID_HEADER] === undefined) request.id = requestIdOf(message.id, request.id);
  return send(reply, await answerOf(exchange, message), isBinary);
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
