/** Values that every section of the scenario uses. */
import { z } from "zod";

/** A mapping of these keys and no others; `text` describes it. */
export function mapping<Shape extends z.ZodRawShape>(text: string, shape: Shape) {
  return z.strictObject(shape).describe(text);
}

/** The same, where it may be left out. */
export function optionalMapping<Shape extends z.ZodRawShape>(text: string, shape: Shape) {
  return z.strictObject(shape).optional().describe(text);
}

export const between = (least: number, most: number) => z.number().min(least).max(most);
export const wholeBetween = (least: number, most: number) => z.int().min(least).max(most);
/** From 1. */
export const wholeUpTo = (most: number) => z.int().positive().max(most);

/** A name may hold dots; paths (`--set`, `sweep`) take the longest name that fits. */
export const name = z
  .string()
  .regex(/^[A-Za-z0-9][A-Za-z0-9_.-]*$/, "letters, digits, '-', '_' or '.'");
/** A pool of replicas: a task's name, or `task@model` for one of its variants. */
export const poolName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]*(@[A-Za-z0-9][A-Za-z0-9_.-]*)?$/,
    "letters, digits, '-', '_' or '.', and `@` between a task and its variant",
  );
export const positive = z.number().positive();
export const nonNegative = z.number().nonnegative();
/** The simulator's step is a microsecond, and its clock holds some centuries. */
export const MOST_S = 1e9;
export const positiveS = positive.max(MOST_S);
export const nonNegativeS = nonNegative.max(MOST_S);
export const positiveMs = positive.max(MOST_S * 1000);
export const nonNegativeMs = nonNegative.max(MOST_S * 1000);
export const nonNegativeUs = nonNegative.max(MOST_S * 1e6);
export const meanMs = positive.min(0.001).max(1e9);
/** A rate as a share of the capacity of the bottleneck; above 1 queues grow. */
export const capacityShare = z.strictObject({
  ofCapacity: positive
    .min(1e-6)
    .max(10)
    .describe("share of the bottleneck's capacity on the sweep's smallest shape: 0.6 is 60%"),
});
/** Typed as a number: `capacity-shares.ts` replaces shares before anything reads them. */
function orShare(rate: z.ZodNumber): z.ZodType<number, number> {
  return z.union([rate, capacityShare]) as unknown as z.ZodType<number, number>;
}
export const ratePerS = orShare(positive.max(1e9));
export const rateFrom0PerS = orShare(nonNegative.max(1e9));
/** Factors, weights, and amounts in the user's units: their sums and products stay finite. */
export const factor = positive.min(1e-6).max(1e6);
export const weight = positive.max(1e9);
export const amount = nonNegative.max(1e15);
/** At a larger one, no run is long enough to see the mean. */
export const MOST_CV = 50;
/** By name, in any unit, which demands and nodes have in common. */
export const resources = z.record(name, positive.min(1e-6).max(1e9));
export const probability = between(0, 1);
export const count = wholeUpTo(1_000_000);
export const requests = wholeUpTo(1_000_000_000);

/** The distribution of times around their mean. */
export const spread = z.discriminatedUnion("distribution", [
  z.strictObject({ distribution: z.literal("exponential") }),
  z.strictObject({ distribution: z.literal("deterministic") }),
  z.strictObject({ distribution: z.literal("lognormal"), cv: positive.max(MOST_CV) }),
  z.strictObject({ distribution: z.literal("gamma"), cv: positive.min(0.01).max(MOST_CV) }),
]);

/** A value drawn for each request, in the unit that the key is named by. */
const distribution = z.discriminatedUnion("distribution", [
  z.strictObject({ distribution: z.literal("exponential"), mean: weight }),
  z.strictObject({
    distribution: z.enum(["lognormal", "gamma", "weibull"]),
    mean: weight,
    cv: between(0.01, MOST_CV).describe("standard deviation / mean"),
  }),
  z.strictObject({
    distribution: z.literal("empirical"),
    samples: z.array(weight).min(1).describe("drawn from with equal probability"),
  }),
]);

export const valueSchema = z
  .union([weight.describe("the same for all"), distribution])
  .meta({ id: "value" });
