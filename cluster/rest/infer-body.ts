/**
 * Inference over HTTP: the protocol's JSON, with its binary extension (tensors behind the JSON,
 * whose length a header says), or a picture as it is.
 */
import { promisify } from "node:util";
import { gunzip, inflate } from "node:zlib";
import { Fault } from "../../core/fault.ts";
import { OUTPUT } from "../front/pipeline-tensors.ts";
import type {
  InferParameter,
  ModelInferRequest,
  ModelInferResponse,
  Parameters,
  Tensor,
} from "../protocol/messages.ts";
import { MAX_MESSAGE_BYTES } from "../protocol/service.ts";
import { bytesTensor } from "../protocol/tensors.ts";
import { LIMITS } from "../security/limits.ts";
import { parsed, parseJson } from "./body.ts";
import { exactText } from "./exact-json.ts";
import { inferRequestSchema } from "./infer-schemas.ts";
import type { Reply, RestCall } from "./route.ts";
import { dataOf, rawOf } from "./tensor-json.ts";

/** Length of the JSON before the tensors; in requests and in answers. */
export const JSON_LENGTH_HEADER = "inference-header-content-length";

const unpack = {
  gzip: promisify(gunzip),
  deflate: promisify(inflate),
} as const;

/** What a body asks for, and how its answer is to be written. */
export interface InferBody {
  readonly message: ModelInferRequest;
  /** Whether an output is wanted behind the JSON. */
  isBinary(name: string): boolean;
}

/** The body unpacked. Rejects with Fault("invalid-input"), Fault("limit-exceeded"). */
export async function unpackedBody(call: RestCall): Promise<Buffer> {
  const body = await call.body();
  const encoding = String(call.headers["content-encoding"] ?? "identity");
  if (encoding === "identity") return body;
  if (encoding !== "gzip" && encoding !== "deflate") {
    throw new Fault("invalid-input", `content-encoding is ${encoding}, not gzip or deflate`);
  }
  try {
    return await unpack[encoding](body, { maxOutputLength: MAX_MESSAGE_BYTES });
  } catch (error) {
    const tooLarge = (error as NodeJS.ErrnoException).code === "ERR_BUFFER_TOO_LARGE";
    throw new Fault(
      tooLarge ? "limit-exceeded" : "invalid-input",
      tooLarge
        ? `the body has more than ${MAX_MESSAGE_BYTES} bytes when unpacked`
        : `the body is not ${encoding}: ${(error as Error).message}`,
    );
  }
}

/** A picture, or whatever else the pipeline takes, as the payload. */
export function payloadRequest(modelName: string, payload: Uint8Array): ModelInferRequest {
  const { tensor, raw } = bytesTensor("payload", [payload]);
  return { modelName, inputs: [tensor], rawInputContents: [raw] };
}

/** The same for one who needs the JSON of the tasks, also where the last of them give tensors. */
export function payloadRequestForJson(modelName: string, payload: Uint8Array): ModelInferRequest {
  return { ...payloadRequest(modelName, payload), outputs: [{ name: OUTPUT }] };
}

/** Throws Fault("invalid-input") when the body is not the protocol's. */
export function parseInfer(call: RestCall, body: Buffer): InferBody {
  const given = call.headers[JSON_LENGTH_HEADER];
  const jsonLength = given === undefined ? body.length : Number(given);
  if (!Number.isInteger(jsonLength) || jsonLength < 0 || jsonLength > body.length) {
    throw new Fault("invalid-input", `${JSON_LENGTH_HEADER} is ${given}, the body ${body.length}`);
  }
  const json = parseJson(body.subarray(0, jsonLength));
  checkCounts(json);
  const document = parsed(inferRequestSchema, json);
  const inputs: Tensor[] = [];
  const rawInputContents: Uint8Array[] = [];
  let at = jsonLength;
  for (const { name, datatype, shape, data, parameters = {} } of document.inputs) {
    const { binary_data_size: size, ...rest } = parameters;
    const tensor: Tensor = { name, datatype, shape, parameters: parametersOf(rest) };
    inputs.push(tensor);
    if (size === undefined) {
      rawInputContents.push(rawOf(tensor, data ?? []));
      continue;
    }
    const end = at + Number(size);
    if (data !== undefined || !(Number(size) >= 0) || end > body.length) {
      throw new Fault("invalid-input", `tensor ${name} has no ${size} bytes behind the JSON`);
    }
    rawInputContents.push(body.subarray(at, end));
    at = end;
  }
  if (at !== body.length) {
    throw new Fault("invalid-input", `${body.length - at} bytes behind the JSON are no tensor's`);
  }
  const { binary_data_output: all, ...parameters } = document.parameters ?? {};
  const outputs = document.outputs ?? [];
  const own = new Map(outputs.map((output) => [output.name, output.parameters?.binary_data]));
  return {
    message: {
      modelName: call.params.model,
      modelVersion: call.params.version ?? "",
      id: document.id ?? "",
      parameters: parametersOf(parameters),
      inputs,
      outputs: outputs.map(({ name, parameters: asked = {} }) => {
        const { binary_data: _, ...rest } = asked;
        return { name, parameters: parametersOf(rest) };
      }),
      rawInputContents,
    },
    isBinary: (name) => (own.get(name) ?? all) === true,
  };
}

/** Before each part is looked at. Throws Fault("limit-exceeded"). */
function checkCounts(json: unknown): void {
  const { inputs, outputs } = Object(json) as { inputs?: unknown; outputs?: unknown };
  for (const list of [inputs, outputs]) {
    if (!Array.isArray(list) || list.length <= LIMITS.tensors) continue;
    throw new Fault("limit-exceeded", `${list.length} tensors are more than ${LIMITS.tensors}`);
  }
}

/** The answer as it was asked for. Throws Fault("limit-exceeded") for one that is too large for JSON. */
export function inferReply(response: ModelInferResponse, isBinary: InferBody["isBinary"]): Reply {
  const { rawOutputContents = [] } = response;
  checkSize(
    response.outputs.filter(({ name }) => !isBinary(name)),
    response,
  );
  const behind: Uint8Array[] = [];
  let hasWide = false;
  const outputs = response.outputs.map((tensor, i) => {
    const { name, datatype, shape } = tensor;
    const raw = rawOutputContents[i];
    if (!isBinary(name)) {
      const data = dataOf(tensor, raw);
      hasWide ||= data.some((value) => typeof value === "bigint");
      return { name, datatype, shape, data };
    }
    behind.push(raw);
    return { name, datatype, shape, parameters: { binary_data_size: raw.length } };
  });
  const body = { ...headOf(response), outputs };
  if (behind.length === 0) return { status: 200, body: hasWide ? exactText(body) : body };
  const json = Buffer.from(hasWide ? exactText(body) : JSON.stringify(body));
  return {
    status: 200,
    contentType: "application/octet-stream",
    headers: { [JSON_LENGTH_HEADER]: String(json.length) },
    body: Buffer.concat([json, ...behind]),
  };
}

/** Numbers become text one by one, and nobody else is served meanwhile. */
function checkSize(
  asJson: readonly Tensor[],
  { outputs, rawOutputContents = [] }: ModelInferResponse,
): void {
  const bytes = asJson.reduce(
    (sum, tensor) => sum + rawOutputContents[outputs.indexOf(tensor)].length,
    0,
  );
  if (bytes <= LIMITS.jsonBytes) return;
  const what = `the outputs have ${bytes} bytes; as JSON they may have ${LIMITS.jsonBytes}`;
  throw new Fault("limit-exceeded", what, {
    hint: "ask for them behind the JSON, by the parameter binary_data_output, or for fewer outputs",
  });
}

/** What an answer says besides its outputs. */
export function headOf({ modelName, modelVersion, id = "" }: ModelInferResponse): object {
  return {
    model_name: modelName,
    model_version: modelVersion,
    ...(id === "" ? {} : { id }),
  };
}

/** A whole number is an int64, as Triton reads it. */
function parametersOf(given: Readonly<Record<string, string | number | boolean>>): Parameters {
  const entries = Object.entries(given).map(([key, value]): [string, InferParameter] => {
    if (typeof value === "string") return [key, { stringParam: value }];
    if (typeof value === "boolean") return [key, { boolParam: value }];
    return [key, Number.isSafeInteger(value) ? { int64Param: value } : { doubleParam: value }];
  });
  return Object.fromEntries(entries);
}
