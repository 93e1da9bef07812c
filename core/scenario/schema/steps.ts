/**
 * What happens before and after a model's inference, as lists of steps, done in their order.
 * Each step is a mapping of one key; `check-implementations.ts` says what may follow what.
 */
import { z } from "zod";
import { count, nonNegative, positive, probability } from "./common.ts";

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
      fill: z.int().min(0).max(255).default(114).describe("grey level of a letterbox's borders"),
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
  softmax: z.strictObject({ output }).optional().describe("over the last dimension"),
  sigmoid: z.strictObject({ output }).optional().describe("of every element"),
  yolo: z
    .strictObject({
      output,
      format: z
        .enum(["auto", "v8", "v5", "end-to-end"])
        .default("auto")
        .describe(
          "v8: [N, 4 + classes, anchors]; v5: [N, anchors, 5 + classes]; end-to-end: [N, boxes, 6]",
        ),
      minScore: probability.default(0.25),
      labels: labels.default("coco"),
    })
    .optional()
    .describe("boxes x, y, width, height in input pixels and class scores to objects"),
  ssd: z
    .strictObject({
      boxes: z.string().describe("output with the box codes [N, anchors, 4]: ty, tx, th, tw"),
      scores: z.string().describe("output with the class scores [N, anchors, classes]"),
      anchors: z
        .string()
        .describe("file of [anchors, 4] y0, x0, y1, x1 in shares: float32 or JSON"),
      variances: z.tuple([positive, positive]).default([0.1, 0.2]).describe("of centre and size"),
      background: z.boolean().default(true).describe("whether class 0 is the background"),
      minScore: probability.default(0.5),
      labels: labels.default("coco-91"),
    })
    .optional()
    .describe("box codes, class scores and anchors to objects"),
  suppress: z
    .strictObject({
      maxOverlap: probability.default(0.45).describe("intersection over union of two objects"),
      maxCount: count.max(10_000).default(300),
      acrossClasses: z.boolean().default(false),
    })
    .optional()
    .describe("non-maximum suppression of the objects so far"),
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
  topK: z
    .strictObject({
      output,
      k: count.max(1000).default(5),
      minScore: probability.default(0).describe("labels below it are not told"),
      labels: labels.optional().describe("class names; default: the classes' numbers"),
    })
    .optional()
    .describe("the best classes of [N, classes]"),
});

export type PreprocessStep = z.infer<typeof preprocessStep>;
export type PostprocessStep = z.infer<typeof postprocessStep>;
