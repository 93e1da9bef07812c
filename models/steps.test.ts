/** Declared steps, one by one: what comes before a model, and what is made of its outputs. */
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import {
  type PostprocessStep,
  postprocessStep,
  preprocessStep,
} from "../scenario/schema/implementation.ts";
import { imageSteps } from "./image-steps.ts";
import { decodeYolo, objectsOutput } from "./objects.ts";
import { outputSteps } from "./output-steps.ts";
import { floatsOf, floatTensor, type Tensor } from "./tensor.ts";

/** Two pixels: an orange one, then a blue one. */
const twoPixels = () =>
  sharp(Buffer.from([255, 128, 0, 10, 20, 250]), { raw: { width: 2, height: 1, channels: 3 } })
    .png()
    .toBuffer();

async function prepared(
  steps: readonly object[],
  shape: readonly number[],
  datatype: "FP32" | "FP16" = "FP32",
): Promise<number[]> {
  const spec = { name: "x", datatype, shape };
  const parsed = steps.map((step) => preprocessStep.parse(step));
  const payload = await twoPixels();
  const { tensor } = await imageSteps(parsed, spec)({ payload, upstream: {} });
  expect(tensor.datatype).toBe(datatype);
  return [...floatsOf(tensor)];
}

describe("a picture goes into a model", () => {
  test("by planes or by pixels, as its input has it", async () => {
    expect(await prepared([{ decode: "rgb" }], [-1, 3, 1, 2])).toEqual([255, 10, 128, 20, 0, 250]);
    expect(await prepared([{ decode: "rgb" }], [-1, 1, 2, 3])).toEqual([255, 128, 0, 10, 20, 250]);
  });

  test("in half precision, where it takes that", async () => {
    const normalise = { scale: 1 / 255 };
    const steps = [{ decode: "rgb" }, { normalise }];
    const exact = await prepared(steps, [-1, 3, 1, 2]);
    const halves = await prepared(steps, [-1, 3, 1, 2], "FP16");
    expect(halves).toEqual(exact.map((value) => expect.closeTo(value, 3)));
    expect(halves).not.toEqual(exact);
  });

  test("blue first, where it was trained so", async () => {
    expect(await prepared([{ decode: "bgr" }], [-1, 3, 1, 2])).toEqual([0, 250, 128, 20, 255, 10]);
  });

  test("less its mean, over its deviation, channel by channel", async () => {
    const normalise = { scale: 0.1, mean: [1, 2, 3], deviation: [1, 2, 4] };
    const given = await prepared([{ decode: "rgb" }, { normalise }], [-1, 3, 1, 2]);
    const expected = [24.5, 0, 5.4, 0, -0.75, 5.5];
    expect(given).toEqual(expected.map((value) => expect.closeTo(value, 4)));
  });
});

async function made(step: object, tensor: Tensor) {
  const steps: readonly PostprocessStep[] = [postprocessStep.parse(step)];
  const { name, datatype, shape } = tensor;
  return (await outputSteps(steps, [{ name, datatype, shape }], "."))([tensor], null);
}

describe("of a model's outputs", () => {
  test("softmax makes shares, also of large numbers", async () => {
    const scores = floatTensor("y", [1, 3], Float32Array.of(1000, 1000, 990));
    const { tensors = [] } = await made({ softmax: {} }, scores);
    const [a, b, c] = floatsOf(tensors[0]!);
    expect([a, b]).toEqual([expect.closeTo(0.5, 3), expect.closeTo(0.5, 3)]);
    expect(c).toBeLessThan(1e-4);
  });

  test("objects end at the picture's edges", () => {
    const detection = { classId: 0, score: 1, box: [-20, -5, 30, 400] } as const;
    const placement = {
      width: 20,
      height: 100,
      inputWidth: 20,
      inputHeight: 100,
      ...({ scale: [1, 1], offset: [0, 0], origin: [0, 0] } as const),
    };
    expect(objectsOutput([detection], ["car"], placement).value).toMatchObject({
      objects: [{ box: [0, 0, 20, 100] }],
    });
  });

  test("a score that is no number is no object", () => {
    const data = Float32Array.of(5, 5, 2, 2, Number.NaN);
    const options = { format: "v8", classes: 1, minScore: 0.25 } as const;
    expect(decodeYolo(data, [5, 1], options)).toEqual([]);
  });

  test("whole numbers beyond 2^53 are exact as text", async () => {
    const big = BigInt64Array.of(9_007_199_254_740_993n, 5n);
    const raw = new Uint8Array(big.buffer);
    const steps = await outputSteps([], [], ".");
    const output = steps([{ name: "y", datatype: "INT64", shape: [2], raw }], null);
    expect(output.value).toMatchObject({ tensors: [{ data: ["9007199254740993", 5] }] });
  });
});
