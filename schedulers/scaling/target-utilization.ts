import { z } from "zod";
import type { Scaling } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";
import { boundsOf, scalingBounds } from "./scaling-bounds.ts";

/**
 * Idea: ⌈replicas × utilisation / target⌉, unless that is within the tolerance of what there is.
 * Reads: busy replicas, as a mean since the last decision; replicas still starting count as idle.
 * Fails when: load jumps: utilisation says 100% however long the queue, so it grows by 1 / target
 * a decision.
 * Source: Kubernetes, Horizontal Pod Autoscaling, "Algorithm details"; defaults are its own. Its
 * limits on steps (4 pods or 100% in 15 s) are left out.
 */
export const targetUtilization = definePolicy({
  name: "target-utilization",
  summary: "keep replicas busy for a share of their time, as Kubernetes does",
  parameters: z.strictObject({
    target: z.number().positive().max(1).default(0.7).describe("share of time that is wanted"),
    tolerance: z
      .number()
      .nonnegative()
      .max(1)
      .default(0.1)
      .describe("relative; less is left alone"),
    ...scalingBounds({ intervalS: 15, downWindowS: 300 }),
    min: z.int().positive().max(100_000).default(1).describe("at least 1: none are never busy"),
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
