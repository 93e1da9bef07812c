/** Schedulers and batching that change while work is under way: nothing is lost, and all replays. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { z } from "zod";
import type { ClusterView, Controls } from "../engine/dispatch/controller.ts";
import { Dispatcher } from "../engine/dispatch/dispatcher.ts";
import type { Driver, Outcome } from "../engine/dispatch/driver.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { replayLog } from "../engine/record/replay.ts";
import type { System } from "../engine/system/system.ts";
import type { SchedulerDocument } from "../scenario/schema/scenario.ts";
import { documentOf, systemOf } from "./contract-systems.test-support.ts";
import { createScheduler } from "./create-scheduler.ts";
import { isOwnFailure } from "./own-calls.ts";
import { NO_OWN, type OwnComposition, type OwnSchedulers, ownScheduler } from "./own-scheduler.ts";

const grouped = { policy: "size-or-timeout", maxBatch: 3, waitMs: 1 };
const stepped = (first: number, then: number) => ({
  policy: "scheduled",
  intervalS: 0.001,
  periodS: 0.004,
  steps: [first, then].map((replicas, i) => ({ atS: 0.002 * i, replicas })),
});
const SCHEDULERS: readonly SchedulerDocument[] = [
  "fifo",
  "edf",
  "join-shortest-queue",
  "power-of-two",
  "least-expected-work",
  { batching: grouped },
  { preset: "join-shortest-queue", batching: grouped },
  { preset: "seed-batching" },
  { scaling: stepped(1, 3) },
  { preset: "join-shortest-queue", perTask: { a: { scaling: stepped(3, 1), batching: grouped } } },
] as unknown as SchedulerDocument[];

interface Step {
  readonly kind: "arrive" | "finish" | "time" | "lose" | "join" | "batching" | "scheduler";
  readonly pick: number;
}

const steps = fc.array(
  fc.record({
    kind: fc.constantFrom<Step["kind"]>(
      ...(["arrive", "arrive", "arrive", "finish", "finish", "time"] as const),
      ...(["lose", "join", "batching", "scheduler"] as const),
    ),
    pick: fc.nat(1000),
  }),
  { minLength: 20, maxLength: 150 },
);

class Cluster implements Driver {
  readonly log = new RunLog();
  dispatcher: Dispatcher;
  readonly used: SchedulerDocument[] = [];
  readonly ends = new Map<number, number>();
  readonly #system: System;
  readonly #timers = new Map<number, number>();
  readonly #up = new Set<number>();
  readonly #busy = new Set<number>();
  readonly #limits = new Map<number, number>();
  /** Released replicas, and those of them that were ordered again. */
  readonly #off = new Set<number>();
  readonly #ordered = new Set<number>();
  readonly cluster = {
    order: (replica: number) => this.#ordered.add(replica),
    release: (replica: number) => {
      this.#ordered.delete(replica);
      this.#off.add(replica);
      this.#up.delete(replica);
    },
    abort: () => false,
    load: () => undefined,
    evict: () => undefined,
  };
  #poolLimit = 1;
  arrivals = 0;
  ended = 0;
  #nowUs = 0;

  readonly #own: OwnSchedulers;

  constructor(system: System, first: SchedulerDocument, own: OwnSchedulers = NO_OWN) {
    this.#system = system;
    this.#own = own;
    this.dispatcher = new Dispatcher(system, this.#made(first), this, this.log);
    for (const replica of system.replicas.keys()) this.#join(replica);
    this.dispatcher.begin(0);
  }

  start(replica: number): void {
    expect(this.#up.has(replica)).toBe(true);
    expect(this.#busy.has(replica), "one batch at a time").toBe(false);
    const limit = this.#limits.get(replica) ?? this.#poolLimit;
    expect(this.dispatcher.batchSize[replica]).toBeLessThanOrEqual(limit);
    this.#busy.add(replica);
  }

  wakeAt(timer: number, atUs: number): void {
    this.#timers.set(timer, atUs);
  }

  end(_slot: number, _outcome: Outcome): void {
    this.ended++;
  }

  goalUs(): number {
    return Number.POSITIVE_INFINITY;
  }

  holds(): boolean {
    return true;
  }

  step(step: Step): void {
    this.#nowUs++;
    this.#turn(() => this.#happen(step));
  }

  /** As in the gateway: a scheduler of the user that fails leaves its place to fifo. */
  #turn(event: () => void): void {
    try {
      event();
      this.dispatcher.decide(this.#nowUs);
    } catch (error) {
      if (!isOwnFailure(error)) throw error;
      this.log.add("failed", this.#nowUs);
      this.#use("fifo");
      this.dispatcher.decide(this.#nowUs);
    }
  }

  #happen({ kind, pick }: Step): void {
    const { dispatcher } = this;
    const replica = pick % this.#system.replicas.length;
    const busy = [...this.#busy];
    if (kind === "arrive") {
      dispatcher.arrive(dispatcher.requests.reserve(), 0, this.#nowUs, this.#nowUs);
      this.arrivals++;
    } else if (kind === "finish" && busy.length > 0) this.#finish(busy[pick % busy.length]);
    else if (kind === "time") this.#pass(pick);
    else if (kind === "lose") this.#lose(replica);
    else if (kind === "join") this.#join(replica);
    else if (kind === "batching") this.#batching(replica, Math.floor(pick / 5) % 5, pick);
    else if (kind === "scheduler") this.#use(SCHEDULERS[pick % SCHEDULERS.length]);
  }

  /** Everything comes up, and runs to its end. */
  settle(): void {
    this.#turn(() => {
      for (const replica of this.#system.replicas.keys()) this.#join(replica);
    });
    this.#turn(() => this.#pass(1));
    for (let i = 0; i < 5000 && (this.dispatcher.inSystem > 0 || this.#busy.size > 0); i++) {
      this.#turn(() => this.#pass(1_000_000));
      for (const replica of [...this.#busy]) this.#turn(() => this.#finish(replica));
    }
  }

  /** Replicas that no worker runs although nobody scales. */
  get forgotten(): number {
    return JSON.stringify(this.used.at(-1) ?? "").includes("scaling") ? 0 : this.#off.size;
  }

  #made(document: SchedulerDocument) {
    const scheduler = createScheduler(document, this.#system, "1", this.#own);
    this.#poolLimit = scheduler.pools[0].batching.maxBatch;
    return scheduler;
  }

  #use(document: SchedulerDocument): void {
    const before = this.dispatcher;
    const next = new Dispatcher(this.#system, this.#made(document), this, this.log, before);
    next.takeOver(before, this.used.length, this.#nowUs);
    this.used.push(document);
    this.dispatcher = next;
  }

  #batching(replica: number, maxBatch: number, waitUs: number): void {
    this.dispatcher.setBatching(replica, maxBatch, waitUs, this.#nowUs);
    if (maxBatch === 0) this.#limits.delete(replica);
    else this.#limits.set(replica, maxBatch);
  }

  #finish(replica: number): void {
    this.#busy.delete(replica);
    this.dispatcher.finish(replica, this.#nowUs);
  }

  #pass(us: number): void {
    this.#nowUs += us;
    for (const replica of this.#ordered) {
      this.#ordered.delete(replica);
      this.#off.delete(replica);
      this.#join(replica);
    }
    for (const [timer, atUs] of [...this.#timers]) {
      if (atUs > this.#nowUs) continue;
      this.#timers.delete(timer);
      this.dispatcher.wake(timer, this.#nowUs);
    }
  }

  #lose(replica: number): void {
    this.#up.delete(replica);
    this.#busy.delete(replica);
    this.dispatcher.lose(replica, this.#nowUs);
  }

  #join(replica: number): void {
    if (this.#up.has(replica) || this.#off.has(replica)) return;
    this.#up.add(replica);
    this.dispatcher.join(replica, this.#nowUs);
  }
}

const tasks = { a: { model: "model" }, b: { model: "model", after: ["a"] } };
const system = systemOf(documentOf({ pipelines: { p: { tasks } }, replicas: { a: 3, b: 2 } }));

test("every request ends once, no replica does two things, and the log replays", () => {
  fc.assert(
    fc.property(fc.constantFrom(...SCHEDULERS), steps, (first, todo) => {
      const cluster = new Cluster(system, first);
      for (const step of todo) cluster.step(step);
      cluster.settle();
      expect(cluster.dispatcher.inSystem).toBe(0);
      expect(cluster.ended).toBe(cluster.arrivals);
      if (cluster.used.length > 0) expect(cluster.forgotten).toBe(0);
      const made = (document: SchedulerDocument) => createScheduler(document, system, "1");
      const logged = RunLog.parse(cluster.log.toJsonLines());
      const { divergence } = replayLog(system, made(first), logged, cluster.used.map(made));
      expect(divergence).toBeNull();
    }),
    { numRuns: 300 },
  );
});

test("a replica with a batching of its own waits while others start at once", () => {
  const cluster = new Cluster(system, "fifo");
  // Replica 0 batches up to 4 jobs, for 20 µs.
  cluster.step({ kind: "batching", pick: 20 });
  for (let i = 0; i < 3; i++) cluster.step({ kind: "arrive", pick: 0 });
  expect([...cluster.dispatcher.batchSize]).toEqual([0, 1, 1, 0, 0]);
  for (let i = 0; i < 3; i++) cluster.step({ kind: "arrive", pick: 0 });
  expect([...cluster.dispatcher.batchSize]).toEqual([4, 1, 1, 0, 0]);
});

test("a scheduler that scales releases what it does not need when it takes over", () => {
  const cluster = new Cluster(system, "fifo");
  const scaling = SCHEDULERS.findIndex((one) => JSON.stringify(one).startsWith('{"scaling"'));
  cluster.step({ kind: "scheduler", pick: scaling });
  expect(system.replicas.map((_, replica) => cluster.dispatcher.isUp(replica))).toEqual([
    ...[true, false, false],
    ...[true, false],
  ]);
  cluster.step({ kind: "scheduler", pick: 0 });
  cluster.step({ kind: "time", pick: 1 });
  expect(system.replicas.every((_, replica) => cluster.dispatcher.isUp(replica))).toBe(true);
});

const FILE = "./own.mjs";
const GROUP = { kind: "group", maxBatch: 3, size: () => 1, dueUs: () => 1e9 };
const HEARS = { pools: [], scales: [], timers: 0 };
type Fail = () => undefined;

/** By the place that fails: a composition that calls `fail` there, and serves all else. */
const FAILING: Readonly<Record<string, (fail: Fail) => Readonly<Record<string, unknown>>>> = {
  "admission, admit": (fail) => ({
    admission: { dropsLate: false, admit: () => fail() === undefined },
  }),
  "ordering, key": (fail) => ({ ordering: { kind: "keyed", key: () => fail() ?? 0 } }),
  "ordering, taken": (fail) => ({ ordering: { kind: "keyed", key: () => 0, taken: fail } }),
  "batching, size": (fail) => ({ batching: { ...GROUP, size: () => fail() ?? 1 } }),
  "batching, ended": (fail) => ({ batching: { ...GROUP, ended: fail } }),
  shedding: (fail) => ({ shedding: () => fail() !== undefined }),
  "controller, waits": (fail) => ({ controller: { ...HEARS, waits: fail } }),
  "controller, finished": (fail) => ({ controller: { ...HEARS, finished: fail } }),
  "controller, decide": (fail) => ({
    controller: {
      ...HEARS,
      pools: [0, 1],
      decide: (view: ClusterView, act: Controls) => {
        for (const [replica, { pool }] of system.replicas.entries()) {
          const isIdle = view.isUp(replica) && view.running(replica) === 0;
          if (isIdle && view.queue(pool).length > 0) act.startNext(replica, 1);
          fail();
        }
      },
    },
  }),
};

test.each(Object.entries(FAILING))(
  "a scheduler of the user that fails in %s leaves nothing behind, and its log replays",
  (_, policiesOf) => {
    const calm = steps.map((run) => run.filter(({ kind }) => kind !== "scheduler"));
    let failures = 0;
    fc.assert(
      fc.property(fc.nat(30), calm, (after, todo) => {
        const own = failingAfter(after, policiesOf);
        const cluster = new Cluster(system, { file: FILE }, own);
        for (const step of todo) cluster.step(step);
        cluster.settle();
        expect(cluster.ended).toBe(cluster.arrivals);
        expect(cluster.dispatcher.inSystem).toBe(0);
        const made = (document: SchedulerDocument) => createScheduler(document, system, "1", own);
        const logged = RunLog.parse(cluster.log.toJsonLines());
        const others = cluster.used.map(made);
        const { divergence, failure } = replayLog(system, made({ file: FILE }), logged, others);
        expect(divergence).toBeNull();
        expect(failure !== null).toBe(cluster.used.length > 0);
        failures += cluster.used.length;
      }),
      { numRuns: 25 },
    );
    expect(failures).toBeGreaterThan(0);
  },
);

/** A file whose policies each fail at their call of that number, in every run anew. */
function failingAfter(after: number, policiesOf: (typeof FAILING)[string]): OwnSchedulers {
  const decisions = Object.keys(policiesOf(() => undefined));
  const entries = decisions.map((decision) => {
    const create = () => {
      let calls = 0;
      const fail: Fail = () => {
        if (calls++ >= after) throw new Error("boo");
      };
      return policiesOf(fail)[decision];
    };
    return [decision, { name: "failing", parameters: z.strictObject({}), create }];
  });
  const made = ownScheduler(FILE, () => Object.fromEntries(entries) as OwnComposition);
  return new Map([[FILE, made]]);
}

test("a log of a failure that does not come again, or earlier, differs there", () => {
  const ordering = FAILING["ordering, key"];
  const arrivals = Array.from({ length: 8 }, () => ({ kind: "arrive", pick: 0 }) as const);
  const replayed = (failsAt: number, replaysAt: number) => {
    const cluster = new Cluster(system, { file: FILE }, failingAfter(failsAt, ordering));
    for (const step of arrivals) cluster.step(step);
    const other = failingAfter(replaysAt, ordering);
    const scheduler = createScheduler({ file: FILE }, system, "1", other);
    const fifo = createScheduler("fifo", system, "1");
    return replayLog(system, scheduler, cluster.log, [fifo]).divergence;
  };
  expect(replayed(3, 3)).toBeNull();
  expect(replayed(3, 99)).toMatchObject({ logged: '["failed",4]' });
  expect(replayed(3, 1)).toMatchObject({ replayed: '["failed",2]' });
  expect(replayed(99, 3)).toMatchObject({ replayed: '["failed",4]' });
});
