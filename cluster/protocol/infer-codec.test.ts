import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { InferParameter, ModelInferRequest, ModelInferResponse } from "./messages.ts";
import { INFERENCE_SERVICE, REFLECTED_SERVICE } from "./service.ts";

const { ModelInfer, ModelStreamInfer } = INFERENCE_SERVICE;
const reflected = REFLECTED_SERVICE;

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
  contents: fc.option(fc.record({ bytesContents: fc.array(bytes, { maxLength: 3 }) })),
});
const head = { modelName: text, modelVersion: text, id: text, parameters };
const tensors = fc.array(tensor, { maxLength: 3 });
const raw = fc.array(bytes, { maxLength: 3 });
const request: fc.Arbitrary<ModelInferRequest> = fc.record({
  ...head,
  inputs: tensors,
  outputs: fc.array(fc.record({ name: text }), { maxLength: 2 }),
  rawInputContents: raw,
});
const response: fc.Arbitrary<ModelInferResponse> = fc.record({
  ...head,
  outputs: tensors,
  rawOutputContents: raw,
});
const answer = fc.record({ errorMessage: text, inferResponse: fc.option(response) });

const messages = [
  ["a request", request, ModelInfer.requestSerialize, ModelInfer.requestDeserialize, "request"],
  [
    "a response",
    response,
    ModelInfer.responseSerialize,
    ModelInfer.responseDeserialize,
    "response",
  ],
  [
    "an answer on a stream",
    answer,
    ModelStreamInfer.responseSerialize,
    ModelStreamInfer.responseDeserialize,
    "response",
  ],
] as const;

describe.each(messages)("%s", (name, arbitrary, encode, decode, side) => {
  const method = name.endsWith("stream") ? reflected.ModelStreamInfer : reflected.ModelInfer;
  const reflectingEncode = side === "request" ? method.requestSerialize : method.responseSerialize;
  const reflectingDecode =
    side === "request" ? method.requestDeserialize : method.responseDeserialize;
  const given = arbitrary as fc.Arbitrary<object>;

  it("comes back as it went", () => {
    fc.assert(
      fc.property(given, (message) => {
        expect(decode(encode(message))).toEqual(message);
      }),
      { numRuns: 300 },
    );
  });

  it("comes back from any other implementation of the protocol that read and wrote it", () => {
    fc.assert(
      fc.property(given, (message) => {
        const read = reflectingDecode(encode(message));
        expect(decode(reflectingEncode(read))).toEqual(message);
      }),
      { numRuns: 300 },
    );
  });

  it("is read from what any other implementation writes", () => {
    fc.assert(
      fc.property(given, (message) => {
        expect(decode(reflectingEncode(message))).toEqual(message);
      }),
      { numRuns: 300 },
    );
  });

  it("is refused with an Error, or read, whatever becomes of its bytes", () => {
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
      { numRuns: 1000 },
    );
  });
});

describe("a message from elsewhere", () => {
  const read = (...given: readonly number[]): unknown =>
    ModelInfer.requestDeserialize(Buffer.from(given));

  it("may have a shape that is not packed, and fields that are not known", () => {
    const inner = [0x0a, 1, 0x61, 0x18, 2, 0x18, 3, 0x4d, 0, 0, 0, 0];
    expect(
      read(0x2a, inner.length, ...inner, 0x7a, 2, 9, 9, 0x51, 0, 0, 0, 0, 0, 0, 0, 0),
    ).toMatchObject({ inputs: [{ name: "a", shape: [2, 3] }] });
  });

  it("is refused when a length or a number runs over its end, or a wire type is none", () => {
    expect(() => read(0x0a, 5, 0x61)).toThrow("beyond its message");
    expect(() => read(0x0a, 0xff)).toThrow("beyond its message");
    expect(() => read(0x2a, 2, 0x0a, 1, 0x61)).toThrow("beyond its message");
    expect(() => read(0x78, ...new Array<number>(10).fill(0xff), 1)).toThrow("ten bytes");
    expect(() => read(0x0b)).toThrow("wire type");
    expect(() => read(0x7b)).toThrow("wire type 3");
    expect(() => read(0x00)).toThrow("no number");
  });
});
