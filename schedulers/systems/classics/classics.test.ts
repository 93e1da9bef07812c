/** Each classic by its definition: exact sequences, bounds and invariants, without a clock. */
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { cases } from "../../../checks/support/test-form.test-support.ts";
import type { JobView } from "../../../engine/dispatch/controller.ts";
import type { PoolView } from "../../../engine/dispatch/policies.ts";
import type { ScenarioDocument, SchedulerDocument } from "../../../scenario/schema/scenario.ts";
import { checkScheduler } from "../../check-scheduler.ts";
import { CheckingDriver } from "../../contract.ts";
import { documentOf, systemOf } from "../../contract-systems.test-support.ts";
import { createScheduler } from "../../create-scheduler.ts";

const model = { model: "model" };
const ONE = { p: { tasks: { a: model } } };
const ANY = {} as JobView;

function driverOf(document: ScenarioDocument, scheduler: SchedulerDocument): CheckingDriver {
  const system = systemOf(document);
  const driver = new CheckingDriver(system, createScheduler(scheduler, system, "1"));
  driver.joinAll();
  return driver;
}

/** Serials of the requests in the batches that run, by replica. */
function running(driver: CheckingDriver): number[][] {
  const { requests } = driver.dispatcher;
  return [...driver.busy.values()].map((jobs) =>
    jobs.map((job) => requests.serial[requests.requestOf(job)]),
  );
}

describe("shortest first", () => {
  const chain = (...names: string[]) =>
    Object.fromEntries(
      names.map((name, i) => [name, i === 0 ? model : { ...model, after: [names[i - 1]] }]),
    );
  /** Three pipelines that share `a`; behind it the first has two tasks, the second none, the third one. */
  const pipelines = { two: chain("a", "b", "c"), none: chain("a"), one: chain("a", "d") };
  const sharing = documentOf({
    pipelines: Object.fromEntries(
      Object.entries(pipelines).map(([name, tasks]) => [name, { tasks, deadlineMs: 1 }]),
    ),
    replicas: { a: 1, b: 1, c: 1, d: 1 },
  });

  /** The order in which `a` serves one request of each, after a first that keeps it busy. */
  function order(scheduler: string): number[] {
    const driver = driverOf(sharing, scheduler);
    driver.goalUs = () => 50_000;
    driver.arrive(1, 63);
    driver.decide();
    for (const pipeline of [0, 1, 2]) driver.arrive(pipeline, 63);
    driver.decide();
    return [0, 1, 2].map(() => {
      driver.finish(0);
      driver.decide();
      const { requests } = driver.dispatcher;
      const [job] = driver.busy.get(0) ?? [];
      return requests.pipeline[requests.requestOf(job)];
    });
  }

  test("by remaining work serves the shortest pipeline first", () => {
    expect(order("srpt")).toEqual([1, 2, 0]);
  });

  test("by slack serves the longest pipeline first, where deadlines are equal", () => {
    expect(order("least-slack")).toEqual([0, 2, 1]);
  });

  test("by the job's own time sees no difference between jobs of one task", () => {
    expect(order("sjf")).toEqual([0, 1, 2]);
  });
});

describe("weighted fair queueing", () => {
  const document = documentOf({
    pipelines: { x: { tasks: { a: model } }, y: { tasks: { a: model } } },
    replicas: { a: 1 },
  });
  const scheduler = (given: Readonly<Record<string, number>>) => ({
    preset: "weighted-fair",
    ordering: { policy: "weighted-fair", weights: given },
  });

  test("serves by virtual finish: four of weight 4 for each of weight 1", () => {
    const driver = driverOf(document, scheduler({ x: 1, y: 4 }));
    for (let i = 0; i < 8; i++) driver.arrive(0, 63);
    for (let i = 0; i < 12; i++) driver.arrive(1, 63);
    const served: string[] = [];
    driver.decide();
    for (let i = 0; i < 14; i++) {
      const [[serial]] = running(driver);
      served.push(serial < 8 ? "x" : "y");
      driver.finish(0);
      driver.decide();
    }
    // Finishes of x: 1, 2, 3 …; of y: 1/4, 1/2, 3/4, 1 …, which came later and so loses ties.
    expect(served.join("")).toBe("yyyxyyyyxyyyyx");
  });

  test("keeps two backlogged pipelines within one job of each of their shares, from any instant on", () => {
    const weight = fc.integer({ min: 1, max: 9 });
    const burst = fc.record({ x: fc.nat(3), y: fc.nat(3) });
    const bursts = fc.array(burst, { minLength: 40, maxLength: 80 });
    fc.assert(
      fc.property(weight, weight, bursts, (x, y, arrivals) => {
        const driver = driverOf(document, scheduler({ x, y }));
        const waiting = [0, 0];
        let lag: number[] = [];
        for (const counts of arrivals) {
          [counts.x, counts.y].forEach((count, pipeline) => {
            for (let i = 0; i < count; i++) driver.arrive(pipeline, 63);
            waiting[pipeline] += count;
          });
          driver.decide();
          const [job = -1] = driver.busy.get(0) ?? [];
          if (job < 0) continue;
          const { requests } = driver.dispatcher;
          const pipeline = requests.pipeline[requests.requestOf(job)];
          // Golestani 1994, theorem 1: over a time in which both wait, |W_x / x − W_y / y| is at
          // most the largest job over its weight, of both together.
          const isBacklogged = waiting.every((count) => count > 0);
          waiting[pipeline]--;
          const step = pipeline === 0 ? 1 / x : -1 / y;
          lag = isBacklogged ? [...lag, 0].map((sum) => sum + step) : [];
          const most = Math.max(0, ...lag.map(Math.abs));
          expect(most).toBeLessThanOrEqual(1 / x + 1 / y + 1e-9);
          driver.finish(0);
        }
      }),
      { numRuns: cases(100) },
    );
  });

  test("gives back what a cancelled job would have used", () => {
    const driver = driverOf(document, scheduler({}));
    driver.arrive(0, 63);
    driver.decide();
    for (let i = 0; i < 20; i++) driver.arrive(0, 63);
    for (const { slot, serial } of [...driver.open.values()]) if (serial > 0) driver.cancel(slot);
    driver.arrive(0, 63);
    driver.arrive(1, 63);
    driver.arrive(1, 63);
    driver.decide();
    const served = [0, 1, 2].map(() => {
      driver.finish(0);
      driver.decide();
      return running(driver)[0][0];
    });
    expect(served).toEqual([21, 22, 23]);
  });

  test("charges nobody for the time that it was idle", () => {
    const driver = driverOf(document, scheduler({}));
    for (let i = 0; i < 10; i++) driver.arrive(0, 63);
    driver.decide();
    for (let i = 0; i < 5; i++) {
      driver.finish(0);
      driver.decide();
    }
    driver.arrive(1, 63);
    driver.arrive(1, 63);
    const served = [0, 1, 2, 3].map(() => {
      driver.finish(0);
      driver.decide();
      return running(driver)[0][0] >= 10;
    });
    // The new pipeline gets its half from now on, not all of what it missed.
    expect(served).toEqual([false, true, false, true]);
  });

  test("names a weight whose pipeline does not exist, or that is no weight", () => {
    const [unknown] = checkScheduler(scheduler({ z: 2 }), "scheduler", ["x", "y"]);
    expect(unknown.path).toBe("scheduler.ordering.weights.z");
    expect(unknown.message).toBe('weighted-fair: no pipeline has the name "z"');
    const [issue] = checkScheduler(scheduler({ x: 0 }), "scheduler");
    expect(issue.path).toBe("scheduler.ordering.weights.x");
  });
});

describe("routing", () => {
  const view = (loads: readonly number[]): PoolView => {
    const least = loads.indexOf(Math.min(...loads));
    return {
      upCount: loads.length,
      upAt: (i) => i,
      load: (replica) => loads[replica],
      leastLoaded: () => least,
      soonestFree: () => least,
    };
  };

  function routeOf(policy: string, document: ScenarioDocument) {
    const system = systemOf(document);
    const { routing } = createScheduler({ routing: policy }, system, "1").pools[0];
    return routing.kind === "immediate" ? routing.route : expect.fail(`${policy} is central`);
  }

  test("to an idle queue takes an idle replica, and any where none is", () => {
    const route = routeOf("join-idle-queue", documentOf({ pipelines: ONE, replicas: { a: 4 } }));
    expect(route(view([3, 2, 0, 1]), ANY)).toBe(2);
    const taken = Array.from({ length: 400 }, () => route(view([9, 1, 1, 5]), ANY));
    const counts = [0, 1, 2, 3].map((replica) => taken.filter((r) => r === replica).length);
    for (const count of counts) expect(Math.abs(count - 100)).toBeLessThan(40);
  });

  test("in turn by weight spreads a replica's turns as nginx does", () => {
    const document = documentOf({ pipelines: ONE, replicas: { a: 3 } });
    const devices = { fast: { slots: 1, shared: false, speed: 5 }, slow: 2 };
    const nodes = [{ name: "n", count: 1, costPerHour: 0, devices }];
    const route = routeOf("weighted-round-robin", {
      ...document,
      cluster: { ...document.cluster, nodes },
    });
    // The second replica is the fast one, of weight 5.
    const turns = Array.from({ length: 14 }, () => "bac"[route(view([0, 0, 0]), ANY)]);
    expect(turns.join("")).toBe("aabacaaaabacaa");
  });
});

describe("work stealing", () => {
  test("lets no replica idle while jobs wait behind another", () => {
    const document = documentOf({ pipelines: ONE, replicas: { a: 4 } });
    const events = fc.array(fc.record({ kind: fc.nat(2), pick: fc.nat(9) }), { minLength: 80 });
    const routing = fc.constantFrom("central", "round-robin", "random", "least-expected-work");
    fc.assert(
      fc.property(routing, events, (rule, steps) => {
        const driver = driverOf(document, { preset: "work-stealing", routing: rule });
        for (const { kind, pick } of steps) {
          const busy = [...driver.busy.keys()];
          if (kind === 0 || busy.length === 0) driver.arrive(0, 63);
          else driver.finish(busy[pick % busy.length]);
          driver.decide();
          const inSystem = driver.open.size;
          expect(driver.busy.size).toBe(Math.min(4, inSystem));
        }
        driver.drain();
        driver.checkConservation();
      }),
      { numRuns: cases(100) },
    );
  });

  test("takes from the longest queue, the job that is next there", () => {
    const document = documentOf({ pipelines: ONE, replicas: { a: 2 } });
    const driver = driverOf(document, "work-stealing");
    for (let i = 0; i < 6; i++) driver.arrive(0, 63);
    driver.decide();
    // 0, 2, 4 are at one replica and 1, 3, 5 at the other.
    for (let i = 0; i < 3; i++) {
      driver.finish(0);
      driver.decide();
    }
    expect([...driver.busy].sort().map(([, jobs]) => jobs.length)).toEqual([1, 1]);
    expect(running(driver).flat().sort()).toEqual([1, 3]);
  });
});

describe("locality", () => {
  const tasks = { a: model, b: { ...model, after: ["a"] } };
  const base = documentOf({ pipelines: { p: { tasks } }, replicas: { a: 2, b: 2 } });
  const nodes = [{ name: "n", count: 2, costPerHour: 0, devices: { cpu: 2 } }];
  const document = { ...base, cluster: { ...base.cluster, nodes } };

  /** Whether the second task runs on the node of the first; `others` wait or run there already. */
  function staysWith(others: number, extraJobs: number): boolean {
    const scheduler = { controller: { policy: "locality", extraJobs } };
    const driver = driverOf(document, scheduler);
    const nodeOf = (replica: number) => driver.system.replicas[replica].node;
    const near = [2, 3].find((replica) => nodeOf(replica) === nodeOf(0)) as number;
    for (let i = 0; i < others; i++) {
      driver.arrive(0, 63);
      driver.decide();
      driver.finish([...driver.busy.keys()].find((replica) => replica < 2) as number);
      driver.decide();
      for (const replica of [2, 3]) {
        if (replica !== near && driver.busy.has(replica)) driver.finish(replica);
      }
      driver.decide();
    }
    driver.arrive(0, 63);
    driver.decide();
    const [first] = [...driver.busy.keys()].filter((replica) => replica < 2);
    driver.finish(first);
    driver.decide();
    const { requests } = driver.dispatcher;
    const last = Math.max(...[...driver.open.values()].map(({ serial }) => serial));
    const [request] = [...driver.open.values()].filter(({ serial }) => serial === last);
    const job = request.slot * requests.stride + 1;
    const queue = requests.state[job];
    const replica =
      queue >= 0
        ? queue - driver.system.pools.length
        : ([...driver.busy].find(([, jobs]) => jobs.includes(job)) as [number, unknown])[0];
    return nodeOf(replica) === nodeOf(first);
  }

  test("stays on the node of the request's last job while that is not too busy", () => {
    expect(staysWith(0, 1)).toBe(true);
    expect(staysWith(1, 1)).toBe(true);
    expect(staysWith(2, 0)).toBe(false);
  });
});

test("balking clients stay with probability k / (k + n)", () => {
  const system = systemOf(documentOf({ pipelines: ONE, replicas: { a: 1 } }));
  const asked = { admission: { policy: "balking", patience: 3 } };
  const { admission } = createScheduler(asked as SchedulerDocument, system, "1");
  const share = (inSystem: number): number =>
    Array.from({ length: 4000 }, () => admission.admit(inSystem)).filter(Boolean).length / 4000;
  expect(share(0)).toBe(1);
  expect(Math.abs(share(3) - 1 / 2)).toBeLessThan(0.03);
  expect(Math.abs(share(9) - 1 / 4)).toBeLessThan(0.03);
});
