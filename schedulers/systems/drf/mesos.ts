/**
 * Mesos' two levels. The master offers all that is free on a node to the framework, here a pipeline, with the smallest
 * dominant share; the pipeline starts its jobs there and declines the rest.
 *
 *   every interval, and at events ─> offer each node, in random order, to the first of the sorter
 *   a pipeline's answer           ─> start what fits in the offer; decline the rest: a filter
 *   an offer without an answer    ─> rescinded after the timeout
 *
 * An offer counts as allocated until it is answered or rescinded.
 *
 * Source: Hindman et al., Mesos, NSDI 2011, section 3; interval, filter and order of nodes as in its hierarchical allocator.
 */
import { z } from "zod";
import type { ClusterView, Controller, Controls } from "../../../engine/dispatch/controller.ts";
import { ms, nonNegative } from "../../rules/parameters.ts";
import type { ControllerContext } from "../../rules/policy-definition.ts";
import type { Amounts, Frameworks, Sorter } from "./frameworks.ts";

export const offerParameters = {
  allocationIntervalS: nonNegative().min(0.001).default(1).describe("s between rounds of offers"),
  atEvents: z
    .boolean()
    .default(true)
    .describe("offers also when jobs arrive, batches end or offers are declined"),
  refuseS: nonNegative()
    .default(5)
    .describe("s in which a pipeline gets no offer of what it declined"),
  offerTimeoutS: nonNegative()
    .positive()
    .optional()
    .describe("s after which an offer without an answer is rescinded; default: never"),
  answerMs: ms(0, "mean time of a pipeline's answer, drawn evenly between 0 and twice that"),
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

/** Timers. */
const ALLOCATE = 0;
const ANSWER = 1;

class Allocator {
  readonly #frameworks: Frameworks;
  readonly #sorter: Sorter;
  readonly #times: OfferTimes;
  readonly #nodes: number;
  readonly #rng: ReturnType<ControllerContext["rng"]>;
  /** Not answered yet. */
  #offers: Offer[] = [];
  /** By pipeline. */
  readonly #filters = new Map<number, readonly Filter[]>();

  constructor(
    frameworks: Frameworks,
    sorter: Sorter,
    times: OfferTimes,
    { system, rng }: ControllerContext,
  ) {
    this.#frameworks = frameworks;
    this.#sorter = sorter;
    this.#times = times;
    this.#nodes = system.nodes.length;
    this.#rng = rng();
  }

  revive(pipeline: number): void {
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
    const times = this.#offers.map(({ answerUs, rescindUs }) => Math.min(answerUs, rescindUs));
    act.wakeAt(ANSWER, Math.min(Number.POSITIVE_INFINITY, ...times));
  }

  /** All that is free on a node, to at most one pipeline. */
  #offer(node: number, view: ClusterView): void {
    const { offerTimeoutS = Number.POSITIVE_INFINITY, answerMs } = this.#times;
    const open = this.#offers.filter((offer) => offer.node === node);
    const amounts = this.#frameworks
      .freeOn(node, view)
      .map((free, r) => open.reduce((left, offer) => Math.max(0, left - offer.amounts[r]), free));
    if (amounts.every((amount) => amount === 0)) return;
    const pipeline = this.#sorter.order().find((one) => this.#wants(one, node, amounts, view));
    if (pipeline === undefined) return;
    const meanUs = Math.round(answerMs * 1000);
    const delayUs = meanUs === 0 ? 0 : Math.ceil(2 * meanUs * this.#rng.uniform());
    this.#sorter.allocate(pipeline, amounts);
    const rescindUs = view.nowUs + us(offerTimeoutS);
    this.#offers.push({ pipeline, node, amounts, answerUs: view.nowUs + delayUs, rescindUs });
  }

  #wants(pipeline: number, node: number, amounts: Amounts, view: ClusterView): boolean {
    if (this.#times.revives && this.#frameworks.waiting(pipeline, view).length === 0) return false;
    return !this.#filtersOf(pipeline, view.nowUs).some(
      (filter) =>
        filter.node === node && amounts.every((amount, r) => amount <= filter.declined[r]),
    );
  }

  #filtersOf(pipeline: number, nowUs: number): readonly Filter[] {
    return this.#filters.get(pipeline)?.filter(({ untilUs }) => nowUs < untilUs) ?? [];
  }

  /** Answers and rescinds the offers that are due; how many. */
  #settle(view: ClusterView, act: Controls): number {
    const { nowUs } = view;
    const isDue = (offer: Offer): boolean => Math.min(offer.answerUs, offer.rescindUs) <= nowUs;
    const due = this.#offers.filter(isDue);
    this.#offers = this.#offers.filter((offer) => !isDue(offer));
    for (const offer of due) {
      this.#sorter.release(offer.pipeline, offer.amounts);
      if (offer.answerUs <= nowUs) this.#answer(offer, view, act);
    }
    return due.length;
  }

  /** The pipeline starts what fits in the offer, and declines the rest. */
  #answer({ pipeline, node, amounts }: Offer, view: ClusterView, act: Controls): void {
    let left = amounts;
    const isOffered = (replica: number): boolean =>
      view.system.replicas[replica].node === node &&
      this.#frameworks.demandOf(replica).every((amount, r) => amount <= left[r]);
    for (;;) {
      const replica = this.#frameworks.startNext(pipeline, view, act, isOffered);
      if (replica === undefined) break;
      const taken = this.#frameworks.demandOf(replica);
      left = left.map((amount, r) => amount - taken[r]);
    }
    if (left.every((amount) => amount === 0)) return;
    const { nowUs } = view;
    const { refuseS, allocationIntervalS } = this.#times;
    // No filter ends before the next round, or, where nothing is refused, the rounds of this instant.
    const untilUs = nowUs + (refuseS === 0 ? 1 : us(Math.max(refuseS, allocationIntervalS)));
    const filter = { node, declined: left, untilUs };
    this.#filters.set(pipeline, [...this.#filtersOf(pipeline, nowUs), filter]);
  }
}

export function byOffers(
  frameworks: Frameworks,
  sorter: Sorter,
  times: OfferTimes,
  context: ControllerContext,
): Controller {
  const { hearing } = frameworks;
  const allocator = new Allocator(frameworks, sorter, times, context);
  return {
    ...hearing,
    timers: 2,
    queued: (job, pool) => {
      hearing.queued?.(job, pool);
      allocator.revive(job.pipeline);
    },
    begin: (view, act) => {
      hearing.begin?.(view, act);
      allocator.begin(view, act);
    },
    woken: (timer, view, act) => allocator.woken(timer, view, act),
    decide: (view, act) => allocator.allocate(view, act, false),
  };
}
