import { z } from "zod";
import type { Scaling } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";
import { boundsOf, scalingBounds } from "./scaling-bounds.ts";

/**
 * Idea: ⌈waiting jobs / target⌉.
 * Reads: waiting jobs, as a mean since the last decision.
 * Fails when: replicas are busy without a queue: it shrinks until there is one.
 * Source: KEDA, queue scalers (`queueLength`), which give the Kubernetes autoscaler a target per
 * replica ("AverageValue"); defaults are its own.
 */
export const queueLength = definePolicy({
  name: "queue-length",
  summary: "keep so many waiting jobs per replica, as KEDA does",
  parameters: z.strictObject({
    target: z.number().positive().max(1e6).default(5).describe("waiting jobs per replica"),
    ...scalingBounds({ intervalS: 15, downWindowS: 300 }),
  }),
  create: ({ target, ...bounds }): Scaling => ({
    ...boundsOf(bounds),
    replicas: ({ waitingMean }) => Math.ceil(waitingMean / target),
  }),
});
