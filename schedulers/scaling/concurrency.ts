import { z } from "zod";
import type { Scaling } from "../../core/dispatch/policies.ts";
import { definePolicy } from "../policy-definition.ts";
import { boundsOf, scalingBounds } from "./scaling-bounds.ts";

/**
 * Idea: ⌈jobs / target⌉ with jobs averaged over a stable window. When a tenth of the window alone
 * asks for twice the replicas there are, it panics: it follows that and does not shrink until the
 * panic is a whole window past.
 * Reads: jobs that wait or run.
 * Fails when: the target is guessed: 1 leaves replicas idle between jobs, more lets jobs queue.
 * Source: Knative Serving, autoscaler (stable and panic window, `pkg/autoscaler/scaling`); defaults
 * are its own but for the target.
 */
export const concurrency = definePolicy({
  name: "concurrency",
  summary: "keep so many jobs per replica, with a panic mode, as Knative does",
  parameters: z.strictObject({
    target: z.number().positive().max(10_000).default(1).describe("jobs per replica"),
    windowS: z.number().positive().max(1e6).default(60).describe("stable window"),
    panicShare: z.number().positive().max(1).default(0.1).describe("panic window / stable window"),
    panicAt: z.number().min(1).max(10).default(2).describe("wanted / ready that starts a panic"),
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
