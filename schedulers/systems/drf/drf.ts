/** Dominant Resource Fairness among pipelines, at once or by Mesos' offers. */

import { z } from "zod";
import type {
  ClusterView,
  Controller,
  Controls,
  JobView,
} from "../../../engine/dispatch/controller.ts";
import type { RandomStream } from "../../../engine/random/stream.ts";
import {
  defineController,
  namedWeights,
  nonNegative,
  preset,
  type SystemPack,
} from "../../rules/policy-definition.ts";
import { type Amounts, Frameworks } from "./frameworks.ts";

const seconds = nonNegative();

const offerParameters = {
  allocationIntervalS: seconds.min(0.001).default(1).describe("s between rounds of offers"),
  atEvents: z
    .boolean()
    .default(true)
    .describe("offers also when jobs arrive, batches end or offers are declined"),
  refuseS: seconds.default(5).describe("s in which a pipeline gets no offer of what it declined"),
  offerTimeoutS: seconds
    .positive()
    .optional()
    .describe("s after which an offer without an answer is rescinded; default: never"),
  answerMs: seconds
    .default(0)
    .describe("mean ms of a pipeline's answer, drawn evenly between 0 and twice that"),
  revives: z
    .boolean()
    .default(true)
    .describe("a pipeline without jobs gets no offers, and its next job ends its filters"),
};

type OfferTimes = z.infer<z.ZodObject<typeof offerParameters>>;

const us = (s: number): number => Math.round(s * 1e6);

interface Offer {
  readonly pipeline: number;
  readonly node: number;
  readonly amounts: Amounts;
  readonly answerUs: number;
  readonly rescindUs: number;
}

/** Keeps offers of no more than was declined from a pipeline. */
interface Filter {
  readonly node: number;
  readonly declined: Amounts;
  readonly untilUs: number;
}

/** One level: at each event, the next job of the pipeline with the smallest dominant share. */
function directly(frameworks: Frameworks, skips: boolean): Controller {
  const startsOne = (view: ClusterView, act: Controls): boolean => {
    for (const pipeline of frameworks.shares.order()) {
      if (frameworks.startNext(pipeline, view, act, () => true) >= 0) return true;
      if (!skips && frameworks.waitsForRoom(pipeline, view)) return false;
    }
    return false;
  };
  return {
    ...frameworks.hearing,
    decide: (view, act) => {
      while (startsOne(view, act));
    },
  };
}

/** Timers. */
const ALLOCATE = 0;
const ANSWER = 1;

/**
 * Mesos' two levels. The master offers all that is free on a node to the pipeline with the smallest
 * dominant share; the pipeline starts its jobs there and declines the rest.
 *
 *   every interval, and at events ─> offer each node, in random order, to the first of the sorter
 *   a pipeline's answer           ─> start what fits in the offer; decline the rest: a filter
 *   an offer without an answer    ─> rescinded after the timeout
 *
 * An offer counts as allocated until it is answered or rescinded.
 */
class Offers {
  readonly #frameworks: Frameworks;
  readonly #nodes: number;
  readonly #times: OfferTimes;
  readonly #rng: RandomStream;
  /** Not answered yet. */
  #open: Offer[] = [];
  /** By pipeline. */
  readonly #filters = new Map<number, readonly Filter[]>();

  constructor(frameworks: Frameworks, nodes: number, times: OfferTimes, rng: RandomStream) {
    this.#frameworks = frameworks;
    this.#nodes = nodes;
    this.#times = times;
    this.#rng = rng;
  }

  queued({ pipeline }: JobView): void {
    if (this.#times.revives) this.#filters.delete(pipeline);
  }

  begin(view: ClusterView, act: Controls): void {
    act.wakeAt(ALLOCATE, view.nowUs + us(this.#times.allocationIntervalS));
  }

  woken(timer: number, view: ClusterView, act: Controls): void {
    if (timer === ALLOCATE) this.begin(view, act);
    else this.#settle(view, act);
    this.allocate(view, act, timer === ALLOCATE);
  }

  /** Rounds of offers: at events, declined resources go to the next pipeline at once. */
  allocate(view: ClusterView, act: Controls, isRound: boolean): void {
    const { atEvents } = this.#times;
    for (let goesOn = isRound || atEvents; goesOn; ) {
      for (const node of this.#rng.shuffled(this.#nodes)) this.#offer(node, view);
      goesOn = this.#settle(view, act) > 0 && atEvents;
    }
    const times = this.#open.map(({ answerUs, rescindUs }) => Math.min(answerUs, rescindUs));
    act.wakeAt(ANSWER, Math.min(Number.POSITIVE_INFINITY, ...times));
  }

  /** All that is free on a node, to at most one pipeline. */
  #offer(node: number, view: ClusterView): void {
    const { offerTimeoutS = Number.POSITIVE_INFINITY, answerMs } = this.#times;
    const open = this.#open.filter((offer) => offer.node === node);
    const amounts = this.#frameworks
      .freeOn(node, view)
      .map((free, r) => open.reduce((left, offer) => Math.max(0, left - offer.amounts[r]), free));
    if (amounts.every((amount) => amount === 0)) return;
    const { shares } = this.#frameworks;
    const pipeline = shares.order().find((one) => this.#wants(one, node, amounts, view));
    if (pipeline === undefined) return;
    const meanUs = Math.round(answerMs * 1000);
    const delayUs = meanUs === 0 ? 0 : Math.ceil(2 * meanUs * this.#rng.uniform());
    shares.allocate(pipeline, amounts);
    const rescindUs = view.nowUs + us(offerTimeoutS);
    this.#open.push({ pipeline, node, amounts, answerUs: view.nowUs + delayUs, rescindUs });
  }

  #wants(pipeline: number, node: number, amounts: Amounts, view: ClusterView): boolean {
    if (this.#times.revives && !this.#frameworks.hasJobs(pipeline, view)) return false;
    const filters = this.#filters.get(pipeline) ?? [];
    return !filters.some(
      (filter) =>
        filter.node === node &&
        view.nowUs < filter.untilUs &&
        amounts.every((amount, r) => amount <= filter.declined[r]),
    );
  }

  /** Answers and rescinds the offers that are due; how many. */
  #settle(view: ClusterView, act: Controls): number {
    const { nowUs } = view;
    const isDue = (offer: Offer): boolean => Math.min(offer.answerUs, offer.rescindUs) <= nowUs;
    const due = this.#open.filter(isDue);
    this.#open = this.#open.filter((offer) => !isDue(offer));
    for (const offer of due) {
      this.#frameworks.shares.release(offer.pipeline, offer.amounts);
      if (offer.answerUs <= nowUs) this.#answer(offer, view, act);
    }
    return due.length;
  }

  /** The pipeline starts what fits in the offer, and declines the rest. */
  #answer({ pipeline, node, amounts }: Offer, view: ClusterView, act: Controls): void {
    let left = amounts;
    const allows = (replica: number): boolean =>
      view.system.replicas[replica].node === node &&
      this.#frameworks.demandOf(replica).every((amount, r) => amount <= left[r]);
    for (;;) {
      const replica = this.#frameworks.startNext(pipeline, view, act, allows);
      if (replica < 0) break;
      const taken = this.#frameworks.demandOf(replica);
      left = left.map((amount, r) => amount - taken[r]);
    }
    if (left.every((amount) => amount === 0)) return;
    const { nowUs } = view;
    const { refuseS, allocationIntervalS } = this.#times;
    // No filter ends before the next round, or, where nothing is refused, the rounds of this instant.
    const untilUs = nowUs + (refuseS === 0 ? 1 : us(Math.max(refuseS, allocationIntervalS)));
    const known = this.#filters.get(pipeline)?.filter((filter) => nowUs < filter.untilUs) ?? [];
    this.#filters.set(pipeline, [...known, { node, declined: left, untilUs }]);
  }
}

function inOffers(frameworks: Frameworks, offers: Offers): Controller {
  const { hearing } = frameworks;
  return {
    ...hearing,
    timers: 2,
    queued: (job, pool) => {
      hearing.queued?.(job, pool);
      offers.queued(job);
    },
    begin: (view, act) => {
      hearing.begin?.(view, act);
      offers.begin(view, act);
    },
    woken: (timer, view, act) => offers.woken(timer, view, act),
    decide: (view, act) => offers.allocate(view, act, false),
  };
}

const controller = defineController({
  name: "drf",
  summary: "the pipeline with the smallest dominant share is served next",
  idea:
    "Max-min fairness over several resources: a pipeline's dominant share is the largest that its " +
    "running batches hold of any resource, and the pipeline with the smallest one, over its " +
    "weight, starts its next job that fits. With `offers`, in two levels as in Mesos: all that is " +
    "free on a node is offered to that pipeline, which starts its jobs there and declines the rest.",
  reads:
    "Demands of models and free resources of nodes; whose batches run; which replicas are idle. " +
    "Where no model has a demand, replicas are the resource.",
  failsWhen:
    "SLOs differ: it divides resources, not time, and knows no deadline. A pipeline that " +
    "comes back waits for running batches, as none is pre-empted. `skip` keeps nothing free for " +
    "large demands, which small ones can keep waiting; `wait` leaves resources idle. Offers are " +
    "of one node at a time, and a pipeline that answers slowly keeps them from others.",
  source:
    "Ghodsi et al., Dominant Resource Fairness, NSDI 2011, section 4; Hindman et al., Mesos, NSDI " +
    "2011, section 3; interval, filter and order of nodes as in Mesos' hierarchical allocator. " +
    "Immediate allocation at events, and answers in twice `answerMs` at most, are ours. " +
    "Left out of Mesos: roles in a hierarchy, and their quotas, limits and reservations.",
  parameters: z.strictObject({
    weights: z
      .record(z.string(), z.number().positive().min(1e-6).max(1e6))
      .optional()
      .describe("of pipelines, by name: shares are divided by them; default: 1 each"),
    whenFull: z
      .enum(["skip", "wait"])
      .default("skip")
      .describe("whether others go on when the first pipeline's job does not fit; not for offers"),
    allocation: z
      .enum(["direct", "offers"])
      .default("direct")
      .describe("jobs are started at once, or nodes offered to pipelines"),
    ...offerParameters,
  }),
  pipelinesIn: ({ weights = {} }) => namedWeights(weights),
  create: ({ weights = {}, whenFull, allocation, ...times }, { system, pools, rng }) => {
    const frameworks = new Frameworks(system, pools, weights);
    if (allocation === "direct") return directly(frameworks, whenFull === "skip");
    return inOffers(frameworks, new Offers(frameworks, system.nodes.length, times, rng()));
  },
});

export const drf: SystemPack = {
  policies: { controller: [controller] },
  presets: {
    drf: preset("Dominant Resource Fairness: the pipeline with the smallest dominant share first", {
      controller: "drf",
    }),
    mesos: preset("Dominant Resource Fairness by offers of nodes to pipelines, as in Mesos", {
      controller: { policy: "drf", allocation: "offers" },
    }),
  },
};
