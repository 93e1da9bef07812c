/**
 * What an instant's events have made possible, at its end: jobs are routed, batched and started. How
 * a pool does so is its kind: see `pool-kinds.ts`.
 */
import { assert } from "../fault.ts";
import type { RunLog } from "../run-log.ts";
import type { Batches } from "./batches.ts";
import type { Driver } from "./driver.ts";
import type { HeldChains } from "./held-chains.ts";
import type { IdleReplicas } from "./idle-replicas.ts";
import type { JobQueues } from "./job-queues.ts";
import type { Pool } from "./pool.ts";
import type { PoolBoard } from "./pool-board.ts";
import type { POOL_KIND } from "./pool-kinds.ts";
import type { RequestChoices } from "./request-choices.ts";
import type { RequestFlow } from "./request-flow.ts";
import type { JOB, RequestTable } from "./request-table.ts";

const NONE = -1;
/** Written out: see `request-flow.ts`. */
const CENTRAL_SINGLE: typeof POOL_KIND.centralSingle = 0;
const CENTRAL_OWN: typeof POOL_KIND.centralOwn = 1;
const CENTRAL_GROUP: typeof POOL_KIND.centralGroup = 2;
const IMMEDIATE: typeof POOL_KIND.immediate = 3;
const RUNNING: typeof JOB.running = -2;

export class PoolDecisions {
  declare private readonly board: PoolBoard;
  declare private readonly pools: readonly Pool[];
  declare private readonly kinds: Uint8Array;
  declare private readonly queues: JobQueues;
  declare private readonly idle: IdleReplicas;
  declare private readonly batches: Batches;
  declare private readonly batchAt: Int32Array;
  declare private readonly batchSize: Int32Array;
  declare private readonly requests: RequestTable;
  declare private readonly choices: RequestChoices;
  declare private readonly flow: RequestFlow;
  declare private readonly chains: HeldChains;
  declare private readonly dropsLate: boolean;
  declare private readonly driver: Driver;
  declare private readonly log: RunLog | null;

  /** `dropsLate`: a job past its deadline is dropped instead of started. */
  constructor(
    board: PoolBoard,
    flow: RequestFlow,
    chains: HeldChains,
    choices: RequestChoices,
    dropsLate: boolean,
    driver: Driver,
    log: RunLog | null,
  ) {
    this.board = board;
    this.pools = board.pools;
    this.kinds = board.kinds;
    this.queues = board.queues;
    this.idle = board.idle;
    this.batches = board.batches;
    this.batchAt = board.batches.at;
    this.batchSize = board.batches.size;
    this.requests = board.requests;
    this.choices = choices;
    this.flow = flow;
    this.chains = chains;
    this.dropsLate = dropsLate;
    this.driver = driver;
    this.log = log;
  }

  /** Routes, batches and starts whatever has become possible. */
  decide(nowUs: number): void {
    for (let pool = this.board.nextMarked(); pool >= 0; pool = this.board.nextMarked()) {
      const kind = this.kinds[pool];
      if (kind === CENTRAL_SINGLE) this.decideSingles(pool, nowUs);
      else if (kind === IMMEDIATE) this.decideImmediate(this.pools[pool], nowUs);
      else if (kind === CENTRAL_GROUP) this.decideGroups(this.pools[pool], nowUs);
      else if (kind === CENTRAL_OWN) this.decideEach(this.pools[pool], nowUs);
      else this.decideHeld(this.pools[pool], nowUs);
    }
  }

  private decideSingles(pool: number, nowUs: number): void {
    const { idle, queues } = this;
    if (this.dropsLate) {
      while (queues.lengthOf(pool) > 0 && idle.countOf(pool) > 0) {
        this.fill(pool, idle.take(pool), pool, 1, nowUs);
      }
      return;
    }
    for (let left = Math.min(queues.lengthOf(pool), idle.countOf(pool)); left > 0; left--) {
      this.startAlone(idle.take(pool), queues.pop(pool), nowUs);
    }
  }

  private decideGroups(pool: Pool, nowUs: number): void {
    const { id, batching, maxBatch } = pool;
    assert(batching !== null, "a pool without groups starts single jobs");
    while (this.idle.countOf(id) > 0 && this.queues.lengthOf(id) > 0) {
      const oldestUs = this.queues.oldestUs(id);
      const size = batching.size(this.queues.lengthOf(id), nowUs, oldestUs);
      if (size === 0) {
        this.board.setTimer(id, batching.dueUs(oldestUs));
        return;
      }
      this.fill(id, this.idle.take(id), id, Math.min(size, maxBatch), nowUs);
    }
    this.board.setTimer(id, Number.POSITIVE_INFINITY);
  }

  /** Asks idle replicas in their order, each for itself; those that wait keep their places. */
  private decideEach(pool: Pool, nowUs: number): void {
    const { id, policies } = pool;
    const waiting: number[] = [];
    let dueUs = Number.POSITIVE_INFINITY;
    while (this.idle.countOf(id) > 0) {
      const replica = this.idle.take(id);
      const own = pool.ownOf(replica);
      const batching = own ?? pool.batching;
      const maxBatch = own?.maxBatch ?? pool.maxBatch;
      const queued = this.queues.lengthOf(id);
      const oldestUs = queued === 0 ? 0 : this.queues.oldestUs(id);
      const wanted = batching === null ? 1 : batching.size(queued, nowUs, oldestUs);
      if (queued > 0 && wanted > 0) {
        this.fill(id, replica, id, Math.min(wanted, maxBatch), nowUs);
        continue;
      }
      if (queued > 0 && batching !== null) dueUs = Math.min(dueUs, batching.dueUs(oldestUs));
      waiting.push(replica);
    }
    const { routing } = policies;
    if (routing.kind === "central" && routing.idle === "most-recent") waiting.reverse();
    for (const replica of waiting) this.idle.add(id, replica);
    this.board.setTimer(id, dueUs);
  }

  private decideImmediate(pool: Pool, nowUs: number): void {
    const { id, policies } = pool;
    const { routing } = policies;
    assert(routing.kind === "immediate", "central pools are not routed");
    const queues = this.queues;
    while (queues.lengthOf(id) > 0 && pool.upCount > 0) {
      const job = queues.pop(id);
      const own = this.choices.any ? this.choices.routing(this.requests.requestOf(job), id) : null;
      const replica = (own ?? routing).route(pool);
      queues.push(this.board.queueOf(replica), job, this.board.keyOf(job, id));
      pool.loadChanged(replica, 1, nowUs);
      this.board.touch(replica);
    }
    this.startTouched(pool, nowUs);
  }

  /** Each job goes to its request's chain; without one it waits at the gate. */
  private decideHeld(pool: Pool, nowUs: number): void {
    const table = this.requests;
    while (this.queues.lengthOf(pool.id) > 0) {
      const job = this.queues.pop(pool.id);
      const request = table.requestOf(job);
      const chain = table.chain[request];
      if (chain === NONE) {
        this.chains.park(request, job);
        continue;
      }
      const replica = pool.first + chain;
      this.queues.push(this.board.queueOf(replica), job, 0);
      pool.loadChanged(replica, 1, nowUs);
      this.board.touch(replica);
    }
    this.startTouched(pool, nowUs);
  }

  /** Starts what can start on replicas that have new work or are free. */
  private startTouched(pool: Pool, nowUs: number): void {
    const { id } = pool;
    const queues = this.queues;
    while (pool.touchedCount > 0) {
      const replica = pool.touched[--pool.touchedCount];
      const own = pool.ownOf(replica);
      const batching = own ?? pool.batching;
      const maxBatch = own?.maxBatch ?? pool.maxBatch;
      const queue = this.board.queueOf(replica);
      this.board.isTouched[replica] = 0;
      let dueUs = Number.POSITIVE_INFINITY;
      while (this.batchSize[replica] === 0 && queues.lengthOf(queue) > 0) {
        let size = 1;
        if (batching !== null) {
          const oldestUs = queues.oldestUs(queue);
          size = batching.size(queues.lengthOf(queue), nowUs, oldestUs);
          if (size === 0) {
            dueUs = batching.dueUs(oldestUs);
            break;
          }
        }
        this.fill(id, replica, queue, Math.min(size, maxBatch), nowUs);
      }
      if (batching !== null) this.board.setTimer(queue, dueUs);
    }
  }

  /** A job out of its queue starts on a replica taken out of the idle ones. */
  private startAlone(replica: number, job: number, nowUs: number): void {
    this.requests.state[job] = RUNNING;
    this.batches.jobs[this.batchAt[replica]] = job;
    this.batchSize[replica] = 1;
    this.log?.add("start", replica, nowUs, job);
    this.driver.start(replica, nowUs);
  }

  /** Moves up to `size` jobs to a replica taken out of the idle ones; late ones may be dropped. */
  private fill(pool: number, replica: number, queue: number, size: number, nowUs: number): void {
    const at = this.batchAt[replica];
    const queues = this.queues;
    let taken = 0;
    while (taken < size && queues.lengthOf(queue) > 0) {
      const job = queues.pop(queue);
      if (this.dropsLate && this.droppedLate(replica, job, nowUs)) continue;
      this.requests.state[job] = RUNNING;
      this.batches.jobs[at + taken++] = job;
    }
    if (taken === 0) {
      if (queue === pool) this.idle.add(pool, replica);
      return;
    }
    this.batchSize[replica] = taken;
    this.log?.add("start", replica, nowUs, ...this.batches.jobs.subarray(at, at + taken));
    this.driver.start(replica, nowUs);
  }

  /** Drops a job about to start whose deadline has passed. */
  private droppedLate(replica: number, job: number, nowUs: number): boolean {
    const table = this.requests;
    const request = table.requestOf(job);
    if (nowUs <= table.deadlineUs[request]) return false;
    this.pools[this.board.poolOf[replica]].loadChanged(replica, -1, nowUs);
    this.flow.drop(job, nowUs);
    return true;
  }
}
