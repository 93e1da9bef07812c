/** How many replicas a pool has: rules, and the controller that asks them. */

import { z } from "zod";
import type { ClusterView, Controller, Controls } from "../../engine/dispatch/controller.ts";
import { isHeld } from "../../engine/dispatch/held-chains.ts";
import type { PoolPolicies, Scaling } from "../../engine/dispatch/policies.ts";
import { meanOf } from "../../engine/statistics/estimate.ts";
import type { System } from "../../engine/system/system.ts";
import { amount, count, nonNegative, positive, seconds, share, within } from "./parameters.ts";
import { defineController, definePolicy } from "./policy-definition.ts";

const replicas = z.int().nonnegative().max(100_000);

/** Defaults of interval and window differ by policy, as those of their models do. */
export function scalingBounds(defaults: { intervalS: number; downWindowS: number }) {
  return {
    min: replicas.default(1).describe("fewest replicas"),
    max: replicas
      .min(1)
      .optional()
      .describe("most replicas; default: the task's replicas in the cluster"),
    start: replicas.optional().describe("replicas at the start; default: min"),
    intervalS: within(0.001, 1e6, defaults.intervalS, "time between two decisions, in s"),
    downWindowS: within(0, 1e6, defaults.downWindowS, "the most wanted within so many s is kept"),
  };
}

type Bounds = z.infer<z.ZodObject<ReturnType<typeof scalingBounds>>>;

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

const fixed = definePolicy({
  name: "fixed",
  summary: "all replicas, all the time",
  idea: "All replicas of the cluster, all the time.",
  reads: "Nothing.",
  failsWhen: "Load changes: the peak is paid for all day, or the peak is not served.",
  source: "None needed.",
  create: () => undefined,
});

const targetUtilization = definePolicy({
  name: "target-utilization",
  summary: "keep replicas busy for a share of their time, as Kubernetes does",
  idea: "⌈replicas × utilisation / target⌉, unless the ratio is within the tolerance of 1. With limits on steps, a period adds no more than the larger of upReplicas and upPercent allows.",
  reads:
    "Busy replicas, as a mean since the last decision; replicas that are still starting count as idle where those that serve are too few, else not at all.",
  failsWhen:
    "Load jumps: utilisation says 100% however long the queue, so each decision grows the pool by 1 / target at most.",
  source:
    'Kubernetes, Horizontal Pod Autoscaling, "Algorithm details" and "Configurable scaling behavior"; defaults are its own, but for the limits on steps, which the preset kubernetes-hpa has.',
  parameters: z.strictObject({
    target: share(0.7, "share of time that replicas are to be busy"),
    tolerance: within(0, 1, 0.1, "relative distance from the target that is left alone"),
    upReplicas: replicas
      .min(1)
      .optional()
      .describe("replicas that a period may add; default: any number"),
    upPercent: positive()
      .optional()
      .describe(
        "share of the replicas at its start that a period may add, in percent; default: any number",
      ),
    upPeriodS: within(0.001, 1e6, 15, "period of the limits on steps, in s"),
    ...scalingBounds({ intervalS: 15, downWindowS: 300 }),
    min: count(1, "fewest replicas; 1 or more, as none are never busy", 100_000),
  }),
  create: ({ target, tolerance, upReplicas, upPercent, upPeriodS, ...bounds }): Scaling => {
    const most = stepLimit(upReplicas, upPercent, upPeriodS * 1e6);
    return {
      ...boundsOf(bounds),
      replicas: ({ nowUs, busyMean, ready, ordered }) => {
        const limit = Math.max(ordered, most(nowUs, ordered));
        const ofReady = busyMean / (ready * target);
        // No measurement; or those that serve are too few, and enough with those that start.
        if (ready === 0 && ordered > 0) return ordered;
        const isShort = ready < ordered && ofReady > 1;
        const ratio = isShort ? busyMean / (ordered * target) : ofReady;
        if (Math.abs(ratio - 1) <= tolerance || (isShort && ratio < 1)) return ordered;
        return Math.min(limit, Math.ceil(busyMean / target));
      },
    };
  },
});

/** The most replicas after an asking, which hears the number before it; askings come in order. */
function stepLimit(
  replicasAdded: number | undefined,
  percentAdded: number | undefined,
  periodUs: number,
): (nowUs: number, ordered: number) => number {
  if (replicasAdded === undefined && percentAdded === undefined) {
    return () => Number.POSITIVE_INFINITY;
  }
  const askings: { readonly atUs: number; readonly ordered: number }[] = [];
  return (nowUs, ordered) => {
    askings.push({ atUs: nowUs, ordered });
    while (askings[0].atUs <= nowUs - periodUs) askings.shift();
    // A change takes place right after an asking, so the first asking in the period saw its start.
    const atStart = askings[0].ordered;
    return Math.max(
      atStart + (replicasAdded ?? 0),
      Math.ceil(atStart * (1 + (percentAdded ?? 0) / 100)),
    );
  };
}

const concurrency = definePolicy({
  name: "concurrency",
  summary: "keep so many jobs per replica, with a panic mode, as Knative does",
  idea: "⌈jobs / target⌉, with jobs averaged over a stable window. When the panic window alone asks for panicAt times the ready replicas, it panics: it follows the panic window and does not shrink until the panic is a whole stable window past. A decision changes the ready replicas by no more than its rates: up to maxScaleUpRate times as many, down to their maxScaleDownRate-th part.",
  reads: "Jobs that wait or run, and the replicas that serve.",
  failsWhen: "The target is guessed: 1 leaves replicas idle between jobs, more lets jobs queue.",
  source:
    "Knative Serving, autoscaler (stable and panic window, pkg/autoscaler/scaling); all defaults but the target are its own.",
  parameters: z.strictObject({
    target: amount(1, "jobs per replica, waiting or running", 10_000),
    windowS: seconds(60, "stable window"),
    panicShare: share(0.1, "panic window, as a share of the stable window"),
    panicAt: within(1, 10, 2, "ratio of wanted to ready replicas that starts a panic"),
    maxScaleUpRate: within(1, 1e6, 1000, "the most wanted, as a multiple of the ready replicas"),
    maxScaleDownRate: within(1, 1e6, 2, "the ready replicas divided by this are kept at least"),
    ...scalingBounds({ intervalS: 2, downWindowS: 0 }),
  }),
  create: ({ target, windowS, panicShare, panicAt, ...given }): Scaling => {
    const { maxScaleUpRate, maxScaleDownRate, ...bounds } = given;
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
        const serving = Math.max(1, ready);
        const least = Math.floor(serving / maxScaleDownRate);
        const most = Math.ceil(serving * maxScaleUpRate);
        const bounded = (wanted: number): number => Math.min(Math.max(wanted, least), most);
        const stable = bounded(Math.ceil(meanOf(recent) / target));
        const panicking = Math.ceil(meanOf(recent.slice(-panicCount)) / target);
        const panic = bounded(panicking);
        if (panicking >= panicAt * serving) panicUntilUs = nowUs + windowS * 1e6;
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

const queueLength = definePolicy({
  name: "queue-length",
  summary: "keep so many waiting jobs per replica, as KEDA does",
  idea: "⌈waiting jobs / target⌉.",
  reads: "Waiting jobs, as a mean since the last decision.",
  failsWhen: "Replicas are busy without a queue: it shrinks until there is one.",
  source:
    "KEDA, queue scalers (queueLength), which give the Kubernetes autoscaler a target per replica (AverageValue); defaults are its own.",
  parameters: z.strictObject({
    target: amount(5, "waiting jobs per replica"),
    ...scalingBounds({ intervalS: 15, downWindowS: 300 }),
  }),
  create: ({ target, ...bounds }): Scaling => ({
    ...boundsOf(bounds),
    replicas: ({ waitingMean }) => Math.ceil(waitingMean / target),
  }),
});

const step = z.strictObject({
  atS: nonNegative(1e9).describe("start of the step, in s from the run's start"),
  replicas: z.int().nonnegative().max(100_000).describe("replicas from then on"),
});

const scheduled = definePolicy({
  name: "scheduled",
  summary: "so many replicas from given instants on",
  idea: "So many replicas from given instants on, every period anew.",
  reads: "The time.",
  failsWhen: "The load keeps no timetable.",
  source: "AWS Auto Scaling, scheduled actions.",
  parameters: z
    .strictObject({
      steps: z
        .array(step)
        .min(1)
        .meta({
          description: "list of { atS, replicas }: so many replicas from atS on, in order of time",
          examples: [
            [
              { atS: 0, replicas: 2 },
              { atS: 3600, replicas: 6 },
            ],
          ],
        }),
      periodS: positive(1e9)
        .optional()
        .describe("the steps repeat after so many s; default: never"),
      ...scalingBounds({ intervalS: 1, downWindowS: 0 }),
    })
    .refine(({ steps }) => steps.every(({ atS }, i) => i === 0 || atS > steps[i - 1].atS), {
      path: ["steps"],
      message: "instants in ascending order",
    })
    .refine(
      ({ steps, periodS }) => periodS === undefined || steps[steps.length - 1].atS < periodS,
      {
        path: ["periodS"],
        message: "a period after the last step",
      },
    ),
  create: ({ steps, periodS, ...bounds }): Scaling => {
    const before = periodS === undefined ? bounds.min : steps[steps.length - 1].replicas;
    const at = (nowS: number): number => {
      const inPeriodS = periodS === undefined ? nowS : nowS % periodS;
      return steps.findLast(({ atS }) => atS <= inPeriodS)?.replicas ?? before;
    };
    return {
      ...boundsOf({ start: at(0), ...bounds }),
      replicas: ({ nowUs }) => at(nowUs / 1e6),
    };
  },
});

/** A pool that scales. */
interface ScaledPool {
  readonly id: number;
  readonly scaling: Scaling;
  readonly max: number;
  /** Busy replicas, jobs that wait, and those with the ones that run; each integrated since the rule was last asked. */
  load: readonly number[];
  readonly integrals: number[];
  sinceUs: number;
  observedUs: number;
  /** Wishes within the down window that no later one exceeds: falling, so the first is the most. */
  readonly wishes: { readonly atUs: number; readonly replicas: number }[];
}

/**
 * Asks the scaling rule of each pool at its interval how many replicas it should have. Pools whose
 * replicas are held in chains keep all of them.
 */
export class Autoscaler implements Controller {
  readonly scales: readonly number[];
  /** One for each pool that scales. */
  readonly timers: number;
  readonly #scaled: readonly ScaledPool[];

  constructor(system: System, policies: readonly PoolPolicies[]) {
    this.#scaled = system.pools.flatMap((pool, id) => {
      const { scaling } = policies[id];
      if (scaling === undefined || isHeld(system, id)) return [];
      const max = Math.min(scaling.max, pool.count);
      const none = { load: [0, 0, 0], integrals: [0, 0, 0], sinceUs: 0, observedUs: 0 };
      return [{ id, scaling, max, ...none, wishes: [] }];
    });
    this.scales = this.#scaled.map(({ id }) => id);
    this.timers = this.#scaled.length;
  }

  begin({ nowUs }: ClusterView, act: Controls): void {
    this.#scaled.forEach((scaled, timer) => {
      const { min, start, intervalUs } = scaled.scaling;
      const replicas = Math.min(scaled.max, Math.max(min, start));
      scaled.sinceUs = nowUs;
      scaled.observedUs = nowUs;
      scaled.wishes.push({ atUs: nowUs, replicas });
      act.setReplicas(scaled.id, replicas);
      act.wakeAt(timer, nowUs + intervalUs);
    });
  }

  woken(timer: number, view: ClusterView, act: Controls): void {
    const scaled = this.#scaled[timer];
    act.setReplicas(scaled.id, wish(scaled, view));
    act.wakeAt(timer, view.nowUs + scaled.scaling.intervalUs);
  }

  settled(view: ClusterView): void {
    for (const scaled of this.#scaled) {
      integrate(scaled, view.nowUs);
      const { busy, waiting, running } = view.loadOf(scaled.id);
      scaled.load = [busy, waiting, waiting + running];
    }
  }
}

/** The rule's answer, within bounds, or the most that was wanted within the down window. */
function wish(scaled: ScaledPool, view: ClusterView): number {
  const { scaling, id, wishes } = scaled;
  const { nowUs } = view;
  integrate(scaled, nowUs);
  const spanUs = nowUs - scaled.sinceUs;
  const [busyMean, waitingMean, jobsMean] = scaled.integrals.map((each) => each / spanUs);
  const wanted = scaling.replicas({
    nowUs,
    ready: view.readyOf(id),
    ordered: view.orderedOf(id),
    ...{ busyMean, waitingMean, jobsMean },
  });
  scaled.integrals.fill(0);
  scaled.sinceUs = nowUs;
  const replicas = Math.max(scaling.min, Math.min(scaled.max, wanted));
  const fromUs = nowUs - scaling.downWindowUs;
  while (wishes.length > 0 && wishes[0].atUs <= fromUs) wishes.shift();
  while (wishes.length > 0 && wishes[wishes.length - 1].replicas <= replicas) wishes.pop();
  wishes.push({ atUs: nowUs, replicas });
  return wishes[0].replicas;
}

function integrate(scaled: ScaledPool, nowUs: number): void {
  const spanUs = nowUs - scaled.observedUs;
  for (const [i, each] of scaled.load.entries()) scaled.integrals[i] += each * spanUs;
  scaled.observedUs = nowUs;
}

const none = defineController({
  name: "none",
  summary: "rules alone decide",
  idea: "No controller: each decision is made by its rule.",
  reads: "Nothing.",
  failsWhen: "A decision needs memory of its own, or several pools at once.",
  source: "None needed.",
  create: () => undefined,
});

/** By decision, the simplest first. */
export const SCALING_RULES = {
  scaling: [fixed, targetUtilization, concurrency, queueLength, scheduled],
  controller: [none],
};
