/** The rules that every scheduler keeps, each checked on the state of the run as its driver knows it. */
import { grouped } from "../engine/basics/iterables.ts";
import type { JobView } from "../engine/dispatch/controller.ts";
import type { Dispatcher } from "../engine/dispatch/dispatcher.ts";
import { isHeld } from "../engine/dispatch/held-chains.ts";
import type { Scheduler } from "../engine/dispatch/policies.ts";
import { JOB } from "../engine/dispatch/request-table.ts";
import type { System } from "../engine/system/system.ts";
import { Failures } from "./own-calls.ts";

/** A rule that the scheduler has broken; the message is the rule. */
export class BrokenRule extends Error {}

function fail(rule: string): never {
  throw new BrokenRule(rule);
}

export function ok(condition: boolean, rule: string): asserts condition {
  if (!condition) fail(rule);
}

export function equal(found: unknown, expected: unknown, rule: string): void {
  if (!Object.is(found, expected)) fail(`${rule}: ${found}, not ${expected}`);
}

const UNSTEADY =
  "`key` gave a job that waits another number when asked again: it goes by the job alone, without a clock or Math.random; one with state of its own has `taken` besides";

/** A request that has not ended: what was asked of it, and what has run. */
export interface Open {
  readonly serial: number;
  readonly slot: number;
  readonly pipeline: number;
  readonly answers: number;
  readonly asked: Set<number>;
  readonly ran: Set<number>;
  readonly ended: Set<number>;
  /** Ensembles. */
  readonly voted: Set<number>;
}

/** A driver's knowledge of its run. */
interface RunState {
  readonly system: System;
  readonly scheduler: Scheduler;
  readonly dispatcher: Dispatcher;
  readonly nowUs: number;
  readonly up: ReadonlySet<number>;
  /** By replica that runs a batch: its jobs. */
  readonly busy: ReadonlyMap<number, readonly number[]>;
  readonly timers: ReadonlyMap<number, number>;
  /** By slot. */
  readonly open: ReadonlyMap<number, Open>;
}

/** Each check throws a `BrokenRule`. */
export class ContractRules {
  readonly #state: RunState;

  constructor(state: RunState) {
    this.#state = state;
  }

  /** The request of a slot. */
  openAt(slot: number): Open {
    const request = this.#state.open.get(slot);
    if (request === undefined) return fail(`request ${slot} is not open`);
    return request;
  }

  /** A batch that starts: its replica and its jobs. */
  checkBatch(replica: number, jobs: readonly number[]): void {
    const { system, scheduler, up, busy, nowUs } = this.#state;
    const { requests } = this.#state.dispatcher;
    ok(up.has(replica), "a batch goes to a replica that is up");
    ok(!busy.has(replica), "a replica runs one batch");
    const { pool } = system.replicas[replica];
    const most = this.#isSteered(pool)
      ? Number.POSITIVE_INFINITY
      : this.#policies(pool).batching.maxBatch;
    ok(jobs.length > 0, "a batch has jobs");
    ok(jobs.length <= Math.min(system.pools[pool].maxBatch, most), "no batch is over its maximum");
    const running = new Set([...busy.values()].flat());
    for (const job of jobs) {
      const request = this.openAt(requests.requestOf(job));
      const task = requests.taskOf(job);
      ok(!running.has(job), "a job runs once at a time");
      equal(requests.state[job], JOB.running, "a job that starts runs");
      const { variants } = system.pipelines[request.pipeline].tasks[task];
      ok(variants.includes(pool), "a job runs in a pool of its task");
      ok(request.asked.has(task), "a task's condition is asked before it runs");
      this.#checkInputs(request, task);
      if (scheduler.admission.dropsLate) {
        ok(nowUs <= requests.deadlineUs[request.slot], "nothing late is started");
      }
      running.add(job);
    }
  }

  /** It is these jobs' turn, and their node has room for them. */
  checkTurn(replica: number, jobs: readonly number[]): void {
    const { pool } = this.#state.system.replicas[replica];
    if (!this.#isSteered(pool)) this.#checkOrder(pool, replica, jobs);
    ok(this.#hasRoom(replica), "no batch takes more than its node has");
  }

  /** Nothing waits in vain once the scheduler has decided. */
  checkDecided(): void {
    this.#checkNobodyIdles();
    this.#checkChains();
  }

  /** Whether a controller beyond scaling decides on the pool's batches. */
  #isSteered(pool: number): boolean {
    const { controllers = [] } = this.#state.scheduler;
    const deciding = controllers.filter((one) => !(one instanceof Failures));
    return deciding.some(
      ({ pools = [], scales = [] }) => pools.includes(pool) || scales.length === 0,
    );
  }

  /** Whether joins may start before all that they need has run. */
  get #hurries(): boolean {
    return this.#state.scheduler.controllers?.some(({ proceeds }) => proceeds === true) ?? false;
  }

  /** Whether a replica's node has what one more batch there takes. */
  #hasRoom(replica: number): boolean {
    const { replicas, pools, nodes } = this.#state.system;
    const { node, pool } = replicas[replica];
    const here = [...this.#state.busy.keys()].filter((other) => replicas[other].node === node);
    return nodes[node].resources.every((total, r) => {
      const used = here.reduce((sum, other) => sum + pools[replicas[other].pool].demand[r], 0);
      return used + pools[pool].demand[r] <= total;
    });
  }

  /** As the dispatcher documents it: held chains are first in, first out, without batches. */
  #policies(pool: number): Scheduler["pools"][number] {
    const own = this.#state.scheduler.pools[pool];
    if (!isHeld(this.#state.system, pool)) return own;
    return {
      routing: own.routing,
      ordering: { kind: "fifo" },
      batching: { kind: "single", maxBatch: 1 },
    };
  }

  #checkInputs(request: Open, task: number): void {
    const { predecessors, needed } = this.#state.system.pipelines[request.pipeline].tasks[task];
    const ran = predecessors.filter((p) => request.ran.has(p)).length;
    if (predecessors.length === 0) return;
    ok(ran > 0, "at least one predecessor ran");
    if (ran >= needed || this.#hurries) return;
    for (const predecessor of predecessors) {
      ok(this.#hasEnded(request, predecessor), "all inputs are there");
    }
  }

  /** Ran, or its condition did not hold, or nothing before it ran. */
  #hasEnded(request: Open, task: number): boolean {
    const { state, stride } = this.#state.dispatcher.requests;
    if (request.ended.has(task) || state[request.slot * stride + task] === JOB.skipped) return true;
    if (request.asked.has(task)) return false;
    const { predecessors } = this.#state.system.pipelines[request.pipeline].tasks[task];
    return (
      predecessors.length > 0 &&
      predecessors.every((p) => this.#hasEnded(request, p) && !request.ran.has(p))
    );
  }

  /** Where joins wait for all, which tasks ran follows from the conditions alone. */
  checkCompletion(request: Open): void {
    const { tasks, ensembles } = this.#state.system.pipelines[request.pipeline];
    ensembles.forEach(({ members }, id) => {
      const ran = members.some((task) => request.ran.has(task));
      equal(request.voted.has(id), ran, "an ensemble that ran has voted");
    });
    if (ensembles.length > 0) return;
    tasks.forEach((task, id) => {
      if (task.isSink) ok(this.#hasEnded(request, id), "all last tasks have ended");
    });
    if (this.#hurries || tasks.some((task) => Number.isFinite(task.needed))) return;
    tasks.forEach(({ predecessors }, id) => {
      const reached = predecessors.length === 0 || predecessors.some((p) => request.ran.has(p));
      const holds = ((request.answers >> id) & 1) === 1;
      equal(request.ran.has(id), reached && holds, `task ${id} ran if it had to`);
    });
  }

  /** Requires that started jobs come before all that stay behind in the same queue. */
  #checkOrder(pool: number, replica: number, jobs: readonly number[]): void {
    const { requests } = this.#state.dispatcher;
    const { ordering, routing } = this.#policies(pool);
    const central = routing.kind === "central" && !isHeld(this.#state.system, pool);
    const queue = central ? pool : this.#state.system.pools.length + replica;
    const rank = (job: number): number => {
      const request = requests.requestOf(job);
      if (ordering.kind === "fifo") return requests.enqueuedUs[job];
      if (ordering.kind === "lifo") return -requests.enqueuedUs[job];
      // An ordering with state must not be asked again.
      if (ordering.taken !== undefined) return requests.key[job];
      return ordering.key(this.#viewOf(job, request));
    };
    const last = Math.max(...jobs.map(rank));
    const others = [...this.#queuedJobs()].filter(
      (job) => requests.state[job] === queue && !jobs.includes(job),
    );
    const isNext = others.every((job) => rank(job) >= last);
    // An order that fails is none: the failure is the message.
    this.#state.scheduler.controllers?.find((one) => one instanceof Failures)?.decide();
    if (isNext) return;
    if (ordering.kind !== "keyed") fail(`the order is ${ordering.kind}`);
    const isSteady = [...jobs, ...others].every((job) => rank(job) === requests.key[job]);
    fail(isSteady ? "the least `key` is next" : UNSTEADY);
  }

  #viewOf(job: number, request: number): JobView {
    const { requests } = this.#state.dispatcher;
    const pipeline = requests.pipeline[request];
    return {
      job,
      request,
      pipeline,
      task: requests.taskOf(job),
      arrivedUs: requests.arrivedUs[request],
      enteredUs: requests.enqueuedUs[job],
      deadlineUs: requests.deadlineUs[request],
      priority: this.#state.system.pipelines[pipeline].priority,
      inputSize: requests.inputSize[request],
      prompt: null,
    };
  }

  *#queuedJobs(): Generator<number> {
    const { requests } = this.#state.dispatcher;
    for (const { slot, pipeline } of this.#state.open.values()) {
      const base = slot * requests.stride;
      for (let task = 0; task < this.#state.system.pipelines[pipeline].tasks.length; task++) {
        if (requests.state[base + task] >= 0) yield base + task;
      }
    }
  }

  /** No job waits beside an idle replica that could take it, unless its batch is not due. */
  #checkNobodyIdles(): void {
    const { system, dispatcher, nowUs, up, busy, timers } = this.#state;
    const { requests } = dispatcher;
    const pools = system.pools.length;
    const queued = grouped(this.#queuedJobs(), (job) => requests.state[job]);
    for (const [queue, jobs] of queued) {
      const pool = queue < pools ? queue : system.replicas[queue - pools].pool;
      if (this.#isSteered(pool)) continue;
      if (queue < pools && isHeld(system, pool)) {
        const chains = jobs.map((job) => dispatcher.chainOf(requests.requestOf(job)));
        for (const chain of chains) equal(chain, -1, "a job of a held chain does not wait");
        continue;
      }
      const takers = [...system.replicas.keys()].filter((id) =>
        queue < pools ? system.replicas[id].pool === pool : id === queue - pools,
      );
      const idle = takers.filter((id) => up.has(id) && !busy.has(id) && this.#hasRoom(id));
      if (idle.length === 0) continue;
      const { batching, routing } = this.#policies(pool);
      if (queue < pools && routing.kind === "immediate") {
        ok(routing.holds === true, "a job is routed at once");
        const areTaken = idle.every((id) => queued.has(pools + id));
        ok(areTaken, "a job waits beside a replica without any");
        continue;
      }
      if (batching.kind === "single") fail("a job waits beside an idle replica");
      const oldestUs = Math.min(...jobs.map((job) => requests.enqueuedUs[job]));
      const next = this.#viewOf(jobs[0], requests.requestOf(jobs[0]));
      const view = { length: jobs.length, oldestUs, next };
      for (const id of idle) equal(batching.size(view, id, nowUs), 0, "no batch waits in vain");
      const dueUs = Math.min(...idle.map((id) => batching.dueUs(view, id)));
      const isTimed = dueUs < Number.POSITIVE_INFINITY;
      ok(isTimed, "jobs for which `size` is 0 wait until `dueUs`: Infinity never starts them");
      equal(timers.get(queue), dueUs, "a batch that waits has a timer");
    }
  }

  /** Held chains are whole, each is held once, and none is free while a request wants one. */
  #checkChains(): void {
    const { system, dispatcher, up, open } = this.#state;
    for (const [pipeline, { held, chains, tasks }] of system.pipelines.entries()) {
      if (!held) continue;
      const isWhole = (chain: number): boolean =>
        tasks.every(({ pool }) => up.has(system.pools[pool].first + chain));
      const whole = Array.from({ length: chains }, (_, chain) => chain).filter(isWhole);
      const own = [...open.values()].filter((request) => request.pipeline === pipeline);
      const all = own.map(({ slot }) => dispatcher.chainOf(slot));
      const holding = all.filter((chain) => chain >= 0);
      equal(new Set(holding).size, holding.length, "a chain is held once");
      for (const chain of holding) ok(whole.includes(chain), "a held chain is whole");
      equal(holding.length, Math.min(own.length, whole.length), "no request wants a chain in vain");
    }
  }
}
