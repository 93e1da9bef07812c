import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import sharp from "sharp";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { implementationSchema } from "../scenario/schema/implementation.ts";
import { QUARTERS, yoloGraph } from "./graphs.test-support.ts";
import { writeOnnx } from "./onnx-writer.ts";
import { openImplementation } from "./registry.ts";
import type { TaskInput, TaskModel, TaskOutput } from "./task-model.ts";
import { floatsOf, floatTensor } from "./tensor.ts";

const folder = temporaryFolder("declared");
const file = (name: string, contents: Uint8Array | string): string => {
  writeFileSync(join(folder, name), contents);
  return name;
};
const open = (implementation: object): Promise<TaskModel> =>
  openImplementation(implementationSchema.parse(implementation), { folder });

const picture = (width: number, height: number, level: number): Promise<Buffer> =>
  sharp({ create: { width, height, channels: 3, background: { r: level, g: level, b: level } } })
    .png()
    .toBuffer();
const input = (payload: Uint8Array, upstream: TaskInput["upstream"] = {}): TaskInput => ({
  payload,
  upstream,
});

async function answers(
  implementation: object,
  inputs: readonly TaskInput[],
): Promise<readonly (TaskOutput | Error)[]> {
  const model = await open(implementation);
  try {
    return await model.run(inputs);
  } finally {
    await model.close();
  }
}

const car = { classId: 2, score: 0.9, xywh: [32, 32, 16, 8] } as const;
const sameCar = { classId: 2, score: 0.8, xywh: [33, 32, 16, 8] } as const;
const personThere = { classId: 0, score: 0.6, xywh: [32, 32, 16, 8] } as const;
const faint = { classId: 5, score: 0.2, xywh: [8, 8, 4, 4] } as const;
const yolo = {
  onnx: file("yolo.onnx", yoloGraph([car, sameCar, personThere, faint], 64, 84)),
  preprocess: [
    { decode: "rgb" },
    { resize: { fit: "letterbox" } },
    { normalise: { scale: 1 / 255 } },
  ],
  postprocess: [{ yolo: {} }, { suppress: {} }],
};

describe("a user's own YOLO file", () => {
  test("finds objects, told in pixels of the picture: the letterbox is undone", async () => {
    const [wide, tall] = await answers(yolo, [
      input(await picture(640, 320, 255)),
      input(await picture(32, 64, 255)),
    ]);
    // 640 x 320 becomes 64 x 32 below 16 rows of fill, whose grey makes the mean 0.7235.
    const scores = [0.9, 0.6].map((score) => expect.closeTo(score * 0.7235, 3));
    expect(wide).toMatchObject({
      labels: ["car", "person"],
      value: {
        width: 640,
        height: 320,
        objects: [
          { label: "car", score: scores[0], box: [240, 120, 400, 200] },
          { label: "person", score: scores[1], box: [240, 120, 400, 200] },
        ],
      },
    });
    // 32 x 64 stays as it is, 16 columns from the left.
    expect(tall).toMatchObject({ value: { objects: [{ box: [8, 28, 24, 36] }, {}] } });
  });

  test("finds nothing in the dark, and places a crop's objects in the whole picture", async () => {
    const found = {
      labels: ["car"],
      value: { objects: [{ label: "car", score: 1, box: [100, 50, 164, 114] }] },
    };
    const cropped = {
      ...yolo,
      preprocess: [{ decode: "rgb" }, { cropTo: { labels: ["car"] } }, ...yolo.preprocess.slice(1)],
    };
    const [dark, within] = await answers(cropped, [
      input(await picture(64, 64, 0)),
      input(await picture(300, 200, 255), { detect: found }),
    ]);
    expect(dark).toMatchObject({ labels: [], value: { objects: [] } });
    expect(within).toMatchObject({ value: { objects: [{ box: [124, 78, 140, 86] }, {}] } });
  });

  test("without its own labels names the outputs that would fit", async () => {
    const own = { ...yolo, postprocess: [{ yolo: { labels: ["plate", "face"] } }] };
    const [output] = await answers(own, [input(await picture(64, 64, 255))]);
    expect(output).toMatchObject({
      code: "invalid-input",
      message: /84,84.*2 classes/,
      hint: /\[N,6,boxes\]/,
    });
  });

  test("in the older layouts gives the same boxes", async () => {
    // [N, boxes, 5 + 2]: centre, size, objectness, classes.
    const data = [32, 32, 16, 8, 0.5, 0.1, 0.9];
    const v5 = writeOnnx({
      name: "v5",
      inputs: [{ name: "images", shape: [1, 3, 64, 64] }],
      outputs: [{ name: "out", shape: [1, 1, 7] }],
      constants: [
        { name: "boxes", shape: [1, 1, 7], data: Float32Array.from(data) },
        { name: "zero", shape: [1], data: Float32Array.of(0) },
        { name: "shape", shape: [3], data: BigInt64Array.of(1n, 1n, 1n) },
      ],
      nodes: [
        { op: "ReduceMean", inputs: ["images"], output: "mean" },
        { op: "Reshape", inputs: ["mean", "shape"], output: "flat" },
        { op: "Mul", inputs: ["flat", "zero"], output: "nothing" },
        { op: "Add", inputs: ["nothing", "boxes"], output: "out" },
      ],
    });
    const steps = [{ yolo: { labels: ["face", "plate"] } }];
    const one = { ...yolo, onnx: file("v5.onnx", v5), postprocess: steps };
    const outputs = await answers(one, [
      input(await picture(64, 64, 9)),
      input(await picture(64, 64, 99)),
    ]);
    const found = { label: "plate", score: expect.closeTo(0.45), box: [24, 28, 40, 36] };
    expect(outputs).toMatchObject([
      { value: { objects: [found] } },
      { value: { objects: [found] } },
    ]);
  });
});

describe("a classifier", () => {
  const quarters = {
    onnx: file("quarters.onnx", writeOnnx(QUARTERS)),
    preprocess: [{ decode: "bgr" }, { resize: {} }, { normalise: { scale: 1 / 25.5 } }],
    postprocess: [{ softmax: {} }, { topK: { k: 2, labels: ["a", "b", "c", "d"], minScore: 0.2 } }],
  };

  test("gives its best classes, and a batch gives what its pictures give alone", async () => {
    const black = { create: { width: 100, height: 100, channels: 3 as const, background: "#000" } };
    const white = await picture(50, 50, 255);
    const lit = await Promise.all(
      [
        [0, 0],
        [50, 50],
      ].map(([left, top]) =>
        sharp(black)
          .composite([{ input: white, left: left!, top: top! }])
          .png()
          .toBuffer(),
      ),
    );
    const inputs = [...lit.map((payload) => input(payload)), input(Buffer.from("no image"))];
    const [first, last, bad] = await answers(quarters, inputs);
    expect(first).toMatchObject({ labels: ["a"], value: { classes: [{ label: "a" }] } });
    expect(last).toMatchObject({ labels: ["d"] });
    expect(bad).toMatchObject({ code: "invalid-input" });
    const alone = await Promise.all(inputs.slice(0, 2).map((one) => answers(quarters, [one])));
    expect(alone.flat()).toEqual([first, last]);
  });

  test("is the file that the shipped scenario uses", () => {
    const shipped = readFileSync(join(import.meta.dirname, "../scenarios/models/quarters.onnx"));
    expect(shipped.equals(Buffer.from(writeOnnx(QUARTERS)))).toBe(true);
  });

  test("on tensors gives tensors, for any number of rows, stacked into one inference", async () => {
    const model = await open({ onnx: quarters.onnx });
    const rows = (count: number, level: number) =>
      floatTensor("image", [count, 3, 224, 224], new Float32Array(count * 150_528).fill(level));
    const jobs = [rows(1, 1), rows(2, 2), { ...rows(1, 3), shape: [1, 3, 50_176] }].map(
      (tensor) => ({
        ...input(new Uint8Array(0)),
        tensors: [tensor],
      }),
    );
    const [one, two, bad] = await model.run(jobs);
    await model.close();
    const levels = (output: unknown) => {
      const [tensor] = (output as TaskOutput).tensors!;
      return [tensor!.shape, [...floatsOf(tensor!)]];
    };
    expect(levels(one)).toEqual([
      [1, 4],
      [1, 1, 1, 1],
    ]);
    expect(levels(two)).toEqual([
      [2, 4],
      [2, 2, 2, 2, 2, 2, 2, 2],
    ]);
    expect(bad).toMatchObject({
      code: "invalid-input",
      message: /image takes FP32 \[-1,3,224,224\]/,
    });
  });
});

describe("a request's tensors", () => {
  const sum = (rows: string | number) => ({
    onnx: file(
      `sum-${rows}.onnx`,
      writeOnnx({
        name: "sum",
        nodes: [{ op: "Add", inputs: ["a", "b"], output: "sum" }],
        constants: [],
        inputs: [
          { name: "a", shape: [rows, 2] },
          { name: "b", shape: [rows, 2] },
        ],
        outputs: [{ name: "sum", shape: [rows, 2] }],
      }),
    ),
  });
  const job = (aRows: number, bRows: number, level: number): TaskInput => ({
    ...input(new Uint8Array(0)),
    tensors: [
      floatTensor("a", [aRows, 2], new Float32Array(aRows * 2).fill(level)),
      floatTensor("b", [bRows, 2], new Float32Array(bRows * 2).fill(level)),
    ],
  });
  const answered = (level: number, rows = 1) => ({
    tensors: [floatTensor("sum", [rows, 2], new Float32Array(rows * 2).fill(2 * level))],
  });
  const refused = (message: RegExp) =>
    expect.objectContaining({ code: "invalid-input", message: expect.stringMatching(message) });

  test("that differ in their rows are refused, and take none of another's in the batch", async () => {
    const jobs = [job(2, 1, 10), job(1, 1, 1), job(1, 2, 20)];
    const differ = refused(/differ in their rows: a \[2,2\], b \[1,2\]/);
    expect(await answers(sum("n"), jobs)).toEqual([
      differ,
      expect.objectContaining(answered(1)),
      refused(/differ in their rows/),
    ]);
  });

  test("without dimensions in the file takes what the engine takes, one by one", async () => {
    const graph = writeOnnx({
      name: "double",
      nodes: [{ op: "Add", inputs: ["x", "x"], output: "y" }],
      constants: [],
      inputs: [{ name: "x", shape: [] }],
      outputs: [{ name: "y", shape: [] }],
    });
    const onnx = file("no-shape.onnx", graph);
    const shapes = [[], [1], [2, 2]];
    const found = await answers(
      { onnx },
      shapes.map((shape) => {
        const x = floatTensor("x", shape, new Float32Array(shape.length === 2 ? 4 : 1).fill(3));
        return { ...input(new Uint8Array()), tensors: [x] };
      }),
    );
    expect(found.map((output) => (output as TaskOutput).tensors?.[0]?.shape)).toEqual(shapes);
  });

  test("with fewer or more rows than an inference can have are refused alone", async () => {
    const jobs = [job(0, 0, 0), job(1, 1, 1)];
    const one = expect.objectContaining(answered(1));
    expect(await answers(sum(4), jobs)).toEqual([refused(/4 rows at a time.* has 0/), one]);
    const bounded = { ...sum("n"), maxRows: 2 };
    expect(await answers(bounded, [job(3, 3, 3), job(1, 1, 1)])).toEqual([
      refused(/2 rows at a time.* has 3/),
      one,
    ]);
    const none = expect.objectContaining(answered(0, 0));
    expect(await answers(sum("n"), jobs)).toEqual([none, one]);
  });
});

test("CTC text comes from a user's file of characters", async () => {
  const probabilities = [0.1, 0.8, 0.1, 0, 0.9, 0.1, 0, 0, 0.2, 0, 0.7, 0.1].map((p) => p);
  const onnx = writeOnnx({
    name: "ctc",
    inputs: [{ name: "image", shape: ["n", 1, 8, 8] }],
    outputs: [{ name: "steps", shape: ["n", 3, 4] }],
    constants: [
      { name: "text", shape: [1, 3, 4], data: Float32Array.from(probabilities) },
      { name: "zero", shape: [1], data: Float32Array.of(0) },
      { name: "rows", shape: [3], data: BigInt64Array.of(-1n, 1n, 1n) },
    ],
    nodes: [
      { op: "ReduceMean", inputs: ["image"], output: "mean", attributes: { axes: [1, 2, 3] } },
      { op: "Reshape", inputs: ["mean", "rows"], output: "flat" },
      { op: "Mul", inputs: ["flat", "zero"], output: "nothing" },
      { op: "Add", inputs: ["nothing", "text"], output: "steps" },
    ],
  });
  const reader = {
    onnx: file("ctc.onnx", onnx),
    preprocess: [{ decode: "grey" }, { resize: {} }],
    postprocess: [{ ctc: { characters: file("letters.txt", "A\nB\n") } }],
  };
  const [output] = await answers(reader, [input(await picture(20, 20, 50))]);
  expect(output).toMatchObject({
    labels: ["text"],
    value: { text: "AB", confidence: expect.closeTo(0.75) },
  });
});

describe("a model that cannot be opened is refused with the next step", () => {
  const cases: readonly (readonly [string, object, object])[] = [
    ["a missing file", { onnx: "none.onnx" }, { code: "not-found", message: /none\.onnx/ }],
    [
      "a file that is no model",
      { onnx: file("text.onnx", "no model") },
      { code: "invalid-input", hint: expect.stringContaining("no ONNX model") },
    ],
    [
      "a provider that is not here",
      { ...yolo, provider: "cuda" },
      { code: "invalid-input", hint: expect.stringContaining("CUDA") },
    ],
    [
      "a size that does not fit",
      { ...yolo, preprocess: [{ decode: "rgb" }, { resize: { width: 32, height: 32 } }] },
      { code: "invalid-input", message: /\[N,3,32,32\].*\[-1,3,64,64\]/ },
    ],
    [
      "channels that do not fit",
      { ...yolo, preprocess: [{ decode: "grey" }, { resize: {} }] },
      { code: "invalid-input", hint: expect.stringContaining("layout") },
    ],
    [
      "an output that is not there",
      { ...yolo, postprocess: [{ yolo: { output: "boxes" } }] },
      { code: "invalid-input", hint: expect.stringContaining("output0") },
    ],
    [
      "a missing file of labels",
      { ...yolo, postprocess: [{ yolo: { labels: "names.txt" } }] },
      { code: "not-found", message: /names\.txt/ },
    ],
  ];
  test.each(cases)("%s", async (_, implementation, expected) => {
    await expect(open(implementation)).rejects.toMatchObject(expected);
  });
});

test("WebGPU gives what the CPU gives, to 1e-4", async (context) => {
  const [onGpu, onCpu] = await Promise.all(
    ["webgpu", "cpu"].map((provider) =>
      picture(640, 320, 200)
        .then((payload) => answers({ ...yolo, provider }, [input(payload)]))
        .catch((error: Error) => error),
    ),
  );
  if (onGpu instanceof Error) {
    console.log(`skipped: ${onGpu.message}`);
    context.skip();
    return;
  }
  const close = JSON.parse(JSON.stringify(onCpu), (_, value) =>
    typeof value === "number" ? expect.closeTo(value, 4) : value,
  );
  expect(onGpu).toEqual(close);
});
