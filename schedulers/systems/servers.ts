/** Serving systems in use, most of whose parts are rules: Kubernetes' autoscaler, Ray Serve, Triton. */
import { z } from "zod";
import type { Scaling } from "../../engine/dispatch/policies.ts";
import { meanOf } from "../../engine/statistics/estimate.ts";
import { amount, within } from "../rules/parameters.ts";
import { definePolicy, preset, type SystemPack } from "../rules/policy-definition.ts";
import { boundsOf, scalingBounds } from "../rules/scaling.ts";

const { downWindowS: _, ...bounds } = scalingBounds({ intervalS: 10, downWindowS: 0 });

const ongoingRequests = definePolicy({
  name: "ongoing-requests",
  summary: "keep so many jobs per replica, after a delay, as Ray Serve does",
  idea: "⌈jobs / target⌉, with jobs averaged over the look-back period; only when the answer has been more (or less) than the replicas ordered for the whole of a delay, and then the latest answer.",
  reads: "Jobs that wait or run, and the replicas that serve.",
  failsWhen:
    "Load jumps: it waits for the delay first, and the average lags by the look-back period. A load that swings faster than downDelayS keeps the replicas of its peak.",
  source:
    'Ray Serve, "Advanced Ray Serve Autoscaling"; ray/serve/autoscaling_policy.py. All defaults are its own (2.32 and later).',
  parameters: z.strictObject({
    target: amount(2, "jobs per replica, waiting or running (target_ongoing_requests)", 10_000),
    lookBackS: amount(30, "period of the average, in s (look_back_period_s)"),
    upDelayS: within(0, 1e6, 30, "s for which more replicas must be wanted (upscale_delay_s)"),
    downDelayS: within(0, 1e6, 600, "s for which fewer must be wanted (downscale_delay_s)"),
    upFactor: amount(1, "share of the wanted growth that is ordered (upscaling_factor)"),
    downFactor: amount(1, "share of the wanted shrinkage that is released (downscaling_factor)"),
    ...bounds,
  }),
  create: ({ target, lookBackS, upDelayS, downDelayS, upFactor, downFactor, ...own }): Scaling => {
    const count = Math.max(1, Math.round(lookBackS / own.intervalS));
    const recent: number[] = [];
    /** Since when more (1) or fewer (−1) replicas are wanted. */
    let direction = 0;
    let sinceUs = 0;
    const wantedOf = (jobs: number, ready: number): number => {
      const missing = jobs / target - ready;
      const wanted = Math.ceil(ready + missing * (missing > 0 ? upFactor : downFactor));
      // A small factor would keep the last surplus replicas for ever.
      const isStuck = wanted === ready && Math.ceil(jobs / target) < ready;
      return isStuck ? ready - 1 : Math.max(0, wanted);
    };
    return {
      ...boundsOf({ ...own, downWindowS: 0 }),
      replicas: ({ nowUs, jobsMean, ready, ordered }) => {
        recent.push(jobsMean);
        if (recent.length > count) recent.shift();
        const jobs = meanOf(recent);
        if (ready === 0) return jobs > 0 ? Math.max(ordered, Math.ceil(upFactor)) : ordered;
        const wanted = wantedOf(jobs, ready);
        const now = Math.sign(wanted - ordered);
        if (now !== direction) {
          direction = now;
          sinceUs = nowUs;
        }
        const delayUs = (direction > 0 ? upDelayS : downDelayS) * 1e6;
        if (direction === 0 || nowUs - sinceUs < delayUs) return ordered;
        direction = 0;
        return wanted;
      },
    };
  },
});

export const servers: SystemPack = {
  policies: { scaling: [ongoingRequests] },
  presets: {
    // HorizontalPodAutoscaler (autoscaling/v2) with its documented defaults: up by 100% or 4 pods in 15 s,
    // whichever is more.
    "kubernetes-hpa": preset(
      "one central queue, replicas by utilisation as Kubernetes' autoscaler orders them",
      { scaling: { policy: "target-utilization", upReplicas: 4, upPercent: 100 } },
    ),
    // The cap is max_ongoing_requests. In Ray a replica serves its requests side by side; here it serves
    // them one batch at a time, and the others wait at it.
    "ray-serve": preset(
      "the less loaded of two replicas, at most 5 requests at each, replicas by ongoing requests",
      { routing: { policy: "power-of-two", cap: 5 }, scaling: "ongoing-requests" },
    ),
    // Triton's level 1 is the greatest priority here, and an instance group is the replicas of a task. The
    // timeout action DELAY and max_queue_size are not here.
    triton: preset("one central queue by priority, preferred batch sizes, timeouts in the queue", {
      ordering: "priority",
      batching: "preferred-sizes",
      shedding: "queue-timeout",
    }),
  },
};
