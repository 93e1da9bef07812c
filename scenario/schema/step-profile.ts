/** Times of a language model's iterations on a device, as a file: measured, or imported from what others published. */
import { z } from "zod";
import { MOST_ROUNDS, provenanceSchema } from "./profile.ts";
import { stepsSchema } from "./tokens.ts";

const size = z.number().nonnegative();

/** Sizes ascending, each with its time, µs. */
const curve = z.array(z.tuple([z.number().positive(), z.number().nonnegative()])).min(1);

const tablesSchema = z.strictObject({
  layers: z.int().positive(),
  /** By tokens of an iteration: one layer but its attention, and what runs once. */
  layerUs: curve,
  onceUs: curve,
  /** By sequences that make a token. */
  headUs: curve,
  /** A row gives tokens of a chunk, tokens before it, decodes, tokens that each looks back on, and µs of one layer. */
  attentionUs: z.array(z.tuple([size, size, size, size, size])).min(1),
});

export const stepProfileSchema = z.strictObject({
  schema: z.literal("tandem/step-profile@1"),
  provenance: provenanceSchema,
  /** Coefficients in ms, or tables of a model's layers in µs. */
  times: z.union([stepsSchema, tablesSchema]),
  /** How far fitted times lie from measured ones, as shares of these. */
  residuals: z
    .strictObject({ median: z.number().nonnegative(), worst: z.number().nonnegative() })
    .optional(),
  /** Each round of a calibration has its times, µs, of the same iterations of prompts, and of tokens. */
  rounds: z
    .array(
      z.strictObject({
        atS: z.number(),
        prefillUs: z.number().positive(),
        decodeUs: z.number().positive(),
      }),
    )
    .min(1)
    .max(MOST_ROUNDS)
    .optional(),
});

export type StepProfile = z.infer<typeof stepProfileSchema>;
