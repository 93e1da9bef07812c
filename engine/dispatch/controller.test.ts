/** Each command of a controller does what it says, and its run's log replays. */
import { describe, expect, test } from "vitest";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { replayLog } from "../record/replay.ts";
import type { System } from "../system/system.ts";
import type { AskingControls, BatchEnd, Controller, Controls } from "./controller.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Driver, Outcome } from "./driver.ts";
import type { Batching, Scheduler } from "./policies.ts";
import { RunLog } from "./run-log.ts";

const m = { model: "m" };
const SERVICE = { distribution: "deterministic", meanMs: 1, batch: { max: 4 } };

interface Setup {
  readonly tasks?: Readonly<Record<string, unknown>>;
  readonly replicas?: Readonly<Record<string, number>>;
  /** Whether the driver stops a batch, and whether its model can be stopped. */
  readonly stops?: boolean;
  readonly isStoppable?: boolean;
  /** In place of single jobs and a controller. */
  readonly batching?: () => Batching;
}

/** Writes down the commands, in words: `start 0: 1.a`, and replays the log at the end. */
class Bench implements Driver {
  readonly system: System;
  dispatcher: Dispatcher;
  readonly lines: string[] = [];
  readonly log = new RunLog();
  readonly cluster: NonNullable<Driver["cluster"]>;
  nowUs = 0;
  readonly #make: () => Controller;
  readonly #batching: (() => Batching) | undefined;

  constructor(make: () => Controller, setup: Setup = {}) {
    const { tasks, replicas, stops, isStoppable = true, batching } = setup;
    this.#make = make;
    this.#batching = batching;
    this.system = compileSystem(
      scenarioSchema.parse({
        name: "bench",
        pipelines: { p: { tasks: tasks ?? { a: m } } },
        models: {
          m: { service: SERVICE, stoppable: isStoppable },
          better: { service: SERVICE, accuracy: 0.9 },
          worse: { service: SERVICE, accuracy: 0.8 },
        },
        cluster: { replicas: replicas ?? { a: 2 } },
        workload: { arrivals: "burst", requests: 1 },
      }),
      { profiles: {} },
    );
    this.cluster = {
      order: (replica) => this.lines.push(`order ${replica}`),
      release: (replica) => this.lines.push(`release ${replica}`),
      abort: () => stops ?? true,
      load: (slot, model) => this.lines.push(`load ${model} on ${slot}`),
      evict: (slot, model) => this.lines.push(`evict ${model} from ${slot}`),
      ask: (controller, problem, atUs) => {
        const { least } = problem as { readonly least: readonly number[] };
        this.lines.push(`ask ${controller}: ${JSON.stringify(least)} at ${atUs}`);
      },
    };
    this.dispatcher = new Dispatcher(this.system, this.scheduler(), this, this.log);
    for (const replica of this.system.replicas.keys()) this.dispatcher.join(replica, 0);
    this.dispatcher.begin(0);
    this.dispatcher.decide(0);
  }

  scheduler(): Scheduler {
    const pools = this.system.pools.map(() => ({
      routing: { kind: "central", idle: "longest-idle" } as const,
      ordering: { kind: "fifo" } as const,
      batching: this.#batching?.() ?? ({ kind: "single", maxBatch: 1 } as const),
    }));
    const admission = { admit: () => true, dropsLate: false };
    const controllers = this.#batching === undefined ? [this.#make()] : [];
    return { name: "bench", admission, pools, controllers };
  }

  start(replica: number): void {
    const { batchJobs, batchAt, batchSize } = this.dispatcher;
    const at = batchAt[replica];
    const jobs = Array.from(batchJobs.subarray(at, at + batchSize[replica]));
    this.lines.push(`start ${replica}: ${jobs.map((job) => this.#named(job)).join(" ")}`);
  }

  wakeAt(timer: number, atUs: number): void {
    this.lines.push(`wake ${timer} at ${atUs}`);
  }

  end(request: number, outcome: Outcome): void {
    this.lines.push(`end ${this.dispatcher.requests.serial[request]} ${outcome}`);
  }

  goalUs(): number {
    return Number.POSITIVE_INFINITY;
  }

  holds(): boolean {
    return true;
  }

  arrive(count = 1): this {
    const { dispatcher } = this;
    this.nowUs += 10;
    for (let i = 0; i < count; i++) {
      dispatcher.arrive(dispatcher.requests.reserve(), 0, this.nowUs, this.nowUs);
    }
    dispatcher.decide(this.nowUs);
    return this;
  }

  finish(replica: number): this {
    this.nowUs += 10;
    this.dispatcher.finish(replica, this.nowUs);
    this.dispatcher.decide(this.nowUs);
    return this;
  }

  /** The commands so far; the log of the run replays to the same. */
  said(): string[] {
    expect(replayLog(this.system, this.scheduler(), this.log).divergence).toBeNull();
    return this.lines.splice(0);
  }

  #named(job: number): string {
    const { requests } = this.dispatcher;
    const request = requests.requestOf(job);
    const { tasks } = this.system.pipelines[0];
    return `${requests.serial[request]}.${tasks[requests.taskOf(job)].name}`;
  }
}

const IDLE: Controller = {};
const placing = (own: Partial<Controller>): Controller => ({ pools: [0], ...own });

test("a controller that only decides does so when its timer is due, and keeps the ends that it heard", () => {
  const ends: BatchEnd[] = [];
  const bench = new Bench(() => ({
    pools: [0],
    timers: 1,
    begin: (_view, act) => act.wakeAt(0, 50),
    finished: (end) => void ends.push(end),
    decide: (view, act) => {
      if (view.nowUs >= 50 && view.queue(0).length > 0) act.startNext(0, 1);
    },
  })).arrive(2);
  expect(bench.said()).toHaveLength(1);
  bench.dispatcher.wake(bench.dispatcher.timerCount - 1, 50);
  expect(bench.said()).toEqual(["start 0: 0.a"]);
  bench.nowUs = 50;
  bench.finish(0).finish(0);
  expect(ends.map(({ nowUs }) => nowUs)).toEqual([60, 70]);
});

describe("a controller that places jobs", () => {
  test("starts any that wait, in batches of its own", () => {
    const decide: Controller["decide"] = (view, act) => {
      const jobs = view.jobsIn(0).toReversed();
      if (jobs.length > 1 && view.running(1) === 0) act.start(1, jobs);
    };
    const bench = new Bench(() => placing({ decide })).arrive(1).arrive(2);
    expect(bench.said()).toEqual(["start 1: 2.a 1.a 0.a"]);
  });

  test("starts the next ones, no more than a replica takes, and only on idle ones", () => {
    const decide: Controller["decide"] = (view, act) => {
      if (view.queue(0).length > 0) act.startNext(0, 9);
    };
    const bench = new Bench(() => placing({ decide })).arrive(4);
    expect(bench.said()).toEqual(["start 0: 0.a 1.a 2.a 3.a"]);
    expect(() => bench.arrive(1)).toThrow(/idle/);
    expect(() => new Bench(() => placing({ decide })).arrive(5)).toThrow(/fits/);
  });

  test("steals what waits at another replica", () => {
    const decide: Controller["decide"] = (view, act) => {
      for (const job of view.jobsIn(0)) act.assign(job, 0);
      if (view.running(0) > 0 && view.running(1) === 0 && view.queueAt(0).length > 0) {
        act.assign(view.queueAt(0).next.job, 1);
      }
    };
    const bench = new Bench(() => placing({ decide })).arrive(3);
    expect(bench.said()).toEqual(["start 0: 0.a"]);
    expect(bench.arrive(1).said()).toEqual(["start 1: 1.a"]);
  });

  test("drops a job with its request", () => {
    const decide: Controller["decide"] = (view, act) => {
      for (const job of view.jobsIn(0)) act.drop(job);
    };
    expect(new Bench(() => placing({ decide })).arrive(2).said()).toEqual([
      "end 0 dropped",
      "end 1 dropped",
    ]);
  });

  test("pre-empts a batch, whose jobs wait again before later ones", () => {
    const decide: Controller["decide"] = (view, act) => {
      const waiting = view.queue(0).length;
      if (view.running(0) === 1 && waiting === 3) act.preempt(0);
      if (view.running(0) === 0 && waiting > 0) act.startNext(0, 4);
    };
    const make = () => placing({ decide, preempts: true });
    expect(new Bench(make).arrive(1).arrive(3).said()).toEqual([
      "start 0: 0.a",
      "start 0: 0.a 1.a 2.a 3.a",
    ]);
    for (const setup of [{ stops: false }, { isStoppable: false }]) {
      const stubborn = new Bench(make, setup).arrive(1).arrive(3);
      expect(stubborn.said()).toEqual(["start 0: 0.a"]);
      expect(stubborn.finish(0).said()).toEqual(["end 0 completed", "start 0: 1.a 2.a 3.a"]);
    }
  });

  test.each<[string, (job: number, act: Controls) => void, RegExp]>([
    ["starts a job twice", (job, act) => act.start(0, [job, job]), /once/],
    ["starts a job of another pool", (job, act) => act.start(1, [job]), /of its pool/],
    ["assigns a job to another pool", (job, act) => act.assign(job, 1), /of its pool/],
    ["starts one that does not wait", (job, act) => act.start(0, [job, 77]), /waits/],
  ])("that %s fails, and its job waits on", (_, nonsense, message) => {
    const tasks = { a: m, b: { model: "m", after: ["a"] } };
    const decide: Controller["decide"] = (view, act) => {
      for (const job of view.jobsIn(0)) nonsense(job, act);
    };
    const make = () => placing({ decide, pools: [0, 1] });
    const bench = new Bench(make, { tasks, replicas: { a: 1, b: 1 } });
    expect(() => bench.arrive(1)).toThrow(message);
    expect(bench.dispatcher.waiting(0)[0]).toBe(1);
  });

  test("hears a released replica leave with the batch that it takes off it", () => {
    const heard: string[] = [];
    const decide: Controller["decide"] = (view, act) => {
      if (view.queue(0).length === 0) return;
      if (view.standing(0) === "ordered" && view.running(0) === 0) act.startNext(0, 1);
      else if (view.standing(0) === "ordered") act.release(0);
      else if (view.running(0) > 0) act.preempt(0);
      else if (view.running(1) === 0) act.startNext(1, 4);
    };
    const make = () =>
      placing({
        decide,
        scales: [0],
        preempts: true,
        changed: (replica, state) => heard.push(`${replica} ${state}`),
      });
    const bench = new Bench(make).arrive(1);
    heard.length = 0;
    bench.arrive(1);
    expect(heard).toEqual(["0 down", "0 left"]);
    expect(bench.said()).toEqual(["start 0: 0.a", "release 0", "start 1: 0.a 1.a"]);
    expect(bench.dispatcher.standing(0)).toBe("off");
  });
});

describe("a controller beside the rules", () => {
  test("keeps requests at its gate, and lets them in one by one", () => {
    const make = (): Controller => {
      const outside: number[] = [];
      let inside = 0;
      return {
        ...IDLE,
        waits: (request) => outside.push(request) > 0,
        ended: () => {
          inside--;
        },
        decide: (_, act) => {
          for (; inside === 0 && outside.length > 0; inside++) act.enter(outside.shift() as number);
        },
      };
    };
    const bench = new Bench(make).arrive(2);
    expect(bench.said()).toEqual(["start 0: 0.a"]);
    expect(bench.finish(0).said()).toEqual(["end 0 completed", "start 1: 1.a"]);
  });

  test("leaves nobody at its gate when another scheduler takes over", () => {
    const make = (): Controller => ({ ...IDLE, waits: () => true });
    const bench = new Bench(make).arrive(3);
    expect(bench.said()).toEqual([]);
    const { system, log } = bench;
    const rules = { ...bench.scheduler(), controllers: [] };
    const next = new Dispatcher(system, rules, bench, log, bench.dispatcher);
    next.takeOver(bench.dispatcher, 0, 20);
    bench.dispatcher = next;
    next.decide(20);
    expect(bench.lines.splice(0)).toEqual(["start 0: 0.a", "start 1: 1.a"]);
    expect(bench.finish(0).lines).toEqual(["end 0 completed", "start 0: 2.a"]);
    expect(replayLog(system, bench.scheduler(), log, [rules]).divergence).toBeNull();
  });

  test.each([
    ["with what has run", 1, [true]],
    ["with the first that runs", 0, [false]],
  ])("lets a join proceed %s, once", (_, ends, expected) => {
    const tasks = { a: m, b: m, c: { model: "m", after: ["a", "b"] } };
    const setup = { tasks, replicas: { a: 1, b: 1, c: 1 } };
    const starts: boolean[] = [];
    const make = (): Controller => {
      let [asked, isThere] = [false, false];
      let heard = 0;
      return {
        ...IDLE,
        arrived: () => {
          isThere = true;
        },
        finished: () => {
          heard++;
        },
        decide: (_, act) => {
          if (asked || !isThere || heard < ends) return;
          asked = true;
          starts.push(act.proceed(0, 2));
        },
      };
    };
    const bench = new Bench(make, setup).arrive(1);
    bench.lines.length = 0;
    expect(bench.finish(0).lines).toEqual(["start 2: 0.c"]);
    expect(starts).toEqual(expected);
    bench.finish(2).finish(1);
    expect(bench.said()).toEqual(["start 2: 0.c", "end 0 completed"]);
    // The slot is used again, and its join waits for both.
    bench.arrive(1).finish(0);
    expect(bench.lines).not.toContain("start 2: 1.c");
    bench.finish(1);
    expect(bench.said()).toContain("start 2: 1.c");
  });

  test.each([
    ["a predecessor that runs", { a: 1, b: 1, c: 1 }, 1],
    ["one that waits behind it", { a: 2, b: 1, c: 2 }, 2],
  ])("imputes the answer of %s, whose own comes for nobody", (_, replicas, requests) => {
    const tasks = { a: m, b: m, c: { model: "m", after: ["a", "b"] } };
    const last = requests - 1;
    const make = (): Controller => {
      let heard = 0;
      let asked = false;
      return {
        ...IDLE,
        imputes: true,
        finished: () => {
          heard++;
        },
        decide: (_view, act) => {
          if (heard < requests || asked) return;
          asked = true;
          expect(act.proceed(last, 2, true)).toBe(true);
        },
      };
    };
    const bench = new Bench(make, { tasks, replicas }).arrive(requests);
    const joins = requests === 1 ? 2 : 3;
    for (let replica = 0; replica < requests; replica++) bench.finish(replica);
    expect(bench.lines.at(-1)).toBe(`start ${joins}: ${last}.c`);
    expect(bench.dispatcher.answers.of(last).imputed).toBe(1);
    bench.finish(joins);
    expect(bench.lines.at(-1)).toBe(`end ${last} completed`);
    // The straggler is still on its replica. Its end frees the slot, and the next request ignores its answer.
    bench.finish(requests);
    const before = bench.lines.length;
    bench.arrive(1);
    expect(
      bench
        .said()
        .slice(before)
        .filter((line) => line.startsWith("end")),
    ).toEqual([]);
  });

  test("imputes the rest once the first predecessor has run, where none had at the deadline", () => {
    const tasks = { a: m, b: m, c: { model: "m", after: ["a", "b"] } };
    const make = (): Controller => {
      let [asked, isThere] = [false, false];
      return {
        ...IDLE,
        imputes: true,
        arrived: () => {
          isThere = true;
        },
        decide: (_, act) => {
          if (asked || !isThere) return;
          asked = true;
          expect(act.proceed(0, 2, true)).toBe(false);
        },
      };
    };
    const bench = new Bench(make, { tasks, replicas: { a: 1, b: 1, c: 1 } }).arrive(1);
    bench.lines.length = 0;
    expect(bench.finish(1).lines).toEqual(["start 2: 0.c"]);
    expect(bench.dispatcher.answers.of(0).imputed).toBe(1);
    expect(bench.finish(2).finish(0).said()).toEqual(["start 2: 0.c", "end 0 completed"]);
  });

  test("hears ends of batches", () => {
    const heard: object[] = [];
    const make = (): Controller => ({ ...IDLE, finished: (end) => void heard.push({ ...end }) });
    const bench = new Bench(make, { replicas: { a: 1 } }).arrive(4);
    bench.finish(0).finish(0);
    const end = { replica: 0, pool: 0, size: 1, startedUs: 10, nowUs: 20, expectedUs: 1000 };
    expect(heard[0]).toEqual({ ...end, fate: "ran" });
  });

  test("is not needed by a batching rule that hears of its pool's batches", () => {
    const adaptive = (): Batching => {
      let most = 1;
      return {
        kind: "group",
        maxBatch: 4,
        dueUs: () => Number.POSITIVE_INFINITY,
        size: ({ length }) => Math.min(length, most),
        ended: ({ pool, nowUs, startedUs, fate }) => {
          expect([pool, nowUs - startedUs, fate]).toEqual([0, 10, "ran"]);
          most++;
        },
      };
    };
    const bench = new Bench(() => IDLE, { replicas: { a: 1 }, batching: adaptive }).arrive(6);
    bench.finish(0).finish(0);
    const starts = bench.said().filter((line) => line.startsWith("start"));
    expect(starts).toEqual(["start 0: 0.a", "start 0: 1.a 2.a", "start 0: 3.a 4.a 5.a"]);
  });

  test("is woken by timers of its own, and orders, releases, loads and evicts", () => {
    const make = (): Controller => ({
      ...IDLE,
      scales: [0],
      timers: 2,
      begin: ({ nowUs }, act) => act.wakeAt(1, nowUs + 5),
      woken: (timer, view, act) => {
        act.setReplicas(0, timer);
        act.load(0, 0);
        expect(view.residency(0, 0)).toBe("loading");
        act.evict(0, 0);
      },
    });
    const bench = new Bench(make);
    // A timer for the pool and for each replica comes before.
    expect(bench.said()).toEqual(["wake 4 at 5"]);
    bench.dispatcher.wake(4, 5);
    bench.dispatcher.residency(0, 0, "absent", 5);
    bench.dispatcher.decide(5);
    expect(bench.said()).toEqual(["release 1", "load 0 on 0", "evict 0 from 0"]);
    expect(bench.dispatcher.standing(1)).toBe("off");
  });

  test("asks, and hears the solution as an event, with which its log replays", () => {
    const make = (): Controller => ({
      ...IDLE,
      scales: [0],
      begin: ({ nowUs }, act) => (act as AskingControls).ask({ least: [nowUs, 2] }, nowUs + 7),
      solved: ([count], view, act) => {
        act.setReplicas(0, count ?? view.orderedOf(0));
      },
    });
    const bench = new Bench(make);
    expect(bench.said()).toEqual(["ask 0: [0,2] at 7"]);
    bench.dispatcher.solved(0, [1], 7);
    bench.dispatcher.decide(7);
    expect(bench.said()).toEqual(["release 1"]);
    bench.dispatcher.solved(0, [], 8);
    // Nobody has this number.
    bench.dispatcher.solved(1, [2], 9);
    bench.dispatcher.decide(9);
    expect(bench.said()).toEqual([]);
    // The problem itself is in the log by its digest.
    const other: Controller = { ...make(), begin: (_, act) => (act as AskingControls).ask({}, 7) };
    expect(
      replayLog(bench.system, { ...bench.scheduler(), controllers: [other] }, bench.log),
    ).toEqual(expect.objectContaining({ divergence: expect.objectContaining({ at: 3 }) }));
  });

  test("cannot place the jobs of a pool that is not its own", () => {
    const decide: Controller["decide"] = (_, act) => act.startNext(1, 1);
    expect(() => new Bench(() => ({ ...IDLE, decide })).arrive(2)).toThrow();
  });
});
