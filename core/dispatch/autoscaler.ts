/**
 * Asks the scaling policies how many replicas there should be, at their intervals, and orders or
 * releases replicas. Like the dispatcher it knows no clock and no machine: a driver tells it the
 * time and what has left, and a provider brings replicas up and down.
 */
import type { PoolSystem } from "../system.ts";
import type { Dispatcher } from "./dispatcher.ts";
import type { Scaling, Scheduler } from "./policies.ts";

export interface Provider {
  /** Bring a replica up, which takes its time; then it joins. */
  provide(replica: number, nowUs: number): void;
  /** A replica is wanted no more: if it is up it drains, and `left` is told when it is gone. */
  release(replica: number, nowUs: number): void;
}

const STATE = { off: 0, wanted: 1, leaving: 2 } as const;

/** A pool that scales. */
interface ScaledPool {
  readonly id: number;
  readonly pool: PoolSystem;
  readonly scaling: Scaling;
  readonly max: number;
  dueUs: number;
  /** Integrals since the policy was last asked, replica·µs and job·µs. */
  busyUs: number;
  waitingUs: number;
  jobsUs: number;
  sinceUs: number;
  observedUs: number;
  load: { busy: number; waiting: number; running: number };
  /** What was wanted within the down window, where no later wish was as high: falling, so the first is the most. */
  readonly wishes: { readonly atUs: number; readonly replicas: number }[];
}

export class Autoscaler {
  readonly #dispatcher: Dispatcher;
  readonly #provider: Provider;
  readonly #pools: readonly ScaledPool[];
  readonly #state: Uint8Array;

  /** All replicas are up at first; `begin` releases those beyond each pool's start. */
  constructor(dispatcher: Dispatcher, scheduler: Scheduler, provider: Provider) {
    const { pools, replicas } = dispatcher.system;
    this.#dispatcher = dispatcher;
    this.#provider = provider;
    this.#state = new Uint8Array(replicas.length).fill(STATE.wanted);
    this.#pools = pools.flatMap((pool, id) => {
      const { scaling } = scheduler.pools[id];
      if (scaling === undefined) return [];
      const max = Math.min(scaling.max, pool.count);
      const none = { busyUs: 0, waitingUs: 0, jobsUs: 0, sinceUs: 0, observedUs: 0 };
      const load = { busy: 0, waiting: 0, running: 0 };
      return [{ id, pool, scaling, max, dueUs: scaling.intervalUs, ...none, load, wishes: [] }];
    });
  }

  /** When a policy is to be asked next. */
  nextUs(): number {
    let nextUs = Number.POSITIVE_INFINITY;
    for (const { dueUs } of this.#pools) nextUs = Math.min(nextUs, dueUs);
    return nextUs;
  }

  begin(nowUs: number): void {
    for (const scaled of this.#pools) {
      const { min, start } = scaled.scaling;
      this.#bring(scaled, Math.min(scaled.max, Math.max(min, start)), nowUs);
    }
  }

  /** Tells what the pools hold from now on; to be called after each decision of the dispatcher. */
  observe(nowUs: number): void {
    for (const scaled of this.#pools) {
      integrate(scaled, nowUs);
      scaled.load = this.#dispatcher.loadOf(scaled.id);
    }
  }

  /** Asks every policy that is due. */
  evaluate(nowUs: number): void {
    for (const scaled of this.#pools) {
      if (scaled.dueUs > nowUs) continue;
      scaled.dueUs = nowUs + scaled.scaling.intervalUs;
      this.#bring(scaled, this.#wish(scaled, nowUs), nowUs);
    }
  }

  /** A replica that was released is gone. */
  left(replica: number): void {
    this.#state[replica] = STATE.off;
  }

  /** The policy's answer, within bounds, or what was asked for not long ago. */
  #wish(scaled: ScaledPool, nowUs: number): number {
    const { scaling, pool } = scaled;
    integrate(scaled, nowUs);
    const spanUs = nowUs - scaled.sinceUs;
    const wanted = scaling.replicas({
      nowUs,
      ready: this.#members(pool).filter((replica) => this.#dispatcher.isUp(replica)).length,
      ordered: this.#count(pool),
      busyMean: scaled.busyUs / spanUs,
      waitingMean: scaled.waitingUs / spanUs,
      jobsMean: scaled.jobsUs / spanUs,
    });
    scaled.busyUs = 0;
    scaled.waitingUs = 0;
    scaled.jobsUs = 0;
    scaled.sinceUs = nowUs;
    const replicas = Math.max(scaling.min, Math.min(scaled.max, wanted));
    const { wishes } = scaled;
    const fromUs = nowUs - scaling.downWindowUs;
    while (wishes.length > 0 && wishes[0].atUs <= fromUs) wishes.shift();
    while (wishes.length > 0 && wishes[wishes.length - 1].replicas <= replicas) wishes.pop();
    wishes.push({ atUs: nowUs, replicas });
    return wishes[0].replicas;
  }

  /** Orders the first that are off; releases those that are not up yet, then the last. */
  #bring({ pool }: ScaledPool, replicas: number, nowUs: number): void {
    const members = this.#members(pool);
    let count = this.#count(pool);
    for (const replica of members) {
      if (count >= replicas) break;
      if (this.#state[replica] !== STATE.off) continue;
      this.#state[replica] = STATE.wanted;
      this.#provider.provide(replica, nowUs);
      count++;
    }
    const up = (replica: number): number => (this.#dispatcher.isUp(replica) ? 1 : 0);
    const surplus = members
      .filter((replica) => this.#state[replica] === STATE.wanted)
      .sort((a, b) => up(a) - up(b) || b - a);
    for (const replica of surplus.slice(0, Math.max(0, count - replicas))) {
      this.#state[replica] = STATE.leaving;
      this.#provider.release(replica, nowUs);
    }
  }

  #members({ first, count }: PoolSystem): number[] {
    return Array.from({ length: count }, (_, i) => first + i);
  }

  #count(pool: PoolSystem): number {
    return this.#members(pool).filter((replica) => this.#state[replica] === STATE.wanted).length;
  }
}

function integrate(scaled: ScaledPool, nowUs: number): void {
  const spanUs = nowUs - scaled.observedUs;
  const { busy, waiting, running } = scaled.load;
  scaled.busyUs += busy * spanUs;
  scaled.waitingUs += waiting * spanUs;
  scaled.jobsUs += (waiting + running) * spanUs;
  scaled.observedUs = nowUs;
}
