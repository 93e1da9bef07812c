/** The Open Inference Protocol's HTTP routes: a pipeline is a model to its caller. */
import { z } from "zod";
import { Fault } from "../../core/fault.ts";
import type { Gateway } from "../gateway/gateway.ts";
import { callPipeline } from "../gateway/pipeline-call.ts";
import { GATEWAY_METADATA, pipelineMetadata } from "../gateway/pipeline-metadata.ts";
import { REQUEST_ID_HEADER, TRACEPARENT } from "../observe/call-context.ts";
import { elementsOf } from "../protocol/bytes-tensor.ts";
import type { ModelInferRequest } from "../protocol/messages.ts";
import { DEADLINE_PARAMETER } from "../protocol/service.ts";
import { inferJson, inferRequestSchema, inferResponseSchema, parseInfer } from "./infer-body.ts";
import { json, type Operation, type Reply, type RestCall, type Route } from "./route.ts";

const tag = "inference";
const JSON_TYPE = "application/json";

export function oipRoutes(gateway: Gateway): readonly Route[] {
  return [...serverRoutes(gateway), ...modelRoutes(gateway)];
}

function serverRoutes(gateway: Gateway): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/v2",
      role: "public",
      operation: operation("getServer", "What this server is", SERVER),
      handle: () => json({ ...GATEWAY_METADATA, deployment: gateway.specification.id }),
    },
    {
      method: "GET",
      path: "/v2/health/live",
      role: "public",
      operation: operation("getLive", "Whether the server runs", z.strictObject({ live: FLAG })),
      handle: () => json({ live: true }),
    },
    {
      method: "GET",
      path: "/v2/health/ready",
      role: "public",
      operation: readiness("getReady", "Whether every replica is up", READY),
      handle: () => json({ ready: gateway.ready }, gateway.ready ? 200 : 503),
    },
  ];
}

function modelRoutes(gateway: Gateway): readonly Route[] {
  return [
    {
      method: "GET",
      path: "/v2/models/{model}",
      role: "infer",
      operation: operation("getModel", "A pipeline's inputs and outputs", MODEL),
      handle: ({ params }) => json(pipelineMetadata(gateway, params.model)),
    },
    {
      method: "GET",
      path: "/v2/models/{model}/ready",
      role: "public",
      operation: readiness("getModelReady", "Whether a pipeline can infer", MODEL_READY),
      handle: ({ params: { model } }) => {
        gateway.pipelineNamed(model);
        return json({ name: model, ready: gateway.ready }, gateway.ready ? 200 : 503);
      },
    },
    {
      method: "POST",
      path: "/v2/models/{model}/infer",
      role: "infer",
      operation: {
        ...operation("infer", "Run a pipeline on one input", inferResponseSchema),
        request: {
          [JSON_TYPE]: inferRequestSchema,
          "image/*": BINARY,
          "application/octet-stream": BINARY,
        },
        examples: { [JSON_TYPE]: EXAMPLE },
      },
      handle: (call) => infer(gateway, call),
    },
  ];
}

async function infer(gateway: Gateway, call: RestCall): Promise<Reply> {
  const { model } = call.params;
  gateway.pipelineNamed(model);
  const type = call.headers["content-type"] ?? "";
  const message = withKey(call, parseInfer(model, type, await call.body()));
  return answered(gateway, call, message, deadlineOf(call, message));
}

/** The header's idempotency key is as good as the parameter. */
function withKey({ headers }: RestCall, message: ModelInferRequest): ModelInferRequest {
  const key = headers["idempotency-key"];
  if (key === undefined) return message;
  const parameters = { ...message.parameters, idempotency_key: { stringParam: String(key) } };
  return { ...message, parameters };
}

/** The header's timeout, in seconds as usual, or the parameter's milliseconds. */
function deadlineOf({ headers }: RestCall, { parameters }: ModelInferRequest): number | undefined {
  const given = headers["request-timeout"];
  if (given === undefined) return parameters?.[DEADLINE_PARAMETER]?.doubleParam;
  const seconds = Number(given);
  if (seconds > 0) return seconds * 1000;
  throw new Fault("invalid-input", `request-timeout is ${JSON.stringify(given)}, not seconds`);
}

function answered(
  gateway: Gateway,
  call: RestCall,
  message: ModelInferRequest,
  deadlineMs: number | undefined,
): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const header = (name: string): string | undefined => headerOf(call, name);
    const pipelineCall = { request: message, deadlineMs, header };
    const cancel = callPipeline(gateway, pipelineCall, (error, response) => {
      if (response === null) {
        reject(error);
        return;
      }
      const { outputs, rawOutputContents = [] } = response;
      const texts = elementsOf(outputs, rawOutputContents, "output") ?? [];
      const traceparent = response.parameters?.[TRACEPARENT]?.stringParam;
      const headers = traceparent === undefined ? {} : { [TRACEPARENT]: traceparent };
      resolve({ ...json(inferJson(response, texts.map(textOf))), headers });
    });
    call.onGone(cancel);
  });
}

function headerOf({ headers, requestId }: RestCall, name: string): string | undefined {
  if (name === REQUEST_ID_HEADER) return requestId;
  const value = headers[name];
  return typeof value === "string" ? value : undefined;
}

function textOf(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
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

const FLAG = z.boolean();
const BINARY = { type: "string", format: "binary" };
const READY = z.strictObject({ ready: FLAG });
const MODEL_READY = z.strictObject({ name: z.string(), ready: FLAG });
const SERVER = z.strictObject({
  name: z.string(),
  version: z.string(),
  extensions: z.array(z.string()),
  deployment: z.string().describe("tells one deployment from another"),
});
const TENSORS = z.array(
  z.strictObject({
    name: z.string(),
    datatype: z.string(),
    shape: z.array(z.int()).describe("-1: any size"),
  }),
);
const MODEL = z.strictObject({
  name: z.string(),
  versions: z.array(z.string()),
  platform: z.string(),
  inputs: TENSORS,
  outputs: TENSORS,
});
const EXAMPLE = {
  inputs: [{ name: "payload", datatype: "BYTES", shape: [1], data: ["cGljdHVyZQ=="] }],
};
