/**
 * The implementation of a model: a built-in one, an ONNX file, another server, or a command; and the
 * steps before and after its inference, in their order. A step is a mapping of one key.
 */
import { z } from "zod";
import {
  count,
  mapping,
  nonNegative,
  optionalMapping,
  positive,
  probability,
  wholeBetween,
} from "./common.ts";

const perChannel = z.union([z.number(), z.array(z.number()).min(1).max(4)]);

/** COCO's names, with or without the ten ids that were never used; a file with one a line; a list. */
const labels = z
  .union([z.string(), z.array(z.string()).min(1)])
  .describe("class names: coco (80), coco-91 (with background and gaps), a file, or a list");

const output = z.string().optional().describe("name of the output; default: the only one");

export const preprocessStep = z.strictObject({
  decode: z
    .enum(["rgb", "bgr", "grey"])
    .optional()
    .describe("the payload is a PNG, JPEG or WebP image; order of its channels"),
  cropTo: z
    .strictObject({
      labels: z.array(z.string()).min(1).describe("which objects of the tasks before"),
      margin: nonNegative.max(1).default(0).describe("share of the box added on each side"),
    })
    .optional()
    .describe("cuts out the object with most score x area; without one, the image stays whole"),
  resize: z
    .strictObject({
      width: count.max(8192).optional().describe("pixels; default: the model's"),
      height: count.max(8192).optional().describe("pixels; default: the model's"),
      fit: z
        .enum(["stretch", "letterbox", "crop"])
        .default("stretch")
        .describe("letterbox: whole image, borders filled; crop: filled, edges cut"),
      fill: wholeBetween(0, 255).default(114).describe("grey level of a letterbox's borders"),
    })
    .optional()
    .describe("to the model's input; boxes in the answer are in pixels of the whole image again"),
  normalise: z
    .strictObject({
      scale: positive.default(1).describe("each pixel, 0 to 255, is multiplied by it"),
      mean: perChannel.default(0).describe("subtracted then; one number, or one per channel"),
      deviation: perChannel.default(1).describe("divided by then; one number, or one per channel"),
    })
    .optional(),
  layout: z
    .enum(["nchw", "nhwc"])
    .optional()
    .describe("order of the dimensions; default: by where the model's input has its channels"),
});

export const postprocessStep = z.strictObject({
  softmax: optionalMapping("over the last dimension", { output }),
  sigmoid: optionalMapping("of every element", { output }),
  yolo: optionalMapping("boxes x, y, width, height in input pixels and class scores to objects", {
    output,
    format: z
      .enum(["auto", "v8", "v5", "end-to-end"])
      .default("auto")
      .describe(
        "v8: [N, 4 + classes, anchors]; v5: [N, anchors, 5 + classes]; end-to-end: [N, boxes, 6]",
      ),
    minScore: probability.default(0.25),
    labels: labels.default("coco"),
  }),
  ssd: optionalMapping("box codes, class scores and anchors to objects", {
    boxes: z.string().describe("output with the box codes [N, anchors, 4]: ty, tx, th, tw"),
    scores: z.string().describe("output with the class scores [N, anchors, classes]"),
    anchors: z.string().describe("file of [anchors, 4] y0, x0, y1, x1 in shares: float32 or JSON"),
    variances: z.tuple([positive, positive]).default([0.1, 0.2]).describe("of centre and size"),
    background: z.boolean().default(true).describe("whether class 0 is the background"),
    minScore: probability.default(0.5),
    labels: labels.default("coco-91"),
  }),
  suppress: optionalMapping("non-maximum suppression of the objects so far", {
    maxOverlap: probability.default(0.45).describe("intersection over union of two objects"),
    maxCount: count.max(10_000).default(300),
    acrossClasses: z.boolean().default(false),
  }),
  ctc: z
    .strictObject({
      output,
      characters: z
        .string()
        .describe("file with one character a line, in the order of the classes"),
      blank: z.enum(["first", "last"]).default("first"),
      space: z.boolean().default(true).describe("whether a space follows the file's characters"),
    })
    .optional()
    .describe("class probabilities [N, steps, classes] to a line of text, by the best path"),
  topK: optionalMapping("the best classes of [N, classes]", {
    output,
    k: count.max(1000).default(5),
    minScore: probability.default(0).describe("labels below it are not told"),
    labels: labels.optional().describe("class names; default: the classes' numbers"),
  }),
});

export type PreprocessStep = z.infer<typeof preprocessStep>;
export type PostprocessStep = z.infer<typeof postprocessStep>;

const tls = mapping("speak TLS; paths start at the scenario's folder", {
  ca: z
    .string()
    .optional()
    .describe("PEM file of the authority that its certificate is of; default: the system's"),
  certificate: z.string().optional().describe("PEM file of our own certificate, with `key`"),
  key: z.string().optional().describe("PEM file of its key"),
  serverName: z
    .string()
    .min(1)
    .optional()
    .describe("the name in its certificate, where that is not the address's"),
});

const token = mapping("a bearer token to show, from one of the two: the scenario never holds it", {
  file: z.string().optional().describe("a file that holds the token and nothing else"),
  environment: z
    .string()
    .regex(/^[A-Za-z_][A-Za-z0-9_]*$/, "the name of an environment variable")
    .optional()
    .describe("an environment variable of the workers that holds it"),
});

const external = mapping("a model on another server: Triton, KServe, MLServer, another Tandem", {
  address: z
    .string()
    .regex(/^[^\s/:]+:\d{1,5}$/, "host:port of its gRPC side")
    .describe("host:port of a server that speaks the Open Inference Protocol v2 over gRPC"),
  model: z.string().min(1).describe("the model's name there"),
  timeoutS: positive.max(3600).default(60).describe("longest wait for one inference"),
  tls: tls.optional(),
  token: token.optional(),
});

const command = z
  .strictObject({
    run: z
      .array(z.string().min(1))
      .min(1)
      .describe("program and arguments; {port} becomes a free port, to listen on at 127.0.0.1"),
    model: z.string().min(1).describe("the model's name there"),
    readyWithinS: positive.max(3600).default(60).describe("longest start, model load included"),
    timeoutS: positive.max(3600).default(60).describe("longest wait for one inference"),
  })
  .describe(
    "a command that serves the Open Inference Protocol v2; it lives and ends with its worker",
  );

export const implementationSchema = z
  .strictObject({
    name: z.string().optional().describe("a built-in model, e.g. ssd-mobilenet-v2"),
    parameters: z
      .record(z.string(), z.union([z.number(), z.string()]))
      .default({})
      .describe("what the built-in model takes; see docs/models.md"),
    onnx: z.string().optional().describe("an ONNX file; paths start at the scenario's folder"),
    external: external.optional(),
    command: command.optional(),
    provider: z
      .enum(["cpu", "cuda", "webgpu"])
      .default("cpu")
      .describe("what runs the graph of a built-in model or an ONNX file"),
    threads: wholeBetween(1, 64).default(1).describe("threads of one inference on the CPU"),
    input: z.string().optional().describe("which input takes the image; default: the only one"),
    batching: z
      .enum(["auto", "none"])
      .default("auto")
      .describe("auto: along the first dimension where the model leaves it open; none: one by one"),
    maxRows: count.max(4096).optional().describe("most rows in one inference; default: the batch"),
    preprocess: z
      .array(preprocessStep)
      .optional()
      .describe("from the payload to the input; without it the request's tensors are the inputs"),
    postprocess: z
      .array(postprocessStep)
      .optional()
      .describe(
        "from the outputs to the answer; without it the outputs are the answer, as tensors",
      ),
  })
  .describe(
    "what `calibrate`, `validate` and `cluster` run; exactly one of name, onnx, external, command",
  );

export type ImplementationDocument = z.infer<typeof implementationSchema>;
