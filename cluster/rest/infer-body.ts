/**
 * The protocol's JSON, and its binary extension: tensors behind the JSON, whose length is in a header. Whole
 * numbers beyond 2^53 are bigints. JSON has null for NaN and infinities, which the extension carries.
 */
import { z } from "zod";
import { Fault } from "../../engine/basics/fault.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
import { checkedCount, encodeBytes, type NumericDatatype, numbersOf } from "../../models/tensor.ts";
import type {
  InferParameter,
  ModelInferResponse,
  Parameters,
  Tensor,
} from "../protocol/messages.ts";
import {
  DATATYPES,
  decodeBytes,
  elementCheck,
  encodeNumbers,
  type NumericElements,
} from "../protocol/tensors.ts";
import { LIMITS } from "../security/limits.ts";
import { exactText, parsed, parseJson } from "./bodies.ts";
import type { ModelName } from "./route.ts";

/** Length of the JSON before the tensors; in requests and in answers. */
export const JSON_LENGTH_HEADER = "inference-header-content-length";

const name = z.string().max(LIMITS.nameLength);

const parameters = z
  .record(name, z.union([name, z.number(), z.boolean()]))
  .refine((given) => Object.keys(given).length <= LIMITS.parameters, {
    message: `more than ${LIMITS.parameters} parameters`,
  })
  .meta({ maxProperties: LIMITS.parameters })
  .describe("any; the gateway ignores unknown ones");

const inputTensor = z.looseObject({
  name: name.describe("payload, or an input of the first task's model"),
  datatype: z.enum(DATATYPES as [string, ...string[]]),
  shape: z.array(z.int().nonnegative()).max(LIMITS.rank),
  parameters: parameters
    .optional()
    .describe("binary_data_size: its bytes behind the JSON; content_type: base64"),
  data: z
    .array(z.unknown())
    .optional()
    .describe("row-major, nested or flat; BYTES are text, pictures base64"),
});

/** Body of an inference. */
export const inferRequestSchema = z.looseObject({
  id: name.optional().describe("comes back with the answer"),
  parameters: parameters
    .optional()
    .describe("deadline_ms, timeout, priority, scheduler, idempotency_key; binary_data_output"),
  inputs: z.array(inputTensor).min(1).max(LIMITS.tensors),
  outputs: z
    .array(z.looseObject({ name, parameters: parameters.optional() }))
    .max(LIMITS.tensors)
    .optional()
    .describe("default: all, as JSON"),
});

export const inferResponseSchema = z.strictObject({
  model_name: z.string(),
  model_version: z.string(),
  id: z.string().optional(),
  files: z.array(z.string()).optional().describe("names of the files, one for each element"),
  outputs: z.array(
    z.strictObject({
      name: z.string(),
      datatype: z.string(),
      shape: z.array(z.int()),
      parameters: parameters.optional(),
      data: z.array(z.unknown()).optional(),
    }),
  ),
});

export type InferBody = ReturnType<typeof parseInfer>;

/** Throws Fault("invalid-input") when the body is not the protocol's. */
export function parseInfer(
  { model, version = "" }: ModelName,
  body: Buffer,
  jsonLength = body.length,
) {
  if (jsonLength > body.length) {
    const message = `${JSON_LENGTH_HEADER} is ${jsonLength}, the body ${body.length}`;
    throw new Fault("invalid-input", message);
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
      modelName: model,
      modelVersion: version,
      id: document.id ?? "",
      parameters: parametersOf(parameters),
      inputs,
      outputs: outputs.map(({ name, parameters: asked = {} }) => {
        const { binary_data: _, ...rest } = asked;
        return { name, parameters: parametersOf(rest) };
      }),
      rawInputContents,
    },
    /** Whether the caller wants an output behind the JSON. */
    isBinary: (name: string): boolean => (own.get(name) ?? all) === true,
  };
}

/** Runs before the schema looks at each tensor. Throws Fault("limit-exceeded"). */
function checkCounts(json: unknown): void {
  const { inputs, outputs } = Object(json) as { inputs?: unknown; outputs?: unknown };
  for (const list of [inputs, outputs]) {
    if (!Array.isArray(list) || list.length <= LIMITS.tensors) continue;
    throw new Fault("limit-exceeded", `${list.length} tensors are more than ${LIMITS.tensors}`);
  }
}

/** Throws Fault("limit-exceeded") for outputs too large for JSON: it would hold up all other requests. */
export function encodeAnswer(
  response: ModelInferResponse,
  isBinary: InferBody["isBinary"],
): { readonly json: string; readonly behind: readonly Uint8Array[] } {
  const { rawOutputContents = [] } = response;
  const bytes = sumOf(
    response.outputs.map(({ name }, i) => (isBinary(name) ? 0 : rawOutputContents[i].length)),
  );
  if (bytes > LIMITS.jsonBytes) {
    const message = `the outputs have ${bytes} bytes; as JSON they may have ${LIMITS.jsonBytes}`;
    throw new Fault("limit-exceeded", message, {
      hint: "ask for them behind the JSON, by the parameter binary_data_output, or for fewer outputs",
    });
  }
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
  const answer = { ...headOf(response), outputs };
  return { json: hasWide ? exactText(answer) : JSON.stringify(answer), behind };
}

/** The fields of an answer besides its outputs. */
function headOf({ modelName, modelVersion, id }: ModelInferResponse): object {
  return { model_name: modelName, model_version: modelVersion, id: id || undefined };
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

/** The protocol has no JSON form of 16-bit floats. */
const IN_JSON = DATATYPES.filter((datatype) => !/^(FP|BF)16$/.test(datatype));

/** First bytes of the pictures that models take: PNG, JPEG, RIFF (WebP). */
const PICTURES = [/^\x89PNG/, /^\xff\xd8\xff/, /^RIFF/];

/**
 * Raw contents of JSON data, nested or flat. Texts of BYTES are decoded where content_type says base64, or
 * where they are pictures in base64. Throws Fault("invalid-input") for data that do not fit.
 */
function rawOf(tensor: Tensor, data: readonly unknown[]): Uint8Array {
  const values = data.some(Array.isArray) ? data.flat(Number.POSITIVE_INFINITY) : data;
  const count = checkedCount(tensor);
  const { name, datatype } = tensor;
  if (values.length !== count) {
    const message = `tensor ${name} has ${values.length} elements where its shape says ${count}`;
    throw new Fault("invalid-input", message);
  }
  if (datatype === "BYTES") return encodeBytes(values.map((value) => bytesOf(tensor, value)));
  if (!IN_JSON.includes(datatype)) {
    throw new Fault("invalid-input", `tensor ${name} cannot have datatype "${datatype}" in JSON`, {
      hint: `JSON takes ${IN_JSON.join(", ")}; the binary extension any`,
    });
  }
  const isElement = elementCheck(datatype);
  const wrong = values.findIndex((value) => !isElement(value));
  if (wrong < 0) return encodeNumbers(datatype, values as NumericElements);
  const value = values[wrong];
  const text = (typeof value === "bigint" ? String(value) : JSON.stringify(value))?.slice(0, 40);
  throw new Fault("invalid-input", `tensor ${name} has an element ${text}, no ${datatype}`);
}

/** JSON data of raw contents, flat. Throws Fault("invalid-input") for datatypes without a JSON form. */
function dataOf(tensor: Tensor, raw: Uint8Array): readonly unknown[] {
  const { name, datatype } = tensor;
  if (datatype === "BYTES") {
    return decodeBytes(raw, checkedCount(tensor)).map((bytes) => Buffer.from(bytes).toString());
  }
  if (IN_JSON.includes(datatype)) {
    const numbers = numbersOf(datatype as NumericDatatype, raw);
    return datatype === "BOOL" ? numbers.map((number) => number !== 0) : numbers;
  }
  throw new Fault("invalid-input", `output ${name} has datatype ${datatype}, not for JSON`, {
    hint: "ask for it with the parameter binary_data",
  });
}

function bytesOf({ name, parameters }: Tensor, value: unknown): Buffer {
  if (typeof value !== "string") {
    throw new Fault("invalid-input", `tensor ${name} has an element that is no text`, {
      hint: "a picture is sent in base64",
    });
  }
  // Trimmed first: two places for the same spaces would take quadratic time.
  const isBase64 = /^[A-Za-z0-9+/\s]+={0,2}$/.test(value.trimEnd());
  if (parameters?.content_type?.stringParam === "base64") {
    if (isBase64 || value === "") return Buffer.from(value, "base64");
    throw new Fault("invalid-input", `tensor ${name} has an element that is not base64`);
  }
  if (isBase64) {
    const start = Buffer.from(value.slice(0, 12), "base64").toString("latin1");
    if (PICTURES.some((picture) => picture.test(start))) return Buffer.from(value, "base64");
  }
  return Buffer.from(value);
}
