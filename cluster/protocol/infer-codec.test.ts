import type { ServiceDefinition } from "@grpc/grpc-js";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { cases } from "../../checks/support/test-form.test-support.ts";
import { FOREIGN_SERVICE as reflected } from "./foreign-service.test-support.ts";
import { INFERENCE_SERVICE } from "./infer-codec.ts";
import type { InferParameter, ModelInferRequest, ModelInferResponse } from "./messages.ts";

const { ModelInfer, ModelStreamInfer } = INFERENCE_SERVICE;

const text = fc.oneof(
  fc.string({ unit: "binary", maxLength: 8 }),
  fc.constantFrom("payload", "upstream", "BYTES", "a".repeat(127), "ä".repeat(64), "b".repeat(500)),
);
const integer = fc.oneof(
  fc.maxSafeInteger(),
  fc.constantFrom(0, -1, 127, 128, 2 ** 32, -(2 ** 32)),
);
const bytes = fc.uint8Array({ maxLength: 300 }).map((given) => Buffer.from(given));
const parameter = fc.oneof<fc.Arbitrary<InferParameter>[]>(
  fc.boolean().map((boolParam) => ({ boolParam })),
  integer.map((int64Param) => ({ int64Param })),
  text.map((stringParam) => ({ stringParam })),
  fc.double({ noNaN: true }).map((doubleParam) => ({ doubleParam })),
  fc.maxSafeNat().map((uint64Param) => ({ uint64Param })),
);
const parameters = fc.dictionary(
  text.filter((key) => key !== "__proto__"),
  parameter,
  { maxKeys: 4, noNullPrototype: true },
);
const tensor = fc.record({
  name: text,
  datatype: text,
  shape: fc.array(integer, { maxLength: 40 }),
  parameters: fc.option(
    parameters.filter((given) => Object.keys(given).length > 0),
    { nil: undefined },
  ),
});
const head = { modelName: text, modelVersion: text, id: text, parameters };
const tensors = fc.array(tensor, { maxLength: 3 });
const raw = fc.array(bytes, { maxLength: 3 });
const request: fc.Arbitrary<ModelInferRequest> = fc.record({
  ...head,
  inputs: tensors,
  outputs: fc.array(
    fc.record({
      name: text,
      parameters: fc.constantFrom(undefined, { kept: { boolParam: true } }),
    }),
    { maxLength: 2 },
  ),
  rawInputContents: raw,
});
const response: fc.Arbitrary<ModelInferResponse> = fc.record({
  ...head,
  outputs: tensors,
  rawOutputContents: raw,
});
const answer = fc.record({ errorMessage: text, inferResponse: fc.option(response) });

interface Codec {
  encode(message: unknown): Buffer;
  decode(bytes: Buffer): unknown;
}

type Method = ServiceDefinition[string];

function codecOf(method: Method, side: "request" | "response"): Codec {
  return side === "request"
    ? { encode: method.requestSerialize, decode: method.requestDeserialize }
    : { encode: method.responseSerialize, decode: method.responseDeserialize };
}

const messages: [string, fc.Arbitrary<unknown>, own: Codec, reflecting: Codec][] = [
  ["a request", request, codecOf(ModelInfer, "request"), codecOf(reflected.ModelInfer, "request")],
  [
    "a response",
    response,
    codecOf(ModelInfer, "response"),
    codecOf(reflected.ModelInfer, "response"),
  ],
  [
    "an answer on a stream",
    answer,
    codecOf(ModelStreamInfer, "response"),
    codecOf(reflected.ModelStreamInfer, "response"),
  ],
];

describe.each(messages)("%s", (_name, given, { encode, decode }, reflecting) => {
  const { encode: reflectingEncode, decode: reflectingDecode } = reflecting;

  it("is unchanged after encoding and decoding", () => {
    fc.assert(
      fc.property(given, (message) => {
        expect(decode(encode(message))).toEqual(message);
      }),
      { numRuns: cases(300) },
    );
  });

  it("is unchanged after another implementation has read and written it", () => {
    fc.assert(
      fc.property(given, (message) => {
        const read = reflectingDecode(encode(message));
        expect(decode(reflectingEncode(read))).toEqual(message);
      }),
      { numRuns: cases(300) },
    );
  });

  it("is read as another implementation writes it", () => {
    fc.assert(
      fc.property(given, (message) => {
        expect(decode(reflectingEncode(message))).toEqual(message);
      }),
      { numRuns: cases(300) },
    );
  });

  it("is read, or refused with an Error, after any change of its bytes", () => {
    const change = fc.record({ at: fc.nat(), byte: fc.nat({ max: 255 }), cut: fc.boolean() });
    fc.assert(
      fc.property(given, change, (message, { at, byte, cut }) => {
        const changed = Buffer.from(encode(message));
        fc.pre(changed.length > 0);
        changed[at % changed.length] = byte;
        const left = cut ? changed.subarray(0, at % changed.length) : changed;
        try {
          decode(left);
        } catch (error) {
          expect((error as Error).message).toMatch(/^malformed message/);
        }
      }),
      { numRuns: cases(1000) },
    );
  });
});

describe("a message of another implementation", () => {
  const read = (...given: readonly number[]): unknown =>
    ModelInfer.requestDeserialize(Buffer.from(given));

  it("can have an unpacked shape and unknown fields", () => {
    const inner = [0x0a, 1, 0x61, 0x18, 2, 0x18, 3, 0x4d, 0, 0, 0, 0];
    expect(
      read(0x2a, inner.length, ...inner, 0x7a, 2, 9, 9, 0x51, 0, 0, 0, 0, 0, 0, 0, 0),
    ).toMatchObject({ inputs: [{ name: "a", shape: [2, 3] }] });
  });

  it("is refused for a length or number beyond its end, and for an unknown wire type", () => {
    expect(() => read(0x0a, 5, 0x61)).toThrow("beyond its message");
    expect(() => read(0x0a, 0xff)).toThrow("malformed message");
    expect(() => read(0x2a, 2, 0x0a, 1, 0x61)).toThrow("beyond its message");
    expect(() => read(0x0b)).toThrow("wire type");
    expect(() => read(0x7b)).toThrow("wire type 3");
    expect(() => read(0x00)).toThrow("without a number");
  });
});

describe("a message of too many parts", () => {
  const { requestDeserialize } = ModelInfer;
  const repeated = (field: number, count: number): Buffer =>
    Buffer.alloc(2 * count, Buffer.of((field << 3) | 2, 0));
  const inner = (field: number, bytes: Buffer): Buffer => {
    const length = Buffer.alloc(5);
    length.writeUInt32LE(bytes.length & 0x7f);
    for (let i = 0; i < 5; i++)
      length[i] = ((bytes.length / 2 ** (7 * i)) & 0x7f) | (i < 4 ? 0x80 : 0);
    return Buffer.concat([Buffer.of((field << 3) | 2), length, bytes]);
  };

  it.each([
    ["tensors", repeated(5, 1_100_000)],
    ["raw contents", repeated(7, 1_100_000)],
    ["typed elements of BYTES", inner(5, inner(5, repeated(8, 1_100_000)))],
    ["typed whole numbers", inner(5, inner(5, inner(3, Buffer.alloc(5_000_000))))],
    ["parameters", repeated(4, 1_100_000)],
  ])("is refused before decoding: %s", (_, bytes) => {
    expect(() => requestDeserialize(bytes)).toThrow(/more than \d+ (parts|integers)/);
  });
});

describe("typed contents", () => {
  const reflectingEncode = reflected.ModelInfer.requestSerialize;
  const rawOf = (tensors: readonly object[], rest: object = {}): unknown =>
    ModelInfer.requestDeserialize(
      reflectingEncode({ modelName: "m", inputs: tensors, ...rest } as object),
    );
  const bytesOf = (array: ArrayBufferView): Buffer =>
    Buffer.from(array.buffer, array.byteOffset, array.byteLength);

  it.each([
    ["BOOL", { boolContents: [true, false] }, Uint8Array.of(1, 0)],
    ["INT8", { intContents: [-1, 7] }, Int8Array.of(-1, 7)],
    ["INT16", { intContents: [-2, 300] }, Int16Array.of(-2, 300)],
    ["INT32", { intContents: [-3, 70_000] }, Int32Array.of(-3, 70_000)],
    ["INT64", { int64Contents: [-4, 2 ** 40] }, BigInt64Array.of(-4n, 2n ** 40n)],
    ["UINT8", { uintContents: [200, 0] }, Uint8Array.of(200, 0)],
    ["UINT16", { uintContents: [60_000, 1] }, Uint16Array.of(60_000, 1)],
    ["UINT32", { uintContents: [4e9, 2] }, Uint32Array.of(4e9, 2)],
    ["UINT64", { uint64Contents: [2 ** 52, 3] }, BigUint64Array.of(2n ** 52n, 3n)],
    ["FP32", { fp32Contents: [0.5, -1e30] }, Float32Array.of(0.5, -1e30)],
    ["FP64", { fp64Contents: [0.1, -1e300] }, Float64Array.of(0.1, -1e300)],
  ])("of %s are read as raw contents", (datatype, contents, expected) => {
    const tensor = { name: "a", datatype, shape: [2], contents };
    const other = { name: "b", datatype: "FP16", shape: [0] };
    const read = rawOf([other, tensor]) as { rawInputContents: Uint8Array[] };
    expect(read.rawInputContents.map((raw) => Buffer.from(raw))).toEqual([
      Buffer.alloc(0),
      bytesOf(expected),
    ]);
  });

  it("of BYTES are read with their lengths", () => {
    const contents = { bytesContents: [Buffer.from("ab"), Buffer.alloc(0)] };
    const read = rawOf([{ name: "a", datatype: "BYTES", shape: [2], contents }]);
    const raw = [Buffer.from([2, 0, 0, 0, 97, 98, 0, 0, 0, 0])];
    expect(read).toMatchObject({ rawInputContents: raw });
  });

  it.each([
    ["INT8", { intContents: [1, 128] }],
    ["INT16", { intContents: [-32_769, 0] }],
    ["UINT8", { uintContents: [256, 0] }],
    ["UINT16", { uintContents: [65_536, 1] }],
  ])("out of the range of %s are dropped", (datatype, contents) => {
    const read = rawOf([{ name: "a", datatype, shape: [2], contents }]);
    expect(read).toMatchObject({ rawInputContents: [Buffer.alloc(0)] });
  });

  it("in another datatype's field are dropped, and beside raw contents are one too many", () => {
    const wrong = { name: "a", datatype: "FP32", shape: [1], contents: { intContents: [1] } };
    expect(rawOf([wrong])).toMatchObject({ rawInputContents: [Buffer.alloc(0)] });
    const both = { name: "a", datatype: "FP32", shape: [1], contents: { fp32Contents: [1] } };
    const { rawInputContents } = rawOf([both], { rawInputContents: [Buffer.alloc(4)] }) as {
      rawInputContents: Uint8Array[];
    };
    expect(rawInputContents).toHaveLength(2);
  });
});
