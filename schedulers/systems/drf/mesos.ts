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
import type { z } from "zod";
import type { ClusterView, Controls, JobView } from "../../../engine/dispatch/controller.ts";
import type { RandomStream } from "../../../engine/random/stream.ts";
import { flag, ms, nonNegative, within } from "../../rules/parameters.ts";
import type { Amounts } from "./dominant-shares.ts";
import type { Decider, Frameworks } from "./frameworks.ts";

export const offerParameters = {
  allocationIntervalS: nonNegative().min(0.001).default(1).describe("s between rounds of offers"),
  atEvents: flag("offers also when jobs arrive, batches end or offers are declined"),
  refuseS: within(0, 1e6, 5, "s in which a pipeline gets no offer of what it declined"),
  offerTimeoutS: nonNegative()
    .positive()
    .optional()
    .describe("s after which an offer without an answer is rescinded; default: never"),
  answerMs: ms(0, "mean time of a pipeline's answer, drawn evenly between 0 and twice that"),
  revives: flag("a pipeline without jobs gets no offers, and its next job ends its filters"),
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

const dueUs = ({ answerUs, rescindUs }: Offer): number => Math.min(answerUs, rescindUs);

/** Keeps offers of no more than was declined from a pipeline. */
interface Filter {
  readonly node: number;
  readonly declined: Amounts;
  readonly untilUs: number;
}

/** Timers. */
const ALLOCATE = 0;
const ANSWER = 1;

export class Offers implements Decider {
  readonly timers = 2;
  readonly #frameworks: Frameworks;
  readonly #times: OfferTimes;
  readonly #rng: RandomStream;
  /** Not answered yet. */
  #open: readonly Offer[] = [];
  /** By pipeline. */
  readonly #filters = new Map<number, readonly Filter[]>();

  constructor(frameworks: Frameworks, times: OfferTimes, rng: RandomStream) {
    this.#frameworks = frameworks;
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
    this.#allocate(view, act, timer === ALLOCATE);
  }

  decide(view: ClusterView, act: Controls): void {
    this.#allocate(view, act, false);
  }

  /** Rounds of offers: at events, declined resources go to the next pipeline at once. */
  #allocate(view: ClusterView, act: Controls, isRound: boolean): void {
    const { atEvents } = this.#times;
    for (let goesOn = isRound || atEvents; goesOn; ) {
      for (const node of this.#rng.shuffled(view.system.nodes.length)) this.#offer(node, view);
      goesOn = this.#settle(view, act) > 0 && atEvents;
    }
    act.wakeAt(ANSWER, Math.min(Number.POSITIVE_INFINITY, ...this.#open.map(dueUs)));
  }

  /** All that is free on a node, to at most one pipeline. */
  #offer(node: number, view: ClusterView): void {
    const { shares, resources } = this.#frameworks;
    const { offerTimeoutS = Number.POSITIVE_INFINITY, answerMs } = this.#times;
    const open = this.#open.filter((offer) => offer.node === node);
    const amounts = resources
      .freeOn(node, view)
      .map((free, r) => open.reduce((left, offer) => Math.max(0, left - offer.amounts[r]), free));
    if (amounts.every((amount) => amount === 0)) return;
    const pipeline = shares.order().find((one) => this.#wants(one, node, amounts, view));
    if (pipeline === undefined) return;
    shares.allocate(pipeline, amounts);
    const meanUs = Math.round(answerMs * 1000);
    const delayUs = meanUs === 0 ? 0 : Math.ceil(2 * meanUs * this.#rng.uniform());
    const answerUs = view.nowUs + delayUs;
    const rescindUs = view.nowUs + us(offerTimeoutS);
    this.#open = [...this.#open, { pipeline, node, amounts, answerUs, rescindUs }];
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
    const due = this.#open.filter((offer) => dueUs(offer) <= view.nowUs);
    this.#open = this.#open.filter((offer) => dueUs(offer) > view.nowUs);
    for (const offer of due) {
      this.#frameworks.shares.release(offer.pipeline, offer.amounts);
      if (offer.answerUs <= view.nowUs) this.#answer(offer, view, act);
    }
    return due.length;
  }

  /** The pipeline starts what fits in the offer, and declines the rest. */
  #answer({ pipeline, node, amounts }: Offer, view: ClusterView, act: Controls): void {
    const { resources } = this.#frameworks;
    let left = amounts;
    const isOffered = (replica: number): boolean =>
      view.system.replicas[replica].node === node &&
      resources.demandOf(replica).every((amount, r) => amount <= left[r]);
    for (;;) {
      const replica = this.#frameworks.startNext(pipeline, view, act, isOffered);
      if (replica === undefined) break;
      const taken = resources.demandOf(replica);
      left = left.map((amount, r) => amount - taken[r]);
    }
    if (left.every((amount) => amount === 0)) return;
    const { refuseS, allocationIntervalS } = this.#times;
    // No filter ends before the next round, or, where nothing is refused, the rounds of this instant.
    const refuseUs = refuseS === 0 ? 1 : us(Math.max(refuseS, allocationIntervalS));
    const filter = { node, declined: left, untilUs: view.nowUs + refuseUs };
    this.#filters.set(pipeline, [...this.#filtersOf(pipeline, view.nowUs), filter]);
  }
}
