import { z } from "zod";
import type { Scaling } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";
import { boundsOf, scalingBounds } from "./scaling-bounds.ts";

export const queueLength = definePolicy({
  name: "queue-length",
  summary: "keep so many waiting jobs per replica, as KEDA does",
  idea: "⌈waiting jobs / target⌉.",
  reads: "Waiting jobs, as a mean since the last decision.",
  failsWhen: "Replicas are busy without a queue: it shrinks until there is one.",
  source:
    "KEDA, queue scalers (queueLength), which give the Kubernetes autoscaler a target per replica (AverageValue); defaults are its own.",
  parameters: z.strictObject({
    target: z.number().positive().max(1e6).default(5).describe("waiting jobs per replica"),
    ...scalingBounds({ intervalS: 15, downWindowS: 300 }),
  }),
  create: ({ target, ...bounds }): Scaling => ({
    ...boundsOf(bounds),
    replicas: ({ waitingMean }) => Math.ceil(waitingMean / target),
  }),
});
