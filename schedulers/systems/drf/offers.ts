/**
 * Mesos' two levels. The master offers all that is free on a node to the pipeline with the smallest
 * dominant share; the pipeline starts its jobs there and declines the rest.
 *
 *   every interval, and at events ─> offer each node, in random order, to the first of the sorter
 *   a pipeline's answer           ─> start what fits in the offer; decline the rest: a filter
 *   an offer without an answer    ─> rescinded after the timeout
 *
 * What is offered counts as allocated until it is answered or rescinded. A filter keeps offers of no
 * more than was declined from a pipeline for a while.
 */
import type {
  BatchEnd,
  ClusterView,
  Controller,
  Controls,
  JobView,
} from "../../../core/dispatch/controller.ts";
import type { RandomStream } from "../../../core/random/stream.ts";
import type { Amounts } from "./dominant-shares.ts";
import type { Frameworks } from "./frameworks.ts";

export interface OfferTimes {
  readonly intervalUs: number;
  /** Whether arrivals, ends of batches and answers cause offers besides. */
  readonly atEvents: boolean;
  readonly refuseUs: number;
  /** Infinity: offers are not rescinded. */
  readonly timeoutUs: number;
  /** Mean time of an answer, drawn evenly between 0 and twice it; 0: at once. */
  readonly answerUs: number;
  /** Whether pipelines without jobs ask for no offers, and a new job ends its pipeline's filters. */
  readonly revives: boolean;
}

interface Offer {
  readonly pipeline: number;
  readonly node: number;
  readonly amounts: Amounts;
  readonly answerUs: number;
  readonly rescindUs: number;
}

interface Filter {
  readonly amounts: Amounts;
  readonly untilUs: number;
}

/** Timers. */
const ALLOCATE = 0;
const ANSWER = 1;

export class Offers implements Controller {
  readonly pools: readonly number[];
  readonly scales = [];
  readonly timers = 2;
  readonly heedsResources = true;
  readonly #frameworks: Frameworks;
  readonly #nodes: readonly number[];
  readonly #times: OfferTimes;
  readonly #rng: RandomStream;
  /** Not answered yet. */
  #open: Offer[] = [];
  /** By pipeline, then by node. */
  readonly #filters = new Map<number, Map<number, Filter>>();

  constructor(frameworks: Frameworks, nodes: number, times: OfferTimes, rng: RandomStream) {
    this.#frameworks = frameworks;
    this.pools = frameworks.pools;
    this.#nodes = Array.from({ length: nodes }, (_, node) => node);
    this.#times = times;
    this.#rng = rng;
  }

  queued(job: JobView, pool: number): void {
    this.#frameworks.queued(job, pool);
    if (this.#times.revives) this.#filters.delete(job.pipeline);
  }

  ended(request: number): void {
    this.#frameworks.ended(request);
  }

  finished(end: BatchEnd): void {
    this.#frameworks.finished(end);
  }

  changed(replica: number, state: "up" | "down" | "left"): void {
    this.#frameworks.changed(replica, state);
  }

  begin(view: ClusterView, act: Controls): void {
    this.#frameworks.begin(view);
    act.wakeAt(ALLOCATE, view.nowUs + this.#times.intervalUs);
  }

  woken(timer: number, view: ClusterView, act: Controls): void {
    if (timer === ALLOCATE) {
      act.wakeAt(ALLOCATE, view.nowUs + this.#times.intervalUs);
      this.#allocate(view, act);
    } else {
      this.#settle(view, act);
      if (this.#times.atEvents) this.#allocate(view, act);
    }
    this.#setAnswerTimer(act);
  }

  decide(view: ClusterView, act: Controls): void {
    if (this.#times.atEvents) this.#allocate(view, act);
    this.#setAnswerTimer(act);
  }

  /** Rounds of offers: at events, declined resources go to the next pipeline at once. */
  #allocate(view: ClusterView, act: Controls): void {
    let answered = 0;
    do {
      this.#offerAll(view);
      answered = this.#settle(view, act);
    } while (answered > 0 && this.#times.atEvents);
  }

  /** One round: each node to at most one pipeline. */
  #offerAll(view: ClusterView): void {
    const { nowUs } = view;
    const { answerUs, timeoutUs } = this.#times;
    for (const node of this.#shuffled()) {
      const amounts = this.#availableOn(node, view);
      if (amounts.every((amount) => amount === 0)) continue;
      const taker = this.#frameworks.shares
        .order()
        .find((pipeline) => this.#wants(pipeline, node, amounts, view));
      if (taker === undefined) continue;
      const delayUs = answerUs === 0 ? 0 : Math.ceil(2 * answerUs * this.#rng.uniform());
      this.#frameworks.shares.allocate(taker, amounts);
      this.#open.push({
        ...{ pipeline: taker, node, amounts },
        answerUs: nowUs + delayUs,
        rescindUs: nowUs + timeoutUs,
      });
    }
  }

  #wants(pipeline: number, node: number, amounts: Amounts, view: ClusterView): boolean {
    if (this.#times.revives && !this.#frameworks.hasJobs(pipeline, view)) return false;
    const filter = this.#filters.get(pipeline)?.get(node);
    if (filter === undefined || view.nowUs >= filter.untilUs) return true;
    return amounts.some((amount, r) => amount > filter.amounts[r]);
  }

  #availableOn(node: number, view: ClusterView): number[] {
    const free = this.#frameworks.freeOn(node, view);
    for (const offer of this.#open) {
      if (offer.node !== node) continue;
      for (let r = 0; r < free.length; r++) free[r] = Math.max(0, free[r] - offer.amounts[r]);
    }
    return free;
  }

  /** Answers and rescinds the offers that are due; how many. */
  #settle(view: ClusterView, act: Controls): number {
    const { nowUs } = view;
    const isDue = (offer: Offer): boolean => offer.answerUs <= nowUs || offer.rescindUs <= nowUs;
    const due = this.#open.filter(isDue);
    this.#open = this.#open.filter((offer) => !isDue(offer));
    for (const offer of due) {
      this.#frameworks.shares.release(offer.pipeline, offer.amounts);
      if (offer.answerUs <= nowUs) this.#answer(offer, view, act);
    }
    return due.length;
  }

  #answer({ pipeline, node, amounts }: Offer, view: ClusterView, act: Controls): void {
    const { replicas } = view.system;
    const left = [...amounts];
    const allows = (replica: number): boolean =>
      replicas[replica].node === node &&
      this.#frameworks.demandOf(replica).every((amount, r) => amount <= left[r]);
    for (;;) {
      const replica = this.#frameworks.startNext(pipeline, view, act, allows);
      if (replica < 0) break;
      this.#frameworks.demandOf(replica).forEach((amount, r) => {
        left[r] -= amount;
      });
    }
    if (left.every((amount) => amount === 0)) return;
    const filters = this.#filters.get(pipeline) ?? new Map<number, Filter>();
    // At least for this instant, or the rounds would not end.
    filters.set(node, { amounts: left, untilUs: view.nowUs + Math.max(1, this.#times.refuseUs) });
    this.#filters.set(pipeline, filters);
  }

  #setAnswerTimer(act: Controls): void {
    const times = this.#open.map(({ answerUs, rescindUs }) => Math.min(answerUs, rescindUs));
    act.wakeAt(ANSWER, Math.min(Number.POSITIVE_INFINITY, ...times));
  }

  #shuffled(): number[] {
    const nodes = [...this.#nodes];
    for (let i = nodes.length - 1; i > 0; i--) {
      const j = this.#rng.integer(i + 1);
      [nodes[i], nodes[j]] = [nodes[j], nodes[i]];
    }
    return nodes;
  }
}
