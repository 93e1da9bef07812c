import { z } from "zod";
import type { Scaling } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";
import { boundsOf, scalingBounds } from "./scaling-bounds.ts";

export const targetUtilization = definePolicy({
  name: "target-utilization",
  summary: "keep replicas busy for a share of their time, as Kubernetes does",
  idea: "⌈replicas × utilisation / target⌉, unless the ratio is within the tolerance of 1.",
  reads:
    "Busy replicas, as a mean since the last decision; replicas that are still starting count as idle.",
  failsWhen:
    "Load jumps: utilisation says 100% however long the queue, so each decision grows the pool by 1 / target at most.",
  source:
    'Kubernetes, Horizontal Pod Autoscaling, "Algorithm details"; defaults are its own. Its limits on steps (4 pods or 100% in 15 s) are left out.',
  parameters: z.strictObject({
    target: z
      .number()
      .positive()
      .max(1)
      .default(0.7)
      .describe("share of time that replicas are to be busy"),
    tolerance: z
      .number()
      .nonnegative()
      .max(1)
      .default(0.1)
      .describe("relative distance from the target that is left alone"),
    ...scalingBounds({ intervalS: 15, downWindowS: 300 }),
    min: z
      .int()
      .positive()
      .max(100_000)
      .default(1)
      .describe("fewest replicas; 1 or more, as none are never busy"),
  }),
  create: ({ target, tolerance, ...bounds }): Scaling => ({
    ...boundsOf(bounds),
    replicas: ({ busyMean, ordered }) => {
      const ratio = busyMean / (Math.max(1, ordered) * target);
      if (ordered > 0 && Math.abs(ratio - 1) <= tolerance) return ordered;
      return Math.ceil(busyMean / target);
    },
  }),
});
