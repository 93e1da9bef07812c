/**
 * The rules that every scheduler keeps, whatever happens: `CheckingDriver` drives a dispatcher through
 * any order of events and checks each command as it comes. Tests play the registry on random systems;
 * `tandem check` plays a scheduler of the user on the scenario's (`play.ts`).
 */
import type { JobView, Residency } from "../engine/dispatch/controller.ts";
import { Dispatcher } from "../engine/dispatch/dispatcher.ts";
import type {
  AnswerLabels,
  ClusterDriver,
  CountedVote,
  Driver,
  Outcome,
} from "../engine/dispatch/driver.ts";
import type { Scheduler } from "../engine/dispatch/policies.ts";
import { JOB } from "../engine/dispatch/request-table.ts";
import type { RunLog } from "../engine/dispatch/run-log.ts";
import { sumOf } from "../engine/statistics/estimate.ts";
import type { System } from "../engine/system/system.ts";
import { Failures } from "./own-guard.ts";
import { type PlanProblem, planFor } from "./systems/accuracy-scaling/plan.ts";

/** A rule that the scheduler has broken; the message is the rule. */
export class BrokenRule extends Error {}

function fail(rule: string): never {
  throw new BrokenRule(rule);
}

function ok(condition: boolean, rule: string): asserts condition {
  if (!condition) fail(rule);
}

function equal(found: unknown, expected: unknown, rule: string): void {
  if (!Object.is(found, expected)) fail(`${rule}: ${found}, not ${expected}`);
}

/** One step of a random run. `pick` chooses among what is possible; `holds` are answers. */
export interface Step {
  readonly kind:
    | ("arrive" | "finish" | "fail" | "miss" | "tick")
    | ("lose" | "join" | "drain" | "cancel");
  readonly pick: number;
  readonly afterUs: number;
  /** Whether the dispatcher decides after this step, or only after the next. */
  readonly decides: boolean;
  readonly holds: number;
}

interface Open {
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

/** A driver without a clock: the test says what happens, and the driver checks what is asked. */
export class CheckingDriver implements Driver {
  readonly system: System;
  readonly scheduler: Scheduler;
  readonly dispatcher: Dispatcher;
  readonly up = new Set<number>();
  /** Take no new work, but still have a batch. */
  readonly draining = new Set<number>();
  readonly busy = new Map<number, readonly number[]>();
  /** Released by a controller, and those of them that it has ordered again. */
  readonly off = new Set<number>();
  readonly ordered = new Set<number>();
  /** Loads and evictions that the dispatcher has not heard of. */
  readonly residencies: { slot: number; model: number; state: Residency }[] = [];
  /** By controller: the problem that it has asked. */
  readonly problems = new Map<number, unknown>();
  readonly timers = new Map<number, number>();
  readonly open = new Map<number, Open>();
  readonly outcomes: Record<Outcome, number> = {
    completed: 0,
    refused: 0,
    dropped: 0,
    failed: 0,
    cancelled: 0,
  };
  arrivals = 0;
  nowUs = 0;
  /** Tells each step in a line; null: nobody asks. */
  story: string[] | null = null;
  #begun = false;
  /** Failures of the user's code; undefined for a built-in scheduler. */
  readonly #failures: Failures | undefined;

  constructor(system: System, scheduler: Scheduler, log: RunLog | null = null) {
    this.system = system;
    this.scheduler = scheduler;
    this.#failures = scheduler.controllers?.find((one) => one instanceof Failures);
    this.dispatcher = new Dispatcher(system, scheduler, this, log);
  }

  readonly cluster: ClusterDriver = {
    order: (replica) => {
      ok(this.off.has(replica), "only a replica that is off is ordered");
      this.ordered.add(replica);
    },
    release: (replica) => {
      ok(!this.off.has(replica) || this.ordered.delete(replica), "a replica is released once");
      this.up.delete(replica);
      this.off.add(replica);
    },
    abort: (replica) => {
      ok(this.busy.delete(replica), "only a replica with a batch is pre-empted");
      return true;
    },
    load: (slot, model) => this.residencies.push({ slot, model, state: "resident" }),
    evict: (slot, model) => this.residencies.push({ slot, model, state: "absent" }),
    ask: (controller, problem) => this.problems.set(controller, problem),
    window: (replica) => this.#windowed.add(replica),
  };
  /** Replicas whose batch has a start window. */
  readonly #windowed = new Set<number>();

  start(replica: number, nowUs: number): void {
    const { batchJobs, batchAt, batchSize, requests, system } = this.dispatcher;
    equal(nowUs, this.nowUs, "time does not run back");
    ok(this.up.has(replica), "a batch goes to a replica that is up");
    ok(!this.busy.has(replica), "a replica runs one batch");
    const at = batchAt[replica];
    const jobs = Array.from(batchJobs.subarray(at, at + batchSize[replica]));
    const pool = system.replicas[replica].pool;
    const { batching } = this.#policies(pool);
    const most = this.#isSteered(pool) ? Number.POSITIVE_INFINITY : batching.maxBatch;
    const limit = Math.min(system.pools[pool].maxBatch, most);
    ok(jobs.length > 0, "a batch has jobs");
    ok(jobs.length <= limit, "no batch is over its maximum");
    const running = new Set([...this.busy.values()].flat());
    for (const job of jobs) {
      const request = this.#openAt(requests.requestOf(job));
      const task = requests.taskOf(job);
      ok(!running.has(job), "a job runs once at a time");
      equal(requests.state[job], JOB.running, "a job that starts runs");
      ok(
        system.pipelines[request.pipeline].tasks[task].variants.includes(pool),
        "a job runs in a pool of its task",
      );
      ok(request.asked.has(task), "a task's condition is asked before it runs");
      this.#checkInputs(request, task);
      if (this.scheduler.admission.dropsLate) {
        ok(nowUs <= requests.deadlineUs[request.slot], "nothing late is started");
      }
      running.add(job);
    }
    this.#tell(`the scheduler starts ${jobs.length} on ${this.#nameOf(replica)}`);
    if (!this.#isSteered(pool)) this.#checkOrder(pool, replica, jobs);
    ok(this.#hasRoom(replica), "no batch takes more than its node has");
    this.busy.set(replica, jobs);
  }

  wakeAt(timer: number, atUs: number): void {
    ok(timer >= 0 && timer < this.dispatcher.timerCount, `there is a timer ${timer}`);
    ok(atUs > this.nowUs, "a timer is due later");
    if (atUs === Number.POSITIVE_INFINITY) this.timers.delete(timer);
    else this.timers.set(timer, atUs);
  }

  end(slot: number, outcome: Outcome, nowUs: number): void {
    equal(nowUs, this.nowUs, "time does not run back");
    const request = this.#openAt(slot);
    this.open.delete(slot);
    this.outcomes[outcome]++;
    if (outcome === "completed") this.#checkCompletion(request);
  }

  /** Each request has a time of its own, so that deadlines do not follow the order of arrival. */
  goalUs(slot: number): number {
    return 1 + ((this.dispatcher.requests.serial[slot] * 7919) % 10_007);
  }

  holds(slot: number, task: number): boolean {
    const request = this.#openAt(slot);
    ok(!request.asked.has(task), "a task's condition is asked once");
    request.asked.add(task);
    const holds = ((request.answers >> task) & 1) === 1;
    if (!holds) request.ended.add(task);
    return holds;
  }

  /** Any answers, a few of which agree. */
  readonly labels: AnswerLabels = {
    truth: null,
    of: (slot, task) => {
      ok(this.#openAt(slot).ran.has(task), "only a task that ran has a label");
      return (this.dispatcher.requests.serial[slot] + task) % 3;
    },
  };

  voted(slot: number, ensemble: number, { label, confidence, agreeing }: CountedVote): void {
    const request = this.#openAt(slot);
    const { members } = this.system.pipelines[request.pipeline].ensembles[ensemble];
    ok(!request.voted.has(ensemble), "votes are counted once");
    request.voted.add(ensemble);
    ok(confidence >= 0 && confidence <= 1, "a confidence is a share");
    ok(label < 0 || agreeing.some((task) => members.includes(task)), "a member gave the answer");
  }

  imputed(slot: number, task: number): void {
    const request = this.#openAt(slot);
    ok(request.asked.has(task) && !request.ended.has(task), "what waits or runs is imputed");
    request.ran.add(task);
    request.ended.add(task);
  }

  // --- what the test lets happen ----------------------------------------------------------------

  arrive(pipeline: number, answers: number): void {
    this.#tell(`a request of ${this.system.pipelines[pipeline].name} arrives`);
    const slot = this.dispatcher.requests.reserve();
    ok(!this.open.has(slot), "a slot holds one request");
    const fresh = { asked: new Set<number>(), ran: new Set<number>(), ended: new Set<number>() };
    const voted = new Set<number>();
    this.open.set(slot, { serial: this.arrivals++, slot, pipeline, answers, voted, ...fresh });
    this.dispatcher.arrive(slot, pipeline, this.nowUs, this.nowUs);
  }

  finish(replica: number): void {
    this.#tell(`${this.#nameOf(replica)} finishes its batch`);
    const { requests } = this.dispatcher;
    this.#windowed.delete(replica);
    for (const job of this.busy.get(replica) ?? []) {
      const request = this.open.get(requests.requestOf(job));
      request?.ran.add(requests.taskOf(job));
      request?.ended.add(requests.taskOf(job));
    }
    this.#leave(replica, () => this.dispatcher.finish(replica, this.nowUs));
  }

  fail(replica: number): void {
    this.#tell(`the batch of ${this.#nameOf(replica)} fails`);
    this.#leave(replica, () => this.dispatcher.fail(replica, this.nowUs));
  }

  /** The start window of its batch has passed. */
  miss(replica: number): void {
    this.#leave(replica, () => this.dispatcher.miss(replica, this.nowUs));
  }

  /** Its batch ends; a replica that was draining goes. */
  #leave(replica: number, tell: () => void): void {
    this.busy.delete(replica);
    tell();
    if (this.draining.delete(replica)) this.dispatcher.lose(replica, this.nowUs);
  }

  startDraining(replica: number): void {
    this.#tell(`${this.#nameOf(replica)} takes no new work`);
    this.up.delete(replica);
    if (this.busy.has(replica)) this.draining.add(replica);
    this.dispatcher.drain(replica, this.nowUs);
  }

  join(replica: number): void {
    this.up.add(replica);
    this.draining.delete(replica);
    this.dispatcher.join(replica, this.nowUs);
  }

  joinAll(): void {
    for (let replica = 0; replica < this.system.replicas.length; replica++) {
      if (!this.off.has(replica)) this.join(replica);
    }
    if (!this.#begun) this.dispatcher.begin(this.nowUs);
    this.#begun = true;
  }

  /** Replicas that were ordered come up, problems are solved, and what was loaded or evicted is told. */
  #obeyed(): void {
    for (const replica of this.ordered) {
      this.ordered.delete(replica);
      this.off.delete(replica);
      this.join(replica);
    }
    for (const { slot, model, state } of this.residencies.splice(0)) {
      this.dispatcher.residency(slot, model, state, this.nowUs);
    }
    for (const [controller, problem] of this.problems) {
      this.problems.delete(controller);
      this.dispatcher.solved(controller, planFor(problem as PlanProblem), this.nowUs);
    }
  }

  lose(replica: number): void {
    this.#tell(`${this.#nameOf(replica)} is lost`);
    this.up.delete(replica);
    this.draining.delete(replica);
    this.busy.delete(replica);
    this.dispatcher.lose(replica, this.nowUs);
  }

  cancel(slot: number): void {
    this.#tell(`request ${this.open.get(slot)?.serial} is cancelled`);
    this.dispatcher.cancel(slot, "cancelled", this.nowUs);
  }

  /** Moves time on; timers due by then wake, those of one instant together. */
  tick(byUs: number): void {
    const until = this.nowUs + byUs;
    this.#obeyed();
    for (;;) {
      const atUs = Math.min(...this.timers.values());
      if (atUs > until) break;
      this.nowUs = Math.max(this.nowUs, atUs);
      for (const [timer, dueUs] of [...this.timers]) {
        if (dueUs > atUs) continue;
        this.timers.delete(timer);
        this.dispatcher.wake(timer, this.nowUs);
      }
      this.decide();
    }
    this.nowUs = until;
  }

  decide(): void {
    this.dispatcher.decide(this.nowUs);
    equal(this.dispatcher.inSystem, this.open.size, "every open request is in the system");
    this.#checkNobodyIdles();
    this.#checkChains();
  }

  play({ kind, pick, afterUs, decides, holds }: Step): void {
    if (afterUs > 0) this.tick(afterUs);
    const busy = [...this.busy.keys()];
    const down = [...this.system.replicas.keys()].filter((id) => !this.up.has(id));
    type Befalls = readonly [among: readonly number[], befalls: (one: number) => void];
    const possible: Readonly<Record<Step["kind"], Befalls>> = {
      arrive: [[...this.system.pipelines.keys()], (pipeline) => this.arrive(pipeline, holds)],
      finish: [busy, (replica) => this.finish(replica)],
      fail: [busy, (replica) => this.fail(replica)],
      miss: [busy.filter((id) => this.#windowed.has(id)), (replica) => this.miss(replica)],
      lose: [[...this.up, ...this.draining], (replica) => this.lose(replica)],
      drain: [[...this.up], (replica) => this.startDraining(replica)],
      join: [down.filter((id) => !this.off.has(id)), (replica) => this.#return(replica)],
      cancel: [[...this.open.keys()], (slot) => this.cancel(slot)],
      tick: [[], () => undefined],
    };
    const [among, befalls] = possible[kind];
    if (among.length > 0) befalls(among[pick % among.length]);
    if (decides) this.decide();
  }

  #return(replica: number): void {
    this.#tell(`${this.#nameOf(replica)} is up again`);
    this.join(replica);
  }

  /** All replicas come up and all batches finish, until nothing is left. */
  drain(): void {
    this.joinAll();
    this.decide();
    for (let turn = 0; this.open.size > 0 || this.busy.size > 0; turn++) {
      ok(turn < 10_000, "all that is left comes to an end");
      const next = Math.min(...this.timers.values());
      const isDue = next < Number.POSITIVE_INFINITY;
      const isUnderWay = this.ordered.size + this.residencies.length + this.problems.size > 0;
      ok(
        this.busy.size > 0 || isDue || isUnderWay,
        `the queues drain: ${this.open.size} wait beside idle replicas`,
      );
      if (this.busy.size === 0 && isDue) this.tick(next - this.nowUs);
      for (const replica of [...this.busy.keys()]) this.finish(replica);
      this.#obeyed();
      this.decide();
    }
  }

  /** Every request has ended exactly once and every slot is free again. */
  checkConservation(): void {
    equal(this.dispatcher.inSystem, 0, "no request is left in the system");
    const ended = sumOf(Object.values(this.outcomes));
    equal(ended, this.arrivals, "every request ends once");
    const { requests } = this.dispatcher;
    const { capacity } = requests;
    const slots = new Set(Array.from({ length: capacity }, () => requests.reserve()));
    equal(slots.size, capacity, "all slots are free and different");
    equal(requests.capacity, capacity, "no slot is lost");
  }

  #tell(line: string): void {
    this.story?.push(`${(this.nowUs / 1000).toFixed(3)} ms: ${line}`);
  }

  #nameOf(replica: number): string {
    return this.system.replicas[replica].name;
  }

  // --- checks -----------------------------------------------------------------------------------

  #openAt(slot: number): Open {
    const request = this.open.get(slot);
    if (request === undefined) return fail(`request ${slot} is not open`);
    return request;
  }

  /** Whether a controller beyond scaling decides on the pool's batches. */
  #isSteered(pool: number): boolean {
    const deciding = this.scheduler.controllers?.filter((one) => one !== this.#failures) ?? [];
    return deciding.some(({ pools, scales }) => pools.includes(pool) || scales.length === 0);
  }

  /** Whether joins may start before all that they need has run. */
  get #hurries(): boolean {
    return this.scheduler.controllers?.some(({ proceeds }) => proceeds === true) ?? false;
  }

  #isHeld(pool: number): boolean {
    return this.system.pipelines.some((p) => p.held && p.tasks.some((task) => task.pool === pool));
  }

  /** Whether a replica's node has what one more batch there takes. */
  #hasRoom(replica: number): boolean {
    const { replicas, pools, nodes } = this.system;
    const { node, pool } = replicas[replica];
    const here = [...this.busy.keys()].filter((other) => replicas[other].node === node);
    return nodes[node].resources.every((total, r) => {
      const used = here.reduce((sum, other) => sum + pools[replicas[other].pool].demand[r], 0);
      return used + pools[pool].demand[r] <= total;
    });
  }

  /** As the dispatcher documents it: held chains are first in, first out, without batches. */
  #policies(pool: number): Scheduler["pools"][number] {
    const own = this.scheduler.pools[pool];
    if (!this.#isHeld(pool)) return own;
    return {
      routing: own.routing,
      ordering: { kind: "fifo" },
      batching: { kind: "single", maxBatch: 1 },
    };
  }

  #checkInputs(request: Open, task: number): void {
    const { predecessors, needed } = this.system.pipelines[request.pipeline].tasks[task];
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
    const { state, stride } = this.dispatcher.requests;
    if (request.ended.has(task) || state[request.slot * stride + task] === JOB.skipped) return true;
    if (request.asked.has(task)) return false;
    const { predecessors } = this.system.pipelines[request.pipeline].tasks[task];
    return (
      predecessors.length > 0 &&
      predecessors.every((p) => this.#hasEnded(request, p) && !request.ran.has(p))
    );
  }

  /** Where joins wait for all, which tasks ran follows from the conditions alone. */
  #checkCompletion(request: Open): void {
    const { tasks, ensembles } = this.system.pipelines[request.pipeline];
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
    const { requests } = this.dispatcher;
    const { ordering, routing } = this.#policies(pool);
    const central = routing.kind === "central" && !this.#isHeld(pool);
    const queue = central ? pool : this.system.pools.length + replica;
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
    this.#failures?.decide();
    ok(isNext, `the order is ${ordering.kind}`);
  }

  #viewOf(job: number, request: number): JobView {
    const { requests } = this.dispatcher;
    const pipeline = requests.pipeline[request];
    return {
      job,
      request,
      pipeline,
      task: requests.taskOf(job),
      arrivedUs: requests.arrivedUs[request],
      enteredUs: requests.enqueuedUs[job],
      deadlineUs: requests.deadlineUs[request],
      priority: this.system.pipelines[pipeline].priority,
      inputSize: requests.inputSize[request],
      prompt: null,
    };
  }

  *#queuedJobs(): Generator<number> {
    const { requests } = this.dispatcher;
    for (const { slot, pipeline } of this.open.values()) {
      const base = slot * requests.stride;
      for (let task = 0; task < this.system.pipelines[pipeline].tasks.length; task++) {
        if (requests.state[base + task] >= 0) yield base + task;
      }
    }
  }

  /** No job waits beside an idle replica that could take it, unless its batch is not due. */
  #checkNobodyIdles(): void {
    const { requests } = this.dispatcher;
    const queued = new Map<number, number[]>();
    for (const job of this.#queuedJobs()) {
      queued.set(requests.state[job], [...(queued.get(requests.state[job]) ?? []), job]);
    }
    for (const [queue, jobs] of queued) {
      const pools = this.system.pools.length;
      if (this.#isSteered(queue < pools ? queue : this.system.replicas[queue - pools].pool))
        continue;
      if (queue < pools && this.#isHeld(queue)) {
        for (const job of jobs)
          equal(
            this.dispatcher.chainOf(requests.requestOf(job)),
            -1,
            "a job of a held chain does not wait",
          );
        continue;
      }
      const takers = this.system.replicas.flatMap(({ pool }, id) =>
        (queue < pools ? pool === queue : id === queue - pools) ? [id] : [],
      );
      const takes = (id: number): boolean =>
        this.up.has(id) && !this.busy.has(id) && this.#hasRoom(id);
      const idle = takers.filter(takes);
      if (idle.length === 0) continue;
      const { batching, routing } = this.#policies(this.system.replicas[takers[0]].pool);
      if (queue < pools && routing.kind === "immediate") {
        ok(routing.holds === true, "a job is routed at once");
        ok(
          idle.every((id) => queued.has(pools + id)),
          "a job waits beside a replica without any",
        );
        continue;
      }
      if (batching.kind === "single") fail("a job waits beside an idle replica");
      const oldestUs = Math.min(...jobs.map((job) => requests.enqueuedUs[job]));
      const next = this.#viewOf(jobs[0], requests.requestOf(jobs[0]));
      const view = { length: jobs.length, oldestUs, next };
      for (const id of idle)
        equal(batching.size(view, id, this.nowUs), 0, "no batch waits in vain");
      const dueUs = Math.min(...idle.map((id) => batching.dueUs(view, id)));
      equal(this.timers.get(queue), dueUs, "a batch that waits has a timer");
    }
  }

  /** Held chains are whole, each is held once, and none is free while a request wants one. */
  #checkChains(): void {
    this.system.pipelines.forEach(({ held, chains, tasks }, pipeline) => {
      if (!held) return;
      const isWhole = (chain: number): boolean =>
        tasks.every(({ pool }) => this.up.has(this.system.pools[pool].first + chain));
      const whole = Array.from({ length: chains }, (_, chain) => chain).filter(isWhole);
      const own = [...this.open.values()].filter((request) => request.pipeline === pipeline);
      const holding = own
        .map(({ slot }) => this.dispatcher.chainOf(slot))
        .filter((chain) => chain >= 0);
      equal(new Set(holding).size, holding.length, "a chain is held once");
      for (const chain of holding) ok(whole.includes(chain), "a held chain is whole");
      equal(holding.length, Math.min(own.length, whole.length), "no request wants a chain in vain");
    });
  }
}
