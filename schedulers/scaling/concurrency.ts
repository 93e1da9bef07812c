import { z } from "zod";
import type { Scaling } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";
import { boundsOf, scalingBounds } from "./scaling-bounds.ts";

export const concurrency = definePolicy({
  name: "concurrency",
  summary: "keep so many jobs per replica, with a panic mode, as Knative does",
  idea: "⌈jobs / target⌉, with jobs averaged over a stable window. When the panic window alone asks for panicAt times the ready replicas, it panics: it follows the panic window and does not shrink until the panic is a whole stable window past.",
  reads: "Jobs that wait or run.",
  failsWhen: "The target is guessed: 1 leaves replicas idle between jobs, more lets jobs queue.",
  source:
    "Knative Serving, autoscaler (stable and panic window, pkg/autoscaler/scaling); all defaults but the target are its own.",
  parameters: z.strictObject({
    target: z
      .number()
      .positive()
      .max(10_000)
      .default(1)
      .describe("jobs per replica, waiting or running"),
    windowS: z.number().positive().max(1e6).default(60).describe("stable window, in s"),
    panicShare: z
      .number()
      .positive()
      .max(1)
      .default(0.1)
      .describe("panic window, as a share of the stable window"),
    panicAt: z
      .number()
      .min(1)
      .max(10)
      .default(2)
      .describe("ratio of wanted to ready replicas that starts a panic"),
    ...scalingBounds({ intervalS: 2, downWindowS: 0 }),
  }),
  create: ({ target, windowS, panicShare, panicAt, ...bounds }): Scaling => {
    const stableCount = Math.max(1, Math.round(windowS / bounds.intervalS));
    const panicCount = Math.max(1, Math.round(stableCount * panicShare));
    const recent: number[] = [];
    let panicUntilUs = Number.NEGATIVE_INFINITY;
    let panicReplicas = 0;
    return {
      ...boundsOf(bounds),
      replicas: ({ jobsMean, ready, nowUs }) => {
        recent.push(jobsMean);
        if (recent.length > stableCount) recent.shift();
        const stable = Math.ceil(mean(recent) / target);
        const panic = Math.ceil(mean(recent.slice(-panicCount)) / target);
        if (panic >= panicAt * Math.max(1, ready)) panicUntilUs = nowUs + windowS * 1e6;
        if (nowUs >= panicUntilUs) {
          panicReplicas = 0;
          return stable;
        }
        panicReplicas = Math.max(panicReplicas, panic, stable);
        return panicReplicas;
      },
    };
  },
});

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
