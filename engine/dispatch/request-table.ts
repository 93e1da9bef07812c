/**
 * Requests and jobs as integer ids into typed arrays. A job is one task of one request:
 * job = request × stride + task, which shifts and masks take apart. Slots are reused once a request
 * has ended and none of its jobs is on a replica, so memory follows the requests in the system, not
 * the length of the run. Schedulers that impute answers, and ensembles, have notes besides.
 */
// Hot path: see docs/hot-path.md
import type { System } from "../system/system.ts";
import type { CountedVote } from "./driver.ts";
import type { ImmediateRouting, RequestChoice, Routing } from "./policies.ts";

/** States of a job that is in no queue. */
export const JOB = {
  waiting: -1,
  running: -2,
  ran: -3,
  skipped: -4,
  cancelled: -5,
  /** Its answer was imputed; if it was running, it runs on for nobody. */
  imputed: -6,
  /** A join that waits, and starts with the first predecessor that runs; with imputed answers of the others. */
  hurried: -7,
  hurriedImputing: -8,
} as const;

/** Few runs have more requests at once. */
const FIRST_CAPACITY = 256;

export class RequestTable {
  /** Jobs set aside for a request: the tasks of the largest pipeline, up to a power of two. */
  declare readonly stride: number;
  /** The stride as a power of two. */
  readonly shift: number = 0;
  capacity = 0;

  /** Requests: number since the run's start, in order of arrival. */
  serial = new Float64Array(0);
  arrivedUs = new Float64Array(0);
  /** Infinity when there is no deadline. */
  deadlineUs = new Float64Array(0);
  pipeline = new Int32Array(0);
  /** Product of the accuracies of what has run; only where the system's models have some. */
  accuracy = new Float64Array(0);
  /** NaN where nobody knows it. */
  inputSize = new Float64Array(0);
  /** Sinks that have not ended yet; 0 once the request has ended. */
  openSinks = new Int32Array(0);
  /** Jobs queued or running. */
  openJobs = new Int32Array(0);

  /** Jobs: the number of the queue that holds it (0 or more), else one of `JOB`. */
  state = new Int32Array(0);
  /** Predecessors of a job with several: those that have not ended, and those that ran. */
  pending = new Int32Array(0);
  ran = new Int32Array(0);
  /** Replicas that the job was lost with. */
  attempts = new Uint8Array(0);
  /** The first entry to a queue, which keeps its place there after a batch in vain. */
  enqueuedUs = new Float64Array(0);
  /** The first entry, or the last return from a batch that was lost, pre-empted or late. */
  waitsSinceUs = new Float64Array(0);
  /** Neighbours in the queue, in order of entry; what lies beyond its ends means nothing. */
  next = new Int32Array(0);
  previous = new Int32Array(0);
  /** Keyed queues: key, order of entry and place in the heap. */
  key = new Float64Array(0);
  entry = new Float64Array(0);
  place = new Int32Array(0);

  private free = new Int32Array(0);
  private freeCount = 0;
  private serials = 0;

  /** `tasks` are those of the largest pipeline. */
  constructor(tasks: number) {
    this.shift = Math.ceil(Math.log2(tasks));
    this.stride = 1 << this.shift;
    this.grow(FIRST_CAPACITY);
  }

  /** Takes a slot for a request that is about to arrive. */
  reserve(): number {
    if (this.freeCount === 0) this.grow(this.capacity * 2);
    const request = this.free[--this.freeCount];
    this.serial[request] = this.serials++;
    return request;
  }

  /** Takes a given slot, as a replay does; false if it is taken. */
  claim(request: number): boolean {
    while (request >= this.capacity) this.grow(this.capacity * 2);
    const at = this.free.subarray(0, this.freeCount).lastIndexOf(request);
    if (at < 0) return false;
    this.free[at] = this.free[--this.freeCount];
    this.serial[request] = this.serials++;
    return true;
  }

  release(request: number): void {
    this.free[this.freeCount++] = request;
  }

  /** Whether a request has arrived and not ended. */
  isOpen(request: number): boolean {
    return this.openSinks[request] > 0;
  }

  requestOf(job: number): number {
    return job >> this.shift;
  }

  taskOf(job: number): number {
    return job & (this.stride - 1);
  }

  private grow(capacity: number): void {
    const jobs = capacity * this.stride;
    this.serial = grown(this.serial, new Float64Array(capacity));
    this.arrivedUs = grown(this.arrivedUs, new Float64Array(capacity));
    this.deadlineUs = grown(this.deadlineUs, new Float64Array(capacity));
    this.accuracy = grown(this.accuracy, new Float64Array(capacity));
    this.pipeline = grown(this.pipeline, new Int32Array(capacity));
    this.inputSize = grown(this.inputSize, new Float64Array(capacity).fill(Number.NaN));
    this.openSinks = grown(this.openSinks, new Int32Array(capacity));
    this.openJobs = grown(this.openJobs, new Int32Array(capacity));
    this.state = grown(this.state, new Int32Array(jobs).fill(JOB.cancelled));
    this.pending = grown(this.pending, new Int32Array(jobs));
    this.ran = grown(this.ran, new Int32Array(jobs));
    this.attempts = grown(this.attempts, new Uint8Array(jobs));
    this.enqueuedUs = grown(this.enqueuedUs, new Float64Array(jobs));
    this.waitsSinceUs = grown(this.waitsSinceUs, new Float64Array(jobs));
    this.next = grown(this.next, new Int32Array(jobs));
    this.previous = grown(this.previous, new Int32Array(jobs));
    this.key = grown(this.key, new Float64Array(jobs));
    this.entry = grown(this.entry, new Float64Array(jobs));
    this.place = grown(this.place, new Int32Array(jobs));
    const free = new Int32Array(capacity);
    free.set(this.free.subarray(0, this.freeCount));
    for (let request = capacity - 1; request >= this.capacity; request--) {
      free[this.freeCount++] = request;
    }
    this.free = free;
    this.capacity = capacity;
  }
}

/** Copies `old` to the head of `fresh`. */
export function grown<T extends Uint8Array | Int32Array | Float64Array>(old: T, fresh: T): T {
  fresh.set(old);
  return fresh;
}

/** The wishes of single requests; looked at only once one has any. */
export class RequestChoices {
  /** Whether any request has ever chosen. */
  any = false;
  private readonly chosen = new Map<number, RequestChoice>();

  set(request: number, choice: RequestChoice): void {
    this.chosen.set(request, choice);
    this.any = true;
  }

  forget(request: number): void {
    this.chosen.delete(request);
  }

  /** From its arrival to its deadline, µs; Infinity where it has chosen none. */
  goalUs(request: number): number {
    return this.chosen.get(request)?.goalUs ?? Number.POSITIVE_INFINITY;
  }

  priority(request: number): number | null {
    return this.chosen.get(request)?.priority ?? null;
  }

  /** The rule of a pool whose requests may choose another: theirs, or else `usual`. */
  routing(pool: number, usual: ImmediateRouting): ImmediateRouting {
    return {
      ...usual,
      route: (view, job) => {
        const own: Routing | undefined = this.chosen.get(job.request)?.routing?.[pool];
        return (own?.kind === "immediate" ? own : usual).route(view, job);
      },
    };
  }
}

/** The votes of one ensemble for one request. */
interface Ballot {
  /** Pools; null until the ensemble begins. */
  asked: readonly number[] | null;
  /** Null until they are counted. */
  vote: CountedVote | null;
  /** Whether they are counted as soon as one has come. */
  isHurried: boolean;
}

interface Notes {
  /** The request's serial: another request may have its slot by now. */
  readonly serial: number;
  imputed: number;
  readonly ballots: Ballot[];
}

/** The answers that a completed request is made of. */
export interface AnswerSummary {
  readonly imputed: number;
  /** The least of its ensembles' confidences; NaN where none has voted. */
  readonly confidence: number;
  /** Whether each ensemble was confident enough. */
  readonly isSure: boolean;
}

export const PLAIN_ANSWERS: AnswerSummary = { imputed: 0, confidence: Number.NaN, isSure: true };

/** Notes on the answers of requests, where schedulers impute some or ensembles vote. */
export class RequestAnswers {
  declare private readonly system: System;
  declare private readonly table: RequestTable;
  /** By request; the notes of an earlier request in the slot count no more. */
  readonly #notes = new Map<number, Notes>();

  constructor(system: System, table: RequestTable) {
    this.system = system;
    this.table = table;
  }

  /** An answer of a pool is put in place of a straggler's; a member of an ensemble only has no vote. */
  imputed(request: number, pool: number, isMember: boolean): void {
    if (!isMember) this.table.accuracy[request] *= this.system.pools[pool].imputedAccuracy;
    this.#of(request).imputed++;
  }

  ballot(request: number, ensemble: number): Ballot {
    const { ballots } = this.#of(request);
    ballots[ensemble] ??= { asked: null, vote: null, isHurried: false };
    return ballots[ensemble];
  }

  of(request: number): AnswerSummary {
    const notes = this.#notes.get(request);
    if (notes?.serial !== this.table.serial[request]) return PLAIN_ANSWERS;
    let confidence = Number.NaN;
    let isSure = true;
    for (const { vote } of Object.values(notes.ballots)) {
      if (vote === null) continue;
      confidence =
        vote.confidence < confidence || Number.isNaN(confidence) ? vote.confidence : confidence;
      isSure &&= vote.isSure;
    }
    return { imputed: notes.imputed, confidence, isSure };
  }

  #of(request: number): Notes {
    const serial = this.table.serial[request];
    let notes = this.#notes.get(request);
    if (notes?.serial !== serial) {
      notes = { serial, imputed: 0, ballots: [] };
      this.#notes.set(request, notes);
    }
    return notes;
  }
}
