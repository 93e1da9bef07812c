/** Bodies of HTTP requests. */
import type { IncomingMessage } from "node:http";
import { Fault } from "../../core/fault.ts";
import { MAX_MESSAGE_BYTES } from "../protocol/service.ts";

/** Throws Fault("limit-exceeded") for more than 64 MiB. */
export async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_MESSAGE_BYTES) {
      throw new Fault("limit-exceeded", `the body has more than ${MAX_MESSAGE_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** Throws Fault("invalid-input") for what is no JSON object. */
export function parseJson(body: Buffer): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(body.toString("utf8"));
  } catch (error) {
    throw new Fault("invalid-input", `the body is no JSON: ${(error as Error).message}`);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new Fault("invalid-input", "the body is no JSON object");
  }
  return value as Record<string, unknown>;
}

/** What a request asks to infer: an image as it is, or the protocol's JSON with it in base64. */
export interface InferBody {
  readonly id: string | null;
  readonly index: number | null;
  readonly payload: Uint8Array;
}

/** Throws a Fault when the body is neither. */
export function parseInfer(contentType: string, body: Buffer): InferBody {
  if (/^(image\/|application\/octet-stream)/.test(contentType)) {
    return { id: null, index: null, payload: body };
  }
  const { id, inputs, parameters } = parseJson(body);
  const tensors = Array.isArray(inputs) ? (inputs as Record<string, unknown>[]) : [];
  const tensor = tensors.find((entry) => entry?.name === "payload");
  const data = Array.isArray(tensor?.data) ? (tensor.data as unknown[]) : [];
  if (tensor?.datatype !== "BYTES" || data.length !== 1 || typeof data[0] !== "string") {
    throw new Fault("invalid-input", "the body has no input tensor payload of one BYTES element", {
      hint: '{"inputs":[{"name":"payload","datatype":"BYTES","shape":[1],"data":["<base64>"]}]}',
    });
  }
  const index = (parameters as Record<string, unknown> | undefined)?.index;
  return {
    id: typeof id === "string" ? id : null,
    index: typeof index === "number" ? index : null,
    payload: fromBase64(data[0]),
  };
}

function fromBase64(text: string): Buffer {
  if (!/^[A-Za-z0-9+/\s]*={0,2}\s*$/.test(text)) {
    throw new Fault("invalid-input", "payload is not base64");
  }
  return Buffer.from(text, "base64");
}
