/** A value drawn for each request. The unit is that of the key that holds it. */
import { z } from "zod";
import { MOST_CV, weight } from "./common.ts";

const distribution = z.discriminatedUnion("distribution", [
  z.strictObject({ distribution: z.literal("exponential"), mean: weight }),
  z.strictObject({
    distribution: z.enum(["lognormal", "gamma", "weibull"]),
    mean: weight,
    cv: z.number().min(0.01).max(MOST_CV).describe("standard deviation / mean"),
  }),
  z.strictObject({
    distribution: z.literal("empirical"),
    samples: z.array(weight).min(1).describe("drawn from with equal probability"),
  }),
]);

export const valueSchema = z
  .union([weight.describe("the same for all"), distribution])
  .meta({ id: "value" });

export type ValueDocument = z.infer<typeof valueSchema>;
