/**
 * The contract of every scheduler, whatever happens: `CheckingDriver` drives a dispatcher through any order
 * of events and checks each command as it comes (`contract-rules.ts`). Tests play the registry on random systems;
 * `tandem check` plays a scheduler of the user on the scenario's (`play.ts`).
 */
import type { Residency } from "../engine/dispatch/controller.ts";
import { Dispatcher } from "../engine/dispatch/dispatcher.ts";
import type {
  AnswerLabels,
  ClusterDriver,
  CountedVote,
  Driver,
  Outcome,
} from "../engine/dispatch/driver.ts";
import type { Scheduler } from "../engine/dispatch/policies.ts";
import type { RunLog } from "../engine/dispatch/run-log.ts";
import { sumOf } from "../engine/statistics/estimate.ts";
import type { System } from "../engine/system/system.ts";
import { ContractRules, equal, type Open, ok } from "./contract-rules.ts";
import { type PlanProblem, planFor } from "./systems/accuracy-scaling/plan.ts";

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
  readonly #rules: ContractRules;

  constructor(system: System, scheduler: Scheduler, log: RunLog | null = null) {
    this.system = system;
    this.scheduler = scheduler;
    this.#rules = new ContractRules(this);
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
    const { batchJobs, batchAt, batchSize } = this.dispatcher;
    equal(nowUs, this.nowUs, "time does not run back");
    const at = batchAt[replica];
    const jobs = Array.from(batchJobs.subarray(at, at + batchSize[replica]));
    this.#rules.checkBatch(replica, jobs);
    this.#tell(`the scheduler starts ${jobs.length} on ${this.#nameOf(replica)}`);
    this.#rules.checkTurn(replica, jobs);
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
    const request = this.#rules.openAt(slot);
    this.open.delete(slot);
    this.outcomes[outcome]++;
    if (outcome === "completed") this.#rules.checkCompletion(request);
  }

  /** Each request has a time of its own, so that deadlines do not follow the order of arrival. */
  goalUs(slot: number): number {
    return 1 + ((this.dispatcher.requests.serial[slot] * 7919) % 10_007);
  }

  holds(slot: number, task: number): boolean {
    const request = this.#rules.openAt(slot);
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
      ok(this.#rules.openAt(slot).ran.has(task), "only a task that ran has a label");
      return (this.dispatcher.requests.serial[slot] + task) % 3;
    },
  };

  voted(slot: number, ensemble: number, { label, confidence, agreeing }: CountedVote): void {
    const request = this.#rules.openAt(slot);
    const { members } = this.system.pipelines[request.pipeline].ensembles[ensemble];
    ok(!request.voted.has(ensemble), "votes are counted once");
    request.voted.add(ensemble);
    ok(confidence >= 0 && confidence <= 1, "a confidence is a share");
    ok(label < 0 || agreeing.some((task) => members.includes(task)), "a member gave the answer");
  }

  imputed(slot: number, task: number): void {
    const request = this.#rules.openAt(slot);
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
    this.#rules.checkDecided();
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
}
