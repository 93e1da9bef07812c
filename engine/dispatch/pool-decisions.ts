/**
 * At the end of an instant: routes, batches and starts the jobs that its events have made possible,
 * in each pool by its kind (`POOL_KIND`).
 */
// Hot path: see docs/hot-path.md
import { assert } from "../basics/fault.ts";
import type { Driver } from "./driver.ts";
import { type JobCursor, type JobQueues, QueueCursor } from "./job-queues.ts";
import type { Notices } from "./notices.ts";
import type { POOL_KIND, Pool } from "./pool.ts";
import type { PoolBoard } from "./pool-board.ts";
import type { Batches, IdleReplicas, NodeResources } from "./replicas.ts";
import type { RequestFlow } from "./request-flow.ts";
import type { JOB, RequestTable } from "./request-table.ts";
import type { RunLog } from "./run-log.ts";
import type { Shared } from "./steps.ts";

/** Written out: see `request-flow.ts`. */
const CENTRAL_SINGLE: typeof POOL_KIND.centralSingle = 0;
const CENTRAL_EACH: typeof POOL_KIND.centralEach = 1;
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
  declare private readonly resources: NodeResources | null;
  declare private readonly requests: RequestTable;
  declare private readonly flow: RequestFlow;
  declare private readonly notices: Notices | null;
  declare private readonly job: JobCursor;
  declare private readonly queue: QueueCursor;
  declare private readonly driver: Driver;
  declare private readonly log: RunLog | null;

  constructor(board: PoolBoard, flow: RequestFlow, { notices, driver, log }: Shared) {
    this.board = board;
    this.pools = board.pools;
    this.kinds = board.kinds;
    this.queues = board.queues;
    this.idle = board.idle;
    this.batches = board.batches;
    this.batchAt = board.batches.at;
    this.batchSize = board.batches.size;
    this.resources = board.resources;
    this.requests = board.requests;
    this.flow = flow;
    this.notices = notices;
    this.job = board.jobCursor();
    this.queue = new QueueCursor(board.queues, board.jobCursor());
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
      else if (kind === CENTRAL_EACH) this.decideEach(this.pools[pool], nowUs);
      else this.startTouched(this.pools[pool], nowUs);
    }
  }

  private decideSingles(pool: number, nowUs: number): void {
    const { idle, queues } = this;
    if (this.pools[pool].shedding !== null) {
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
      const queue = this.queue.at(id);
      const next = this.idle.next(id);
      const size = batching.size(queue, next, nowUs);
      if (size === 0) {
        this.board.setTimer(id, batching.dueUs(queue, next));
        return;
      }
      this.fill(id, this.idle.take(id), id, Math.min(size, maxBatch), nowUs);
    }
    this.board.setTimer(id, Number.POSITIVE_INFINITY);
  }

  /** Asks idle replicas in their order, each for itself; those that wait keep their places. */
  private decideEach(pool: Pool, nowUs: number): void {
    const { id, batching, policies } = pool;
    assert(batching !== null, "a pool without groups starts single jobs");
    const waiting: number[] = [];
    let dueUs = Number.POSITIVE_INFINITY;
    while (this.idle.countOf(id) > 0) {
      const replica = this.idle.take(id);
      const queue = this.queue.at(id);
      if (queue.length > 0 && !this.fits(replica)) {
        waiting.push(replica);
        continue;
      }
      const wanted = queue.length === 0 ? 0 : batching.size(queue, replica, nowUs);
      if (wanted > 0) {
        this.fill(id, replica, id, Math.min(wanted, pool.maxBatchOf(replica)), nowUs);
        continue;
      }
      if (queue.length > 0) dueUs = Math.min(dueUs, batching.dueUs(queue, replica));
      waiting.push(replica);
    }
    const { routing } = policies;
    if (routing.kind === "central" && routing.idle === "most-recent") waiting.reverse();
    for (const replica of waiting) this.idle.add(id, replica);
    this.board.setTimer(id, dueUs);
  }

  private decideImmediate(pool: Pool, nowUs: number): void {
    this.route(pool, nowUs);
    this.startTouched(pool, nowUs);
    // Jobs that were kept back may find room where others were dropped.
    while (this.queues.lengthOf(pool.id) > 0 && this.route(pool, nowUs) > 0) {
      this.startTouched(pool, nowUs);
    }
  }

  /** Gives jobs to replicas until the rule keeps one back; how many. */
  private route(pool: Pool, nowUs: number): number {
    const { id, routing } = pool;
    assert(routing.kind === "immediate", "central pools are not routed");
    const queues = this.queues;
    let routed = 0;
    for (; queues.lengthOf(id) > 0 && pool.upCount > 0; routed++) {
      const replica = routing.route(pool, this.job.at(queues.peek(id)));
      if (replica < 0) break;
      this.board.place(queues.pop(id), replica, nowUs);
    }
    return routed;
  }

  /** Starts what can start on replicas that have new work or are free. */
  private startTouched(pool: Pool, nowUs: number): void {
    const { id, batching } = pool;
    const queues = this.queues;
    while (pool.touchedCount > 0) {
      const replica = pool.touched[--pool.touchedCount];
      const queue = this.board.queueOf(replica);
      this.board.isTouched[replica] = 0;
      let dueUs = Number.POSITIVE_INFINITY;
      while (this.batchSize[replica] === 0 && queues.lengthOf(queue) > 0) {
        let size = 1;
        if (!this.fits(replica)) break;
        if (batching !== null) {
          const view = this.queue.at(queue);
          size = Math.min(batching.size(view, replica, nowUs), pool.maxBatchOf(replica));
          if (size === 0) {
            dueUs = batching.dueUs(view, replica);
            break;
          }
        }
        this.fill(id, replica, queue, size, nowUs);
      }
      if (batching !== null) this.board.setTimer(queue, dueUs);
    }
  }

  /** Whether the replica's node has what a batch on it demands. */
  private fits(replica: number): boolean {
    return this.resources === null || this.resources.fits(replica);
  }

  /** A job out of its queue starts on a replica taken out of the idle ones. */
  private startAlone(replica: number, job: number, nowUs: number): void {
    this.requests.state[job] = RUNNING;
    this.batches.jobs[this.batchAt[replica]] = job;
    this.batchSize[replica] = 1;
    this.log?.add("start", replica, nowUs, job);
    if (this.notices !== null) this.notices.started(replica, nowUs);
    this.driver.start(replica, nowUs);
  }

  /** Moves up to `size` jobs to a replica taken out of the idle ones; late ones may be dropped. */
  private fill(pool: number, replica: number, queue: number, size: number, nowUs: number): void {
    const at = this.batchAt[replica];
    const queues = this.queues;
    const { shedding } = this.pools[pool];
    let taken = 0;
    while (taken < size && queues.lengthOf(queue) > 0) {
      const job = queues.pop(queue);
      if (shedding?.(this.job.at(job), replica, size, nowUs)) {
        this.pools[pool].loadChanged(replica, -1, nowUs);
        this.flow.drop(job, nowUs);
        continue;
      }
      this.requests.state[job] = RUNNING;
      this.batches.jobs[at + taken++] = job;
    }
    if (taken === 0) {
      if (queue === pool) this.idle.add(pool, replica);
      return;
    }
    this.send(replica, taken, nowUs);
  }

  /** Starts jobs that are in no queue on an idle replica, as a controller says. */
  startJobs(replica: number, jobs: readonly number[], nowUs: number): void {
    this.batches.jobs.set(jobs, this.batchAt[replica]);
    for (const job of jobs) this.requests.state[job] = RUNNING;
    this.pools[this.board.poolOf[replica]].loadChanged(replica, jobs.length, nowUs);
    this.send(replica, jobs.length, nowUs);
  }

  private send(replica: number, size: number, nowUs: number): void {
    const at = this.batchAt[replica];
    this.batchSize[replica] = size;
    if (this.resources !== null) this.resources.take(replica);
    this.log?.add("start", replica, nowUs, ...this.batches.jobs.subarray(at, at + size));
    if (this.notices !== null) this.notices.started(replica, nowUs);
    this.driver.start(replica, nowUs);
  }
}
