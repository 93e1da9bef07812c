import { describe, expect, test } from "vitest";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import type { JobView } from "./controller.ts";
import { Dispatcher } from "./dispatcher.ts";
import type { Driver, Outcome } from "./driver.ts";
import type { Admission, Batching, PoolPolicies, Scheduler } from "./policies.ts";
import { JOB } from "./request-table.ts";

const ONE: Batching = { kind: "single", maxBatch: 1 };
const CENTRAL: PoolPolicies = {
  routing: { kind: "central", idle: "longest-idle" },
  ordering: { kind: "fifo" },
  batching: ONE,
};
const SHORTEST: PoolPolicies = {
  ...CENTRAL,
  routing: { kind: "immediate", needs: "length", route: (pool) => pool.leastLoaded() },
};
const ALL: Admission = { admit: () => true, dropsLate: false };

interface Setup {
  readonly tasks: Readonly<Record<string, unknown>>;
  readonly replicas?: Readonly<Record<string, number>>;
  readonly pool?: PoolPolicies;
  readonly admission?: Admission;
  readonly held?: boolean;
  readonly sloMs?: number;
  /** By the request's number, µs; none without. */
  readonly goalsUs?: readonly number[];
}

/** Writes down what the dispatcher commands, in words: `start b-1: 0.b`, `end 0 completed`. */
class Bench implements Driver {
  readonly dispatcher: Dispatcher;
  readonly lines: string[] = [];
  readonly timers = new Map<number, number>();
  /** Tasks that are skipped, as `serial.task`. */
  readonly skips = new Set<string>();
  readonly #goalsUs: readonly number[];
  nowUs = 0;
  readonly #slots: number[] = [];

  constructor(setup: Setup) {
    const names = Object.keys(setup.tasks);
    const replicas = setup.replicas ?? Object.fromEntries(names.map((name) => [name, 1]));
    const slo = setup.sloMs === undefined ? {} : { slo: { latencyMs: setup.sloMs } };
    const deadline = setup.goalsUs === undefined ? {} : { deadlineMs: 1 };
    this.#goalsUs = setup.goalsUs ?? [];
    const discipline = setup.held === true ? "pipeline-held" : "per-task";
    const system = compileSystem(
      scenarioSchema.parse({
        name: "bench",
        pipelines: { p: { ...slo, ...deadline, discipline, tasks: setup.tasks } },
        models: { m: { service: { distribution: "deterministic", meanMs: 1 } } },
        cluster: { replicas },
        workload: { arrivals: "burst", requests: 1 },
      }),
      { profiles: {} },
    );
    const pools = system.pools.map(() => setup.pool ?? CENTRAL);
    const scheduler: Scheduler = { name: "bench", admission: setup.admission ?? ALL, pools };
    this.dispatcher = new Dispatcher(system, scheduler, this);
    for (let replica = 0; replica < system.replicas.length; replica++) {
      this.dispatcher.join(replica, 0);
    }
  }

  start(replica: number): void {
    const { batchJobs, batchAt, batchSize, system } = this.dispatcher;
    const at = batchAt[replica];
    const jobs = Array.from(batchJobs.subarray(at, at + batchSize[replica]));
    const words = jobs.map((job) => this.#jobName(job));
    this.lines.push(`start ${system.replicas[replica].name}: ${words.join(" ")}`);
  }

  goalUs(slot: number): number {
    return this.#goalsUs[this.dispatcher.requests.serial[slot]];
  }

  wakeAt(timer: number, atUs: number): void {
    this.timers.set(timer, atUs);
  }

  end(slot: number, outcome: Outcome): void {
    this.lines.push(`end ${this.dispatcher.requests.serial[slot]} ${outcome}`);
  }

  holds(slot: number, task: number): boolean {
    return !this.skips.has(this.#jobName(slot * this.dispatcher.requests.stride + task));
  }

  /** All at one instant, before the dispatcher decides. */
  arrive(count = 1): void {
    for (let i = 0; i < count; i++) {
      const slot = this.dispatcher.requests.reserve();
      this.#slots.push(slot);
      this.dispatcher.arrive(slot, 0, this.nowUs, this.nowUs);
    }
    this.dispatcher.decide(this.nowUs);
  }

  finish(...names: string[]): void {
    for (const name of names) this.dispatcher.finish(this.#replica(name), this.nowUs);
    this.dispatcher.decide(this.nowUs);
  }

  lose(name: string): void {
    this.dispatcher.lose(this.#replica(name), this.nowUs);
    this.dispatcher.decide(this.nowUs);
  }

  join(name: string): void {
    this.dispatcher.join(this.#replica(name), this.nowUs);
    this.dispatcher.decide(this.nowUs);
  }

  drain(name: string): void {
    this.dispatcher.drain(this.#replica(name), this.nowUs);
    this.dispatcher.decide(this.nowUs);
  }

  cancel(serial: number): void {
    this.dispatcher.cancel(this.#slots[serial], "cancelled", this.nowUs);
    this.dispatcher.decide(this.nowUs);
  }

  /** The commands since the last call. */
  said(): string[] {
    return this.lines.splice(0);
  }

  slotOf(serial: number): number {
    return this.#slots[serial];
  }

  #replica(name: string): number {
    return this.dispatcher.system.replicas.findIndex((replica) => replica.name === name);
  }

  #jobName(job: number): string {
    const { requests, system } = this.dispatcher;
    const serial = requests.serial[requests.requestOf(job)];
    return `${serial}.${system.pipelines[0].tasks[requests.taskOf(job)].name}`;
  }
}

const m = { model: "m" };

describe("a join", () => {
  const fork = (join: unknown) => ({
    a: m,
    b: m,
    c: m,
    end: { model: "m", after: ["a", "b", "c"], join },
  });

  test("of all waits for the last", () => {
    const bench = new Bench({ tasks: fork("all") });
    bench.arrive();
    bench.said();
    bench.finish("a-1", "c-1");
    expect(bench.said()).toEqual([]);
    bench.finish("b-1");
    expect(bench.said()).toEqual(["start end-1: 0.end"]);
    bench.finish("end-1");
    expect(bench.said()).toEqual(["end 0 completed"]);
  });

  test("of the first goes on with it, starts once, and gives up what still waits", () => {
    const bench = new Bench({ tasks: fork("first") });
    bench.arrive(2);
    bench.said();
    bench.finish("b-1");
    expect(bench.said()).toEqual(["start b-1: 1.b", "start end-1: 0.end"].reverse());
    bench.finish("a-1");
    expect(bench.said(), "the second input starts nothing new").toEqual(["start a-1: 1.a"]);
    bench.finish("end-1");
    expect(bench.said()).toEqual(["end 0 completed"]);
    // c of request 0 was running: its replica is free for request 1 once it is through.
    bench.finish("c-1");
    expect(bench.said()).toEqual(["start c-1: 1.c"]);
  });

  test("of at least two goes on with the second", () => {
    const bench = new Bench({ tasks: fork({ atLeast: 2 }) });
    bench.arrive();
    bench.said();
    bench.finish("c-1");
    expect(bench.said()).toEqual([]);
    bench.finish("a-1");
    expect(bench.said()).toEqual(["start end-1: 0.end"]);
  });

  test("counts only inputs that ran, but goes on with fewer once all have ended", () => {
    const bench = new Bench({ tasks: fork({ atLeast: 2 }) });
    bench.skips.add("0.a").add("0.b");
    bench.arrive();
    bench.said();
    bench.finish("c-1");
    expect(bench.said()).toEqual(["start end-1: 0.end"]);
  });

  test("takes more inputs than a byte counts", () => {
    const names = Array.from({ length: 300 }, (_, i) => `t${i}`);
    const inputs = Object.fromEntries(names.map((name) => [name, m]));
    const bench = new Bench({ tasks: { ...inputs, end: { model: "m", after: names } } });
    bench.arrive();
    bench.said();
    bench.finish(...names.slice(1).map((name) => `${name}-1`));
    expect(bench.said()).toEqual([]);
    bench.finish("t0-1");
    expect(bench.said()).toEqual(["start end-1: 0.end"]);
  });
});

describe("a skip", () => {
  const diamond = {
    a: m,
    b: { model: "m", after: ["a"] },
    c: { model: "m", after: ["a"] },
    d: { model: "m", after: ["b"] },
    e: { model: "m", after: ["c", "d"] },
  };

  test("spreads to what comes only after it", () => {
    const bench = new Bench({ tasks: diamond });
    bench.skips.add("0.b");
    bench.arrive();
    bench.finish("a-1");
    bench.finish("c-1");
    bench.finish("e-1");
    const starts = ["start a-1: 0.a", "start c-1: 0.c", "start e-1: 0.e"];
    expect(bench.said()).toEqual([...starts, "end 0 completed"]);
  });

  test("of everything that is left ends the request", () => {
    const bench = new Bench({ tasks: diamond });
    bench.skips.add("0.b").add("0.c");
    bench.arrive();
    bench.finish("a-1");
    expect(bench.said()).toEqual(["start a-1: 0.a", "end 0 completed"]);
  });

  test("of the only task ends the request at its arrival", () => {
    const bench = new Bench({ tasks: { a: m } });
    bench.skips.add("0.a");
    bench.arrive();
    expect(bench.said()).toEqual(["end 0 completed"]);
    expect(bench.dispatcher.inSystem).toBe(0);
  });
});

describe("a cancelled request", () => {
  test("that waits in a central queue leaves it", () => {
    const bench = new Bench({ tasks: { a: m } });
    bench.arrive(3);
    bench.cancel(1);
    bench.finish("a-1");
    expect(bench.said()).toEqual([
      "start a-1: 0.a",
      "end 1 cancelled",
      "end 0 completed",
      "start a-1: 2.a",
    ]);
  });

  test("that waits at a replica leaves its queue, and the load is less by one", () => {
    const bench = new Bench({ tasks: { a: m }, replicas: { a: 2 }, pool: SHORTEST });
    bench.arrive(4);
    bench.said();
    bench.cancel(3);
    expect(bench.said()).toEqual(["end 3 cancelled"]);
    bench.arrive();
    bench.finish("a-2");
    expect(bench.said()).toEqual(["end 1 completed", "start a-2: 4.a"]);
  });

  test("that runs keeps its replica until the batch is through, and ends only once", () => {
    const bench = new Bench({ tasks: { a: m, b: { model: "m", after: ["a"] } } });
    bench.arrive(2);
    bench.cancel(0);
    bench.cancel(0);
    expect(bench.said()).toEqual(["start a-1: 0.a", "end 0 cancelled"]);
    bench.finish("a-1");
    expect(bench.said()).toEqual(["start a-1: 1.a"]);
  });

  test("whose replica is lost is not started again", () => {
    const bench = new Bench({ tasks: { a: m }, replicas: { a: 2 } });
    bench.arrive();
    bench.cancel(0);
    bench.said();
    bench.lose("a-1");
    expect(bench.said()).toEqual([]);
  });

  test("that waits for a chain leaves the gate", () => {
    const bench = new Bench({ tasks: { a: m }, held: true });
    bench.arrive(3);
    bench.cancel(1);
    bench.finish("a-1");
    const lines = ["start a-1: 0.a", "end 1 cancelled", "end 0 completed", "start a-1: 2.a"];
    expect(bench.said()).toEqual(lines);
  });

  test("that has ended, or has not arrived, is nothing to cancel", () => {
    const bench = new Bench({ tasks: { a: m } });
    bench.arrive();
    bench.finish("a-1");
    bench.said();
    bench.cancel(0);
    bench.dispatcher.cancel(63, "cancelled", 0);
    expect(bench.said()).toEqual([]);
    expect(bench.dispatcher.inSystem).toBe(0);
  });
});

describe("a lost replica", () => {
  test("has its batch tried elsewhere, before all that came later", () => {
    const bench = new Bench({ tasks: { a: m }, replicas: { a: 2 } });
    bench.arrive(2);
    bench.nowUs = 5;
    bench.arrive(2);
    bench.said();
    bench.lose("a-1");
    bench.finish("a-2");
    expect(bench.said()).toEqual(["end 1 completed", "start a-2: 0.a"]);
  });

  test("has its own queue routed again", () => {
    const bench = new Bench({ tasks: { a: m }, replicas: { a: 2 }, pool: SHORTEST });
    for (; bench.nowUs < 4; bench.nowUs++) bench.arrive();
    bench.said();
    bench.lose("a-1");
    for (let i = 0; i < 3; i++) bench.finish("a-2");
    expect(bench.said().filter((line) => line.startsWith("start"))).toEqual([
      "start a-2: 0.a",
      "start a-2: 2.a",
      "start a-2: 3.a",
    ]);
  });

  test("takes work again once it has joined", () => {
    const bench = new Bench({ tasks: { a: m } });
    bench.arrive();
    bench.lose("a-1");
    bench.lose("a-1");
    expect(bench.said()).toEqual(["start a-1: 0.a"]);
    bench.join("a-1");
    bench.join("a-1");
    expect(bench.said()).toEqual(["start a-1: 0.a"]);
    bench.finish("a-1");
    expect(bench.said()).toEqual(["end 0 completed"]);
  });

  test("fails a job that has been lost three times", () => {
    const bench = new Bench({ tasks: { a: m } });
    bench.arrive();
    for (let i = 0; i < 3; i++) {
      bench.lose("a-1");
      bench.join("a-1");
    }
    const starts = new Array<string>(3).fill("start a-1: 0.a");
    expect(bench.said()).toEqual([...starts, "end 0 failed"]);
  });
});

describe("a draining replica", () => {
  test("ends its batch, takes nothing new, and has its own queue routed again", () => {
    const bench = new Bench({ tasks: { a: m }, replicas: { a: 2 }, pool: SHORTEST });
    for (; bench.nowUs < 4; bench.nowUs++) bench.arrive();
    bench.said();
    bench.drain("a-1");
    expect(bench.said()).toEqual([]);
    bench.finish("a-2");
    expect(bench.said()).toEqual(["end 1 completed", "start a-2: 2.a"]);
    bench.dispatcher.finish(0, bench.nowUs);
    bench.lose("a-1");
    expect(bench.said()).toEqual(["end 0 completed"]);
    bench.finish("a-2");
    expect(bench.said()).toEqual(["end 2 completed", "start a-2: 3.a"]);
  });

  test("that was idle has left at once, from a central queue too", () => {
    const bench = new Bench({ tasks: { a: m }, replicas: { a: 2 } });
    bench.drain("a-1");
    bench.arrive(2);
    expect(bench.said()).toEqual(["start a-2: 0.a"]);
    bench.join("a-1");
    expect(bench.said()).toEqual(["start a-1: 1.a"]);
  });

  test("that joins again goes on with its batch and takes new work after it", () => {
    const bench = new Bench({ tasks: { a: m } });
    bench.arrive(2);
    bench.drain("a-1");
    bench.join("a-1");
    expect(bench.said()).toEqual(["start a-1: 0.a"]);
    bench.finish("a-1");
    expect(bench.said()).toEqual(["end 0 completed", "start a-1: 1.a"]);
  });

  test("that is lost has its batch tried elsewhere", () => {
    const bench = new Bench({ tasks: { a: m }, replicas: { a: 2 } });
    bench.arrive();
    bench.drain("a-1");
    bench.lose("a-1");
    expect(bench.said()).toEqual(["start a-1: 0.a", "start a-2: 0.a"]);
    expect(bench.dispatcher.retries[0]).toBe(1);
  });
});

describe("a pipeline that holds its chain", () => {
  test("goes on with another chain when one of its replicas is lost", () => {
    const bench = new Bench({
      tasks: { a: m, b: { model: "m", after: ["a"] } },
      replicas: { a: 2, b: 2 },
      held: true,
    });
    bench.arrive(3);
    bench.finish("a-1");
    bench.said();
    bench.lose("b-1");
    expect(bench.said(), "no whole chain is free").toEqual([]);
    bench.finish("a-2");
    bench.finish("b-2");
    expect(bench.said(), "what is inside comes before what waits outside").toEqual([
      "start b-2: 1.b",
      "end 1 completed",
      "start b-2: 0.b",
    ]);
    bench.finish("b-2");
    expect(bench.said(), "the broken chain is not granted").toEqual([
      "end 0 completed",
      "start a-2: 2.a",
    ]);
  });

  test("waits for a chain to be repaired when there is no other", () => {
    const bench = new Bench({ tasks: { a: m, b: { model: "m", after: ["a"] } }, held: true });
    bench.arrive(2);
    bench.lose("b-1");
    bench.finish("a-1");
    expect(bench.said()).toEqual(["start a-1: 0.a"]);
    bench.join("b-1");
    expect(bench.said()).toEqual(["start b-1: 0.b"]);
    bench.lose("b-1");
    bench.cancel(0);
    bench.join("b-1");
    expect(bench.said()).toEqual(["end 0 cancelled", "start a-1: 1.a"]);
  });

  test("lets a request in only when one has left, with the same replicas from start to end", () => {
    const bench = new Bench({
      tasks: { a: m, b: { model: "m", after: ["a"] } },
      replicas: { a: 2, b: 2 },
      held: true,
    });
    bench.arrive(3);
    expect(bench.said().sort()).toEqual(["start a-1: 0.a", "start a-2: 1.a"]);
    bench.finish("a-2");
    expect(bench.said(), "a-2 is free but held").toEqual(["start b-2: 1.b"]);
    bench.finish("b-2");
    expect(bench.said()).toEqual(["end 1 completed", "start a-2: 2.a"]);
  });

  test("lets through any number of requests that end at the gate", () => {
    const bench = new Bench({ tasks: { a: m }, held: true });
    const crowd = 20_000;
    for (let serial = 1; serial <= crowd; serial++) bench.skips.add(`${serial}.a`);
    bench.arrive(crowd + 1);
    bench.said();
    bench.finish("a-1");
    expect(bench.said()).toHaveLength(crowd + 1);
    expect(bench.dispatcher.inSystem).toBe(0);
  });
});

describe("a slot that is used again", () => {
  test("knows nothing of the request before", () => {
    const bench = new Bench({ tasks: { a: m, b: { model: "m", after: ["a"] } }, sloMs: 9 });
    bench.arrive();
    bench.lose("a-1");
    bench.join("a-1");
    bench.finish("a-1");
    bench.finish("b-1");
    bench.nowUs = 1000;
    bench.arrive();
    const { requests } = bench.dispatcher;
    expect(bench.slotOf(1)).toBe(bench.slotOf(0));
    const base = bench.slotOf(1) * requests.stride;
    expect([...requests.attempts.subarray(base, base + 2)]).toEqual([0, 0]);
    expect([...requests.state.subarray(base, base + 2)]).toEqual([JOB.running, JOB.waiting]);
    expect(requests.deadlineUs[bench.slotOf(1)]).toBe(1000 + 9000);
    bench.said();
    bench.finish("a-1");
    bench.finish("b-1");
    expect(bench.said()).toEqual(["start b-1: 1.b", "end 1 completed"]);
  });

  test("is not used while a job of it still runs", () => {
    const bench = new Bench({ tasks: { a: m }, replicas: { a: 2 } });
    bench.arrive();
    bench.cancel(0);
    bench.arrive();
    expect(bench.slotOf(1)).not.toBe(bench.slotOf(0));
    bench.finish("a-1");
    bench.arrive();
    expect(bench.slotOf(2)).toBe(bench.slotOf(0));
  });
});

describe("admission", () => {
  test("refuses beyond its bound and takes again when a request has left", () => {
    const admission: Admission = { admit: (inSystem) => inSystem < 2, dropsLate: false };
    const bench = new Bench({ tasks: { a: m }, admission });
    bench.arrive(3);
    expect(bench.said()).toContain("end 2 refused");
    bench.finish("a-1");
    bench.arrive();
    expect(bench.said()).toEqual(["end 0 completed", "start a-1: 1.a"]);
    expect(bench.dispatcher.inSystem).toBe(2);
  });

  test("drops a late job instead of starting it, and starts the next in its place", () => {
    const bench = new Bench({
      tasks: { a: m },
      admission: { admit: () => true, dropsLate: true },
      sloMs: 1,
    });
    bench.arrive(2);
    bench.nowUs = 500;
    bench.arrive();
    bench.nowUs = 1001;
    bench.said();
    bench.finish("a-1");
    expect(bench.said()).toEqual(["end 0 completed", "end 1 dropped", "start a-1: 2.a"]);
  });
});

test("a deadline of the request's own orders its jobs, and drops it when it has passed", () => {
  const byDeadline = { kind: "keyed", key: ({ deadlineUs }: JobView) => deadlineUs } as const;
  const bench = new Bench({
    tasks: { a: m },
    pool: { ...CENTRAL, ordering: byDeadline },
    admission: { admit: () => true, dropsLate: true },
    sloMs: 100,
    goalsUs: [100, 3000, 700, 2000],
  });
  bench.arrive(4);
  bench.nowUs = 1000;
  bench.finish("a-1");
  bench.finish("a-1");
  const started = ["start a-1: 0.a", "end 0 completed", "end 2 dropped", "start a-1: 3.a"];
  expect(bench.said()).toEqual([...started, "end 3 completed", "start a-1: 1.a"]);
});

test("a batch is no larger than the model takes, whatever a policy asks for", () => {
  const greedy: Batching = {
    kind: "group",
    maxBatch: 2,
    size: () => 9,
    dueUs: ({ oldestUs }) => oldestUs,
  };
  const bench = new Bench({ tasks: { a: m }, pool: { ...CENTRAL, batching: greedy } });
  bench.arrive();
  bench.arrive(3);
  bench.finish("a-1");
  bench.finish("a-1");
  const starts = bench.said().filter((line) => line.startsWith("start"));
  expect(starts).toEqual(["start a-1: 0.a", "start a-1: 1.a 2.a", "start a-1: 3.a"]);
});

test("a replica without a batch cannot finish one", () => {
  const bench = new Bench({ tasks: { a: m } });
  expect(() => bench.finish("a-1")).toThrow(/batch/);
});
