import { describe, expect, it } from "vitest";
import { randomTensors, rawRequest, requestsOfJson } from "./tensor-inputs.ts";

const file = (inputs: unknown): string => JSON.stringify({ inputs });
const one = (more: object): string => file([{ name: "x", datatype: "FP32", shape: [2], ...more }]);

describe("tensors from a file", () => {
  it("become raw contents, little-endian and row-major", () => {
    const text = file([
      { name: "a", datatype: "INT16", shape: [1, 2], data: [[-2, 258]] },
      { name: "b", datatype: "BYTES", shape: [2], data: ["é", ""] },
      { name: "c", datatype: "FP64", shape: [], data: [0.5] },
      { name: "d", datatype: "BOOL", shape: [2], data: [true, false] },
      { name: "e", datatype: "UINT64", shape: [1], data: [2 ** 40] },
      { name: "f", datatype: "FP16", shape: [4], data: [1, -0.5, 65504, 1e9] },
      { name: "g", datatype: "BF16", shape: [1], data: [-1] },
    ]);
    const [tensors] = requestsOfJson(text, "t.json");
    const { rawInputContents = [] } = rawRequest(tensors);
    expect(rawInputContents.map((raw) => Buffer.from(raw).toString("hex"))).toEqual([
      "feff0201",
      "02000000c3a900000000",
      "000000000000e03f",
      "0100",
      "0000000000010000",
      "003c00b8ff7b007c",
      "80bf",
    ]);
  });

  it("can be several requests", () => {
    const text = `[${one({ data: [1, 2] })}, ${one({ data: [3, 4] })}]`;
    expect(requestsOfJson(text, "t.json").map(([{ data }]) => data)).toEqual([
      [1, 2],
      [3, 4],
    ]);
  });

  it.each([
    ["{", /t\.json is no JSON/],
    ["[]", /has no requests/],
    ["{}", /request 1 has no inputs/],
    [one({ data: [1] }), /input x: its shape asks for 2 elements, its data has 1/],
    [one({ data: [1, "2"] }), /"2" is no element of FP32/],
    [one({ data: [1, 2], datatype: "FP12" }), /FP12 is no datatype; known: BOOL/],
    [one({ data: [1, 2], datatype: "UINT8" }).replace("[1,2]", "[1,256]"), /256 is no element/],
    [one({ data: [1, 2], datatype: "INT8" }).replace("[1,2]", "[1,1.5]"), /1\.5 is no element/],
    [one({ data: [1, 2], shape: [-1] }), /shape \[-1\]/],
    [file([{ datatype: "FP32" }]), /needs a name/],
  ])("are refused with the reason: %s", (text, message) => {
    expect(() => requestsOfJson(text, "t.json")).toThrow(message);
  });
});

it("random tensors have the model's shapes, and depend on the seed alone", () => {
  const inputs = ["FP32", "INT8", "UINT8", "INT64", "BOOL", "BYTES", "FP16"].map((datatype, i) => ({
    name: `x${i}`,
    datatype,
    shape: [-1, 3],
  }));
  const tensors = randomTensors(inputs, "7");
  expect(tensors.map(({ shape, data }) => [shape, data.length])).toEqual(
    inputs.map(() => [[1, 3], 3]),
  );
  const { rawInputContents = [] } = rawRequest(tensors);
  const sizes = rawInputContents.map(({ length }) => length / 3);
  expect([...sizes.slice(0, 5), sizes[6]]).toEqual([4, 1, 1, 8, 1, 2]);
  expect(requestsOfJson(JSON.stringify({ inputs: tensors }), "t")[0]).toEqual(tensors);
  expect(randomTensors(inputs, "7")).toEqual(tensors);
  expect(randomTensors(inputs, "8")).not.toEqual(tensors);
});
