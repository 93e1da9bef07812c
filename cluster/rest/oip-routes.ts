/** The Open Inference Protocol's HTTP routes, with Triton's: a pipeline is a model to its caller. */
import type { z } from "zod";
import { GATEWAY_METADATA, type PipelineModels } from "../front/pipeline-models.ts";
import {
  learnedModel,
  modelConfig,
  modelIndex,
  modelStatistics,
} from "../protocol/hosted-models.ts";
import { parsed, parseJson } from "./body.ts";
import { JSON_LENGTH_HEADER } from "./infer-body.ts";
import { inferRoute } from "./infer-route.ts";
import {
  configSchema,
  indexRequestSchema,
  indexSchema,
  inferRequestSchema,
  inferResponseSchema,
  liveSchema,
  modelReadySchema,
  modelSchema,
  readySchema,
  serverSchema,
  statisticsSchema,
} from "./infer-schemas.ts";
import { json, type Operation, type RestCall, type Route } from "./route.ts";
import { snakeCase } from "./snake-case.ts";

const tag = "inference";
const JSON_TYPE = "application/json";
const BINARY = { type: "string", format: "binary" };

export function oipRoutes(models: PipelineModels): readonly Route[] {
  return [
    ...serverRoutes(models),
    ...modelRoutes(models, "/v2/models/{model}", ""),
    ...modelRoutes(models, "/v2/models/{model}/versions/{version}", "Version"),
  ];
}

function serverRoutes(models: PipelineModels): readonly Route[] {
  const { gateway, byName } = models;
  const isReady = (): boolean => gateway.ready;
  return [
    get("/v2", "public", operation("getServer", "What this server is", serverSchema), () => ({
      ...GATEWAY_METADATA,
      deployment: gateway.specification.id,
    })),
    get("/v2/health/live", "public", operation("getLive", "Whether it runs", liveSchema), () => ({
      live: true,
    })),
    {
      method: "GET",
      path: "/v2/health/ready",
      role: "public",
      operation: readiness(
        "getReady",
        "Whether it takes requests and every replica is up",
        readySchema,
      ),
      handle: () => json({ ready: isReady() }, isReady() ? 200 : 503),
    },
    get(
      "/v2/models/stats",
      "infer",
      operation("getAllStatistics", "Counts and times of every pipeline", statisticsSchema),
      () => statistics(models, {}),
    ),
    {
      method: "POST",
      path: "/v2/repository/index",
      role: "infer",
      operation: {
        ...operation("getIndex", "Every pipeline and its state", indexSchema),
        request: { [JSON_TYPE]: indexRequestSchema },
        bodyOptional: true,
        examples: { [JSON_TYPE]: { ready: true } },
      },
      handle: async (call) => {
        const body = await call.body();
        const { ready } = parsed(indexRequestSchema, body.length === 0 ? {} : parseJson(body));
        return json(modelIndex(byName, ready ?? false));
      },
    },
  ];
}

/** The routes of a model at `path`, with or without its version. */
function modelRoutes(models: PipelineModels, path: string, suffix: string): readonly Route[] {
  const named = ({ params }: RestCall) => models.named(params.model, params.version);
  const learned = ({ params }: RestCall) =>
    learnedModel(models.byName, params.model, params.version);
  return [
    get(
      path,
      "infer",
      operation(`getModel${suffix}`, "A pipeline's inputs and outputs", modelSchema),
      async (call) => (await learned(call)).metadata,
    ),
    get(
      `${path}/config`,
      "infer",
      operation(`getModelConfig${suffix}`, "A pipeline as Triton describes models", configSchema),
      async (call) => snakeCase(modelConfig(await learned(call))) as object,
    ),
    get(
      `${path}/stats`,
      "infer",
      operation(`getModelStatistics${suffix}`, "Counts and times of a pipeline", statisticsSchema),
      ({ params }) => statistics(models, { name: params.model, version: params.version }),
    ),
    {
      method: "GET",
      path: `${path}/ready`,
      role: "public",
      operation: readiness(
        `getModelReady${suffix}`,
        "Whether a pipeline can infer",
        modelReadySchema,
      ),
      handle: (call) => {
        const ready = named(call).ready();
        return json({ name: call.params.model, ready }, ready ? 200 : 503);
      },
    },
    {
      method: "POST",
      path: `${path}/infer`,
      role: "infer",
      operation: inferOperation(`infer${suffix}`),
      handle: (call) => inferRoute(models, call),
    },
  ];
}

function statistics(models: PipelineModels, asked: { name?: string; version?: string }): object {
  return { model_stats: snakeCase(modelStatistics(models.byName, asked)) };
}

function inferOperation(id: string): Operation {
  const form = {
    type: "object",
    additionalProperties: { type: "array", items: BINARY },
    description: "one or more files, each an inference of its own",
  };
  return {
    id,
    tag,
    summary: "Run a pipeline",
    description:
      "Each element of the payload is an inference of its own. Accept: image/png (or jpeg, webp) " +
      "asks for the picture with what was found drawn on it. With several files in a form, one " +
      "that fails has its error in place of its answer.",
    parameters: [
      {
        name: JSON_LENGTH_HEADER,
        in: "header",
        description: "bytes of the JSON, when tensors follow it",
        schema: { type: "integer", minimum: 0 },
      },
      {
        name: "idempotency-key",
        in: "header",
        description: "requests with one key run once and get one answer",
        schema: { type: "string", minLength: 1, maxLength: 255 },
      },
      {
        name: "request-timeout",
        in: "header",
        description: "seconds that the caller waits",
        schema: { type: "number", exclusiveMinimum: 0 },
      },
    ],
    request: {
      [JSON_TYPE]: inferRequestSchema,
      "multipart/form-data": form,
      "image/*": BINARY,
      "application/octet-stream": BINARY,
    },
    examples: { [JSON_TYPE]: EXAMPLE },
    responses: {
      200: {
        description: "the answer",
        content: {
          [JSON_TYPE]: inferResponseSchema,
          "application/octet-stream": BINARY,
          "image/png": BINARY,
          "image/jpeg": BINARY,
          "image/webp": BINARY,
        },
      },
    },
  };
}

function get(
  path: string,
  role: Route["role"],
  described: Operation,
  value: (call: RestCall) => object | Promise<object>,
): Route {
  const handle = async (call: RestCall) => json(await value(call));
  return { method: "GET", path, role, operation: described, handle };
}

function operation(id: string, summary: string, schema: z.ZodType): Operation {
  return {
    id,
    tag,
    summary,
    responses: { 200: { description: "the answer", content: { [JSON_TYPE]: schema } } },
  };
}

/** One whose answer is 503 where the answer is no. */
function readiness(id: string, summary: string, schema: z.ZodType): Operation {
  const content = { [JSON_TYPE]: schema };
  const responses = { 200: { description: "yes", content }, 503: { description: "no", content } };
  return { id, tag, summary, responses };
}

const EXAMPLE = {
  id: "1",
  inputs: [{ name: "payload", datatype: "BYTES", shape: [2], data: ["text", "more text"] }],
};
