/**
 * Replicas that crash, are cut off and come back, between the dispatcher, which knows only what a
 * gateway can know, and the executor, where batches really run.
 *
 * A batch whose replica is dead never answers; one whose replica is cut off runs on, and its
 * answer comes when messages pass again. Until the gateway notices, it goes on sending there. Then
 * it gives the replica up (`lose`): what was sent is tried elsewhere, and late answers are not
 * wanted any more. A replica that is back reports at once (`join`), and if it lost a batch unnoticed,
 * that is noticed then.
 */

import { WinnerTree } from "../../engine/basics/priority-queues.ts";
import type { Dispatcher } from "../../engine/dispatch/dispatcher.ts";
import type { ReplicaMeter } from "../../engine/metrics/meters.ts";
import type { Detection } from "../../engine/system/faults.ts";
import { noticedUs } from "../../engine/system/faults.ts";
import type { SteadyExecutor } from "../executors/executor.ts";

/** Something that changes the cluster while a run goes on. */
export interface Disturbance {
  /** Instant of the next change; Infinity when there is none. */
  nextUs(): number;
  /** Lets the change at `nextUs()` happen. */
  fire(nowUs: number): void;
  /** The end of an instant: the dispatcher has decided. */
  settle(nowUs: number): void;
}

/** Where the batch is that the dispatcher has on a replica. */
const BATCH = { none: 0, running: 1, unsent: 2, answered: 3, lost: 4 } as const;

export class ReplicaFleet implements Disturbance {
  readonly #dispatcher: Dispatcher;
  readonly #executor: SteadyExecutor;
  readonly #meter: ReplicaMeter;
  readonly #detection: Detection | null;
  /** When each replica's silence is noticed. */
  readonly #notices: WinnerTree;
  /** Causes that keep each replica dead, or cut off, at this instant. */
  readonly #dead: Int32Array;
  readonly #cut: Int32Array;
  /** Whether the dispatcher counts on the replica. */
  readonly #known: Uint8Array;
  /** Whether the replica is part of the cluster, and not leaving it. */
  readonly #enlisted: Uint8Array;
  readonly #batch: Uint8Array;
  readonly #variate: Float64Array;
  /** The executor still runs a batch that nobody waits for, and can take no other. */
  readonly #ghost: Uint8Array;
  /** Replicas whose unsent batch may go out at the end of this instant. */
  readonly #sendable: number[] = [];

  /** Jobs that had made tokens when they were taken off; null without language models. */
  readonly #torn: Set<number> | null;

  /** `detection` null: nothing breaks. */
  constructor(
    dispatcher: Dispatcher,
    executor: SteadyExecutor,
    meter: ReplicaMeter,
    detection: Detection | null,
    torn: Set<number> | null,
  ) {
    this.#torn = torn;
    this.#dispatcher = dispatcher;
    this.#executor = executor;
    this.#meter = meter;
    this.#detection = detection;
    const replicas = dispatcher.system.replicas.length;
    this.#notices = new WinnerTree(replicas);
    this.#dead = new Int32Array(replicas);
    this.#cut = new Int32Array(replicas);
    this.#known = new Uint8Array(replicas).fill(1);
    this.#enlisted = new Uint8Array(replicas).fill(1);
    this.#batch = new Uint8Array(replicas);
    this.#variate = new Float64Array(replicas);
    this.#ghost = new Uint8Array(replicas);
  }

  // --- batches ------------------------------------------------------------------------------------

  /** The dispatcher sends a batch. */
  start(replica: number, nowUs: number, variate: number): void {
    this.#variate[replica] = variate;
    if (this.#dead[replica] > 0) {
      this.#batch[replica] = BATCH.lost;
    } else if (this.#cut[replica] > 0 || this.#ghost[replica] === 1) {
      this.#batch[replica] = BATCH.unsent;
    } else {
      this.#batch[replica] = BATCH.running;
      this.#executor.start(replica, nowUs, variate);
    }
  }

  /** The executor is through with a batch. */
  finish(replica: number, nowUs: number): void {
    if (this.#ghost[replica] === 1) {
      this.#ghost[replica] = 0;
      this.#sendable.push(replica);
    } else if (this.#cut[replica] > 0) {
      this.#batch[replica] = BATCH.answered;
    } else {
      this.#answered(replica, nowUs);
    }
  }

  /** The end of an instant: sends what can be sent again. */
  settle(nowUs: number): void {
    while (this.#sendable.length > 0) {
      const replica = this.#sendable.pop() as number;
      if (this.#batch[replica] !== BATCH.unsent) continue;
      this.start(replica, nowUs, this.#variate[replica]);
    }
  }

  // --- members ------------------------------------------------------------------------------------

  /** A new replica is up: it serves, unless it is dead or cut off at this instant. */
  enlist(replica: number, nowUs: number): void {
    this.#enlisted[replica] = 1;
    if (this.#dead[replica] > 0 || this.#cut[replica] > 0) return;
    this.#known[replica] = 1;
    this.#dispatcher.join(replica, nowUs);
  }

  /** The dispatcher gives a replica no new work: it leaves once it is idle. */
  dismiss(replica: number, nowUs: number): void {
    this.#enlisted[replica] = 0;
    if (this.#batch[replica] === BATCH.none) this.#forget(replica, nowUs);
  }

  /** A replica is no longer there, or was never up. */
  left(replica: number, nowUs: number): void {
    this.#meter.ready(replica, false, nowUs);
    this.#meter.paid(replica, false, nowUs);
  }

  /** Stops the batch on a replica, if a message reaches it there. */
  abort(replica: number, nowUs: number): boolean {
    const batch = this.#batch[replica];
    if (batch === BATCH.running && !this.#executor.abort(replica, nowUs)) return false;
    if (batch !== BATCH.running && batch !== BATCH.unsent) return false;
    this.#torn?.delete(this.#jobOf(replica));
    this.#batch[replica] = BATCH.none;
    if (this.#enlisted[replica] === 0) this.#forget(replica, nowUs);
    return true;
  }

  // --- faults -------------------------------------------------------------------------------------

  crash(replica: number, nowUs: number): void {
    if (this.#dead[replica]++ > 0) return;
    this.#executor.crashed?.(replica);
    const batch = this.#batch[replica];
    if (batch === BATCH.running) this.#abandon(replica, nowUs);
    if (batch !== BATCH.none) this.#batch[replica] = BATCH.lost;
    if (this.#cut[replica] === 0) this.#fellSilent(replica, nowUs);
  }

  repair(replica: number, nowUs: number): void {
    if (--this.#dead[replica] === 0 && this.#cut[replica] === 0) this.#isBack(replica, nowUs);
  }

  cutOff(replica: number, nowUs: number): void {
    if (this.#cut[replica]++ === 0 && this.#dead[replica] === 0) this.#fellSilent(replica, nowUs);
  }

  reconnect(replica: number, nowUs: number): void {
    if (--this.#cut[replica] === 0 && this.#dead[replica] === 0) this.#isBack(replica, nowUs);
  }

  // --- what the gateway notices ---------------------------------------------------------------------

  nextUs(): number {
    return this.#notices.least();
  }

  /** The gateway gives up the replica whose notice is due. */
  fire(nowUs: number): void {
    const replica = this.#notices.take();
    if (this.#batch[replica] === BATCH.running) this.#abandon(replica, nowUs);
    if (this.#enlisted[replica] === 0) {
      this.#leave(replica, nowUs);
      return;
    }
    this.#giveUp(replica, nowUs);
    this.#known[replica] = 0;
  }

  #fellSilent(replica: number, nowUs: number): void {
    this.#meter.reachable(replica, false, nowUs);
    if (this.#known[replica] === 1 && this.#detection !== null) {
      this.#notices.set(replica, noticedUs(this.#detection, nowUs));
    }
  }

  #isBack(replica: number, nowUs: number): void {
    this.#meter.reachable(replica, true, nowUs);
    this.#notices.set(replica, Number.POSITIVE_INFINITY);
    if (this.#known[replica] === 1 && this.#batch[replica] !== BATCH.lost) {
      this.#messagesPass(replica, nowUs);
      return;
    }
    if (this.#enlisted[replica] === 0) {
      if (this.#known[replica] === 1) this.#leave(replica, nowUs);
      return;
    }
    if (this.#known[replica] === 1) this.#giveUp(replica, nowUs);
    this.#known[replica] = 1;
    this.#dispatcher.join(replica, nowUs);
  }

  /** An outage that nobody noticed is over. */
  #messagesPass(replica: number, nowUs: number): void {
    if (this.#batch[replica] === BATCH.unsent) this.#sendable.push(replica);
    if (this.#batch[replica] !== BATCH.answered) return;
    this.#answered(replica, nowUs);
  }

  #answered(replica: number, nowUs: number): void {
    this.#batch[replica] = BATCH.none;
    if (this.#executor.windows?.missed(replica)) this.#dispatcher.miss(replica, nowUs);
    else this.#dispatcher.finish(replica, nowUs);
    if (this.#enlisted[replica] === 0) this.#leave(replica, nowUs);
  }

  /** A dismissed replica is gone. */
  #leave(replica: number, nowUs: number): void {
    this.#giveUp(replica, nowUs);
    this.#forget(replica, nowUs);
  }

  #forget(replica: number, nowUs: number): void {
    this.#known[replica] = 0;
    this.#notices.set(replica, Number.POSITIVE_INFINITY);
    this.left(replica, nowUs);
  }

  #giveUp(replica: number, nowUs: number): void {
    if (this.#batch[replica] !== BATCH.none) this.#failTorn(this.#jobOf(replica), nowUs);
    this.#batch[replica] = BATCH.none;
    this.#dispatcher.lose(replica, nowUs);
  }

  /** A client that has had tokens gets no second answer: its request fails. */
  #failTorn(job: number, nowUs: number): void {
    if (!this.#torn?.delete(job)) return;
    this.#dispatcher.cancel(this.#dispatcher.requests.requestOf(job), "failed", nowUs);
  }

  #jobOf(replica: number): number {
    const { batchJobs, batchAt } = this.#dispatcher;
    return batchJobs[batchAt[replica]];
  }

  #abandon(replica: number, nowUs: number): void {
    if (!this.#executor.abort(replica, nowUs)) this.#ghost[replica] = 1;
  }
}
