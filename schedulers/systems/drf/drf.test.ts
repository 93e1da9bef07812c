import { describe, expect, test } from "vitest";
import { Dispatcher } from "../../../engine/dispatch/dispatcher.ts";
import type { Driver } from "../../../engine/dispatch/driver.ts";
import { RunLog } from "../../../engine/dispatch/run-log.ts";
import { replayLog } from "../../../engine/record/replay.ts";
import type { System } from "../../../engine/system/system.ts";
import { compileSystem } from "../../../scenario/compile/compile.ts";
import { type SchedulerDocument, scenarioSchema } from "../../../scenario/schema/scenario.ts";
import { checkScheduler } from "../../check-scheduler.ts";
import { createScheduler } from "../../create-scheduler.ts";

const NEVER = Number.POSITIVE_INFINITY;

interface Arrival {
  readonly atMs: number;
  readonly pipeline: string;
  readonly count: number;
}

/** Virtual time with mean service times: starts as `ms replica`, and ends, until all have ended. */
class Play implements Driver {
  readonly starts: string[] = [];
  /** When each pipeline's requests ended, ms. */
  readonly ends: Readonly<Record<string, number[]>>;
  readonly cluster = null;
  readonly #system: System;
  readonly #dispatcher: Dispatcher;
  readonly #finishUs: number[];
  readonly #timers: number[];

  constructor(
    system: System,
    scheduler: SchedulerDocument,
    arrivals: readonly Arrival[],
    seed = "1",
  ) {
    const { pipelines, replicas } = system;
    const log = new RunLog();
    this.#system = system;
    this.#finishUs = replicas.map(() => NEVER);
    this.ends = Object.fromEntries(pipelines.map(({ name }) => [name, []]));
    const dispatcher = new Dispatcher(system, createScheduler(scheduler, system, seed), this, log);
    this.#dispatcher = dispatcher;
    this.#timers = Array.from({ length: dispatcher.timerCount }, () => NEVER);
    for (const replica of replicas.keys()) dispatcher.join(replica, 0);
    dispatcher.begin(0);
    const left = arrivals.toSorted((a, b) => a.atMs - b.atMs);
    while (left.length > 0 || dispatcher.inSystem > 0) {
      const nextUs = left.length > 0 ? left[0].atMs * 1000 : NEVER;
      const nowUs = Math.min(nextUs, ...this.#finishUs, ...this.#timers);
      expect(nowUs).toBeLessThan(NEVER);
      for (const replica of this.#due(this.#finishUs, nowUs)) dispatcher.finish(replica, nowUs);
      while (left.length > 0 && left[0].atMs * 1000 === nowUs) {
        const { pipeline, count } = left.shift() as Arrival;
        const id = pipelines.findIndex(({ name }) => name === pipeline);
        for (let i = 0; i < count; i++) {
          dispatcher.arrive(dispatcher.requests.reserve(), id, nowUs, nowUs);
        }
      }
      for (const timer of this.#due(this.#timers, nowUs)) dispatcher.wake(timer, nowUs);
      dispatcher.decide(nowUs);
    }
    expect(replayLog(system, createScheduler(scheduler, system, seed), log).divergence).toBeNull();
  }

  #due(times: number[], nowUs: number): number[] {
    const due = [...times.keys()].filter((i) => times[i] === nowUs);
    for (const i of due) times[i] = NEVER;
    return due;
  }

  start(replica: number, nowUs: number): void {
    const { name, service } = this.#system.replicas[replica];
    this.starts.push(`${nowUs / 1000} ${name}`);
    const size = this.#dispatcher.batchSize[replica];
    this.#finishUs[replica] = nowUs + service.meanUs[size];
  }

  wakeAt(timer: number, atUs: number): void {
    this.#timers[timer] = atUs;
  }

  end(request: number, _outcome: unknown, nowUs: number): void {
    const { name } = this.#system.pipelines[this.#dispatcher.requests.pipeline[request]];
    this.ends[name].push(nowUs / 1000);
  }

  goalUs(): number {
    return NEVER;
  }

  holds(): boolean {
    return true;
  }
}

const fixed = (meanMs: number, demand?: Readonly<Record<string, number>>) => ({
  service: { distribution: "deterministic", meanMs, batch: { marginal: 0 } },
  ...(demand === undefined ? {} : { demand }),
});

const SHARED = { slot: { slots: 1, shared: true } };

/** The paper's pipelines: A takes 1 CPU and 4 GB, B 3 CPUs and 1 GB. B is named first. */
function paper(cluster: Readonly<Record<string, unknown>>): System {
  return compileSystem(
    scenarioSchema.parse({
      name: "paper",
      pipelines: { B: { tasks: { b: { model: "b" } } }, A: { tasks: { a: { model: "a" } } } },
      models: { a: fixed(100, { cpu: 1, gb: 4 }), b: fixed(100, { cpu: 3, gb: 1 }) },
      cluster,
      workload: { arrivals: "burst", requests: 1 },
    }),
    { profiles: {} },
  );
}

const WHOLE = paper({
  nodes: [{ name: "n", devices: SHARED, resources: { cpu: 9, gb: 18 } }],
  replicas: { a: 9, b: 6 },
});

const both = (count: number, atMs = 0): Arrival[] => [
  { atMs, pipeline: "A", count },
  { atMs, pipeline: "B", count },
];

/** Names of the pools of the starts at an instant, in order. */
const startsAt = ({ starts }: Play, ms: number): string =>
  starts.flatMap((start) => (start.startsWith(`${ms} `) ? [start.split(" ")[1][0]] : [])).join("");

describe("drf", () => {
  test("fills the paper's cluster in the order B, A, A, B, A", () => {
    const play = new Play(WHOLE, "drf", both(20));
    expect(startsAt(play, 0)).toBe("baaba");
    expect(startsAt(play, 100)).toBe("baaba");
  });

  test("gives all to one pipeline while the other has nothing to do", () => {
    expect(startsAt(new Play(WHOLE, "drf", [{ atMs: 0, pipeline: "A", count: 9 }]), 0)).toBe(
      "aaaa",
    );
    expect(startsAt(new Play(WHOLE, "drf", [{ atMs: 0, pipeline: "B", count: 9 }]), 0)).toBe("bbb");
  });

  test("counts what runs until it ends", () => {
    const arrivals = [...both(3), { atMs: 50, pipeline: "B", count: 2 }];
    expect(startsAt(new Play(WHOLE, "drf", arrivals), 50)).toBe("");
    expect(new Play(WHOLE, "drf", arrivals).ends.B.length).toBe(5);
  });

  test("divides shares by weights", () => {
    const weighted = { controller: { policy: "drf", weights: { A: 4 } } };
    // B 1/3, A 2/9, 4/9, 2/3, 8/9: over its weight A stays below B.
    const tie = startsAt(new Play(WHOLE, weighted, both(9)), 0);
    expect(tie).toBe("baaaa");
  });

  test("skips a pipeline whose job does not fit, or waits for it", () => {
    const arrivals: Arrival[] = [
      { atMs: 0, pipeline: "A", count: 3 },
      { atMs: 50, pipeline: "B", count: 3 },
      { atMs: 51, pipeline: "A", count: 1 },
    ];
    const light = paper({
      nodes: [{ name: "n", devices: SHARED, resources: { cpu: 5, gb: 18 } }],
      replicas: { a: 9, b: 6 },
    });
    const skip = new Play(light, "drf", arrivals);
    const wait = new Play(
      light,
      { preset: "drf", controller: { policy: "drf", whenFull: "wait" } },
      arrivals,
    );
    expect(skip.starts.slice(3)).toContain("51 a-4");
    expect(startsAt(wait, 51)).toBe("");
    expect(startsAt(wait, 100)[0]).toBe("b");
  });

  test("starts the earliest request of a pipeline first, in batches of its own jobs", () => {
    const system = compileSystem(
      scenarioSchema.parse({
        name: "shared",
        pipelines: {
          p: { tasks: { a: { model: "m" }, b: { model: "m", after: ["a"] } } },
          q: { tasks: { a: { model: "m" } } },
        },
        models: { m: fixed(10, { cpu: 1 }) },
        cluster: {
          nodes: [{ name: "n", devices: SHARED, resources: { cpu: 1 } }],
          replicas: { a: 2, b: 2 },
        },
        workload: { arrivals: "burst", requests: 1 },
      }),
      { profiles: {} },
    );
    const arrivals = [
      { atMs: 0, pipeline: "p", count: 1 },
      { atMs: 1, pipeline: "p", count: 1 },
      { atMs: 2, pipeline: "q", count: 3 },
    ];
    const single = new Play(system, "drf", arrivals);
    expect(single.starts.slice(0, 3)).toEqual(["0 a-1", "10 a-2", "20 b-1"]);
    expect(single.ends.q[0]).toBe(20);
    const batching = { policy: "size-or-timeout", maxBatch: 8, waitMs: 5 };
    const batched = new Play(system, { preset: "drf", batching }, arrivals);
    // No batch waits, and none mixes pipelines.
    expect(batched.ends).toEqual({ p: [30, 50], q: [20, 20, 20] });
  });

  test("divides replicas where nothing else is scarce", () => {
    const system = compileSystem(
      scenarioSchema.parse({
        name: "slots",
        pipelines: {
          p: { tasks: { a: { model: "m" } } },
          q: { tasks: { a: { model: "m" } } },
        },
        models: { m: fixed(10) },
        cluster: { replicas: { a: 4 } },
        workload: { arrivals: "burst", requests: 1 },
      }),
      { profiles: {} },
    );
    const arrivals = [
      { atMs: 0, pipeline: "p", count: 8 },
      { atMs: 0, pipeline: "q", count: 2 },
    ];
    expect(new Play(system, "drf", arrivals).ends.q).toEqual([10, 10]);
    expect(new Play(system, "fifo", arrivals).ends.q).toEqual([30, 30]);
  });
});

describe("against a static partition of the same machines", () => {
  /** Each pipeline has half of the cluster for itself. */
  const HALVES = paper({
    nodes: ["x", "y"].map((name) => ({ name, devices: SHARED, resources: { cpu: 4.5, gb: 9 } })),
    replicas: { a: 9, b: 6 },
    placement: [
      { task: "a", node: "x", replicas: 9 },
      { task: "b", node: "y", replicas: 6 },
    ],
  });
  /** B is idle in the first second, A in the last; between them both have more than they can do. */
  const phases: Arrival[] = [
    { atMs: 0, pipeline: "A", count: 60 },
    { atMs: 1000, pipeline: "B", count: 60 },
    { atMs: 1500, pipeline: "A", count: 20 },
  ];
  const last = (times: readonly number[]): number => Math.max(...times);

  test.each(["drf", "mesos"])("%s completes both pipelines sooner", (preset) => {
    const elastic = new Play(WHOLE, preset, phases);
    const fixedShares = new Play(HALVES, "fifo", phases);
    expect(last(elastic.ends.A)).toBeLessThan(last(fixedShares.ends.A));
    expect(last(elastic.ends.B)).toBeLessThan(last(fixedShares.ends.B));
    const by = (times: readonly number[], ms: number) => times.filter((end) => end <= ms).length;
    for (let ms = 100; ms <= last(elastic.ends.B); ms += 100) {
      const done = by(elastic.ends.A, ms) + by(elastic.ends.B, ms);
      const partitioned = by(fixedShares.ends.A, ms) + by(fixedShares.ends.B, ms);
      expect(done).toBeGreaterThanOrEqual(partitioned);
    }
  });

  test("with both busy all the time, each still does what its half would do", () => {
    const elastic = new Play(WHOLE, "drf", both(30));
    const partitioned = new Play(HALVES, "fifo", both(30));
    expect(last(elastic.ends.A)).toBe(1000);
    expect(last(partitioned.ends.A)).toBe(1500);
    expect(last(elastic.ends.B)).toBeLessThan(last(partitioned.ends.B));
  });
});

describe("mesos", () => {
  const offers = (parameters: Readonly<Record<string, unknown>>): SchedulerDocument => ({
    preset: "mesos",
    controller: { policy: "drf", allocation: "offers", ...parameters },
  });
  const one = (pipeline: string, atMs: number, count = 1): Arrival => ({ atMs, pipeline, count });

  test("offers a whole node to one pipeline, and what it declines to the next", () => {
    // B takes all CPUs; after that A, with the smaller share, takes what memory allows.
    const play = new Play(WHOLE, "mesos", both(8));
    expect(startsAt(play, 0)).toBe("bbb");
    expect(startsAt(play, 100)).toBe("aaaab");
    expect(startsAt(new Play(WHOLE, "mesos", [one("B", 0, 2), one("A", 0, 5)]), 0)).toBe("bbaaa");
  });

  test("offers at its interval only, if it is to", () => {
    const play = new Play(
      WHOLE,
      offers({ atEvents: false, allocationIntervalS: 0.3 }),
      both(2, 10),
    );
    expect(play.starts.map((start) => start.split(" ")[0])).toEqual(["300", "300", "600", "600"]);
  });

  test("keeps offers of what a pipeline declined from it for refuseS, unless more is free", () => {
    const arrivals = [one("A", 2100), one("B", 2100)];
    const late = new Play(WHOLE, offers({ revives: false }), arrivals);
    // Both declined the whole cluster at the first round, at 1 s: their filters end at 6 s.
    expect(late.starts).toEqual(["6000 b-1", "6000 a-1"]);
    const sooner = new Play(WHOLE, offers({ revives: false, refuseS: 2 }), arrivals);
    expect(sooner.starts).toEqual(["3000 b-1", "3000 a-1"]);
    const revived = new Play(WHOLE, "mesos", arrivals);
    expect(revived.starts).toEqual(["2100 b-1", "2100 a-1"]);
  });

  test("keeps each filter for its own time, whatever was declined since", () => {
    const own = offers({ revives: false });
    // A declines ⟨3, 16⟩ at 0, and ⟨5, 2⟩ of all that it is offered at 100 ms.
    const arrivals = [one("B", 0, 2), one("A", 100, 4), one("B", 200, 2), one("A", 200)];
    const play = new Play(WHOLE, own, arrivals);
    expect(startsAt(play, 100)).toBe("aaaa");
    expect(startsAt(play, 200)).toBe("bb");
    expect(startsAt(play, 300)).toBe("a");
  });

  test("keeps no filter for less than a round", () => {
    const own = offers({ revives: false, refuseS: 0.5 });
    expect(new Play(WHOLE, own, [one("A", 1600)]).starts).toEqual(["2000 a-1"]);
  });

  test("counts an open offer as allocated, until it is answered", () => {
    const arrivals = [one("B", 0), one("A", 1)];
    const play = new Play(WHOLE, offers({ answerMs: 20 }), arrivals);
    const [b, a] = play.starts.map((start) => Number(start.split(" ")[0]));
    expect(b).toBeGreaterThan(0);
    expect(b).toBeLessThanOrEqual(40);
    // A was offered nothing before B had answered.
    expect(a).toBeGreaterThan(b);
    expect(a).toBeLessThanOrEqual(b + 40);
  });

  test("rescinds an offer without an answer", () => {
    const startOf = (seed: number, parameters: object): number => {
      const play = new Play(
        WHOLE,
        offers({ answerMs: 20, ...parameters }),
        [one("B", 0)],
        `${seed}`,
      );
      return Number(play.starts[0].split(" ")[0]);
    };
    const seeds = Array.from({ length: 20 }, (_, seed) => seed);
    const patient = seeds.map((seed) => startOf(seed, {}));
    const hasty = seeds.map((seed) => startOf(seed, { offerTimeoutS: 0.01 }));
    expect(Math.max(...patient)).toBeLessThanOrEqual(40);
    expect(Math.max(...hasty)).toBeGreaterThan(40);
    seeds.forEach((seed) => {
      if (patient[seed] <= 10) expect(hasty[seed]).toBe(patient[seed]);
      else expect(hasty[seed]).toBeGreaterThan(10);
    });
  });

  test("ends where nothing is refused for any time", () => {
    const play = new Play(WHOLE, offers({ revives: false, refuseS: 0 }), both(4));
    expect(play.ends.A.length + play.ends.B.length).toBe(8);
  });
});

describe("bad parameters", () => {
  test("have clear issues", () => {
    const issues = (parameters: object) =>
      checkScheduler({ controller: { policy: "drf", ...parameters } }, "scheduler").map(
        ({ path, message }) => `${path}: ${message}`,
      );
    expect(issues({ refuseS: -1 })).toEqual([
      expect.stringMatching(/^scheduler\.controller\.refuseS: drf: .*0/),
    ]);
    expect(issues({ weights: { A: 0 } })).toEqual([
      expect.stringMatching(/^scheduler\.controller\.weights\.A: drf: /),
    ]);
    expect(issues({ refuse: 5 })[0]).toMatch(/refuse/);
    expect(issues({ allocation: "auction" })[0]).toMatch(/direct.*offers/);
  });

  test("name a pipeline that there is not", () => {
    const controller = { policy: "drf", weights: { Aa: 2 } };
    const [issue] = checkScheduler({ controller }, "scheduler", ["A", "B"]);
    expect(issue.path).toBe("scheduler.controller.weights.Aa");
    expect(issue.message).toBe('drf: no pipeline has the name "Aa"');
  });
});
