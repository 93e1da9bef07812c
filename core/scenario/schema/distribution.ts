/** A value drawn for each request. The unit is that of the key that holds it. */
import { z } from "zod";
import { MOST_CV, positive } from "./common.ts";

const distribution = z.discriminatedUnion("distribution", [
  z.strictObject({ distribution: z.literal("exponential"), mean: positive }),
  z.strictObject({
    distribution: z.enum(["lognormal", "gamma", "weibull"]),
    mean: positive,
    cv: z.number().min(0.01).max(MOST_CV).describe("standard deviation / mean"),
  }),
  z.strictObject({
    distribution: z.literal("empirical"),
    samples: z.array(positive).min(1).describe("drawn from with equal probability"),
  }),
]);

export const valueSchema = z.union([positive.describe("the same for all"), distribution]);

export type ValueDocument = z.infer<typeof valueSchema>;
