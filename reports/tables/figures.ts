/** The parts of result files that several documents have, as their readers check them. */
import { z } from "zod";

/** JSON has no NaN or infinity: writers put null, which is read as "not known". */
export const figure = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
export const estimate = z.object({ mean: figure, halfWidth95: figure });
export const parameter = z.union([z.string(), z.number(), z.boolean(), z.null()]);
export const counts = z.record(z.string(), z.number());
export const placement = z.record(
  z.string(),
  z.object({
    machinesUsed: z.number(),
    machines: z.number(),
    idleCostPerHour: z.number(),
    replicas: counts,
  }),
);
