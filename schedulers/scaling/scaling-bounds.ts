/** What every scaling policy takes: bounds, and how often and how quickly it acts. */
import { z } from "zod";
import type { Scaling } from "../../core/dispatch/policies.ts";

const replicas = z.int().nonnegative().max(100_000);
const seconds = z.number().nonnegative().max(1e6);

/** Defaults of interval and window differ by policy, as those of their models do. */
export function scalingBounds(defaults: { intervalS: number; downWindowS: number }) {
  return {
    min: replicas.default(1).describe("fewest replicas"),
    max: replicas
      .min(1)
      .optional()
      .describe("most replicas; default: the task's replicas in the cluster"),
    start: replicas.optional().describe("replicas at the start; default: min"),
    intervalS: seconds
      .min(0.001)
      .default(defaults.intervalS)
      .describe("time between two decisions, in s"),
    downWindowS: seconds
      .default(defaults.downWindowS)
      .describe("the most replicas wanted within this time are kept, in s"),
  };
}

interface Bounds {
  readonly min: number;
  readonly max?: number | undefined;
  readonly start?: number | undefined;
  readonly intervalS: number;
  readonly downWindowS: number;
}

export function boundsOf(bounds: Bounds): Omit<Scaling, "replicas"> {
  const { min, max = Number.POSITIVE_INFINITY, start = min, intervalS, downWindowS } = bounds;
  return {
    min,
    max,
    start,
    intervalUs: Math.round(intervalS * 1e6),
    downWindowUs: Math.round(downWindowS * 1e6),
  };
}
