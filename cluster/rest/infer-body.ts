/** Inference requests over HTTP: an image as it is, or the protocol's JSON. */
import { z } from "zod";
import { Fault } from "../../core/fault.ts";
import { bytesTensor } from "../protocol/bytes-tensor.ts";
import type { ModelInferRequest, ModelInferResponse, Parameters } from "../protocol/messages.ts";
import { parsed, parseJson } from "./body.ts";

const parameters = z.record(z.string(), z.union([z.string(), z.number(), z.boolean()]));

export const inferRequestSchema = z.looseObject({
  id: z.string().optional(),
  parameters: parameters.optional(),
  inputs: z.array(
    z.looseObject({
      name: z.string(),
      datatype: z.string(),
      shape: z.array(z.int().nonnegative()),
      data: z.array(z.unknown()),
    }),
  ),
});

export const inferResponseSchema = z.strictObject({
  model_name: z.string(),
  model_version: z.string(),
  id: z.string().optional(),
  outputs: z.array(
    z.strictObject({
      name: z.string(),
      datatype: z.string(),
      shape: z.array(z.int()),
      data: z.array(z.unknown()),
    }),
  ),
});

/** Throws Fault("invalid-input") when the body is neither. */
export function parseInfer(model: string, contentType: string, body: Buffer): ModelInferRequest {
  if (/^(image\/|application\/octet-stream)/.test(contentType)) {
    return requestOf(model, body, {});
  }
  const { id, inputs, parameters: given } = parsed(inferRequestSchema, parseJson(body));
  const tensor = inputs.find(({ name }) => name === "payload");
  if (tensor?.datatype !== "BYTES" || tensor.data.length !== 1) {
    throw new Fault("invalid-input", "the body has no input tensor payload of one BYTES element", {
      hint: '{"inputs":[{"name":"payload","datatype":"BYTES","shape":[1],"data":["<base64>"]}]}',
    });
  }
  return requestOf(model, fromBase64(tensor.data[0]), {
    ...(id === undefined ? {} : { id }),
    parameters: parametersOf(given ?? {}),
  });
}

/** Those that mean something here; the others are for other servers. */
function parametersOf({
  index,
  deadline_ms,
  idempotency_key,
}: Readonly<Record<string, unknown>>): Parameters {
  return {
    ...(typeof index === "number" ? { index: { int64Param: index } } : {}),
    ...(typeof deadline_ms === "number" ? { deadline_ms: { doubleParam: deadline_ms } } : {}),
    ...(typeof idempotency_key === "string"
      ? { idempotency_key: { stringParam: idempotency_key } }
      : {}),
  };
}

function requestOf(
  modelName: string,
  payload: Uint8Array,
  rest: Partial<ModelInferRequest>,
): ModelInferRequest {
  const { tensor, raw } = bytesTensor("payload", [payload]);
  return { modelName, inputs: [tensor], rawInputContents: [raw], ...rest };
}

function fromBase64(text: unknown): Buffer {
  if (typeof text !== "string" || !/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text)) {
    throw new Fault("invalid-input", "payload is not base64");
  }
  return Buffer.from(text, "base64");
}

/** The protocol's JSON of a response whose outputs are BYTES of text. */
export function inferJson(response: ModelInferResponse, texts: readonly string[]): object {
  const { modelName, modelVersion, id = "", outputs } = response;
  return {
    model_name: modelName,
    model_version: modelVersion,
    ...(id === "" ? {} : { id }),
    outputs: outputs.map(({ name, datatype, shape }) => ({ name, datatype, shape, data: texts })),
  };
}
