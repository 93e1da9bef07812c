/** Arrival rates as shares of capacity: resolved once a scenario, before ids and digests are made. */
import { describe, expect, test } from "vitest";
import { Fault } from "../engine/basics/fault.ts";
import { expandSweep } from "../scenario/expand-sweep.test-support.ts";
import { expandValidation } from "../scenario/expand-sweep.ts";
import { parseScenario } from "../scenario/parse.ts";
import type { LoadedScenario } from "../scenario/reading/files.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { servingCapacity } from "./replication.ts";

interface Given {
  readonly sections?: Readonly<Record<string, unknown>>;
  readonly set?: Readonly<Record<string, unknown>>;
  readonly files?: Readonly<Record<string, string>>;
  readonly requireTimes?: boolean;
  readonly lines?: string;
}

const times = (meanMs: number) => ({ service: { distribution: "deterministic", meanMs } });

/** One replica of `a` serves 10 per second; half of all requests need 40 ms of `b`. */
const BASE = {
  name: "s",
  pipelines: {
    p: {
      tasks: {
        a: { model: "a" },
        b: { model: "b", after: ["a"], when: { probability: 0.5 } },
      },
    },
  },
  models: { a: times(100), b: times(40) },
  cluster: { replicas: { a: 4, b: 2 } },
  workload: { arrivals: "poisson", ratePerS: { ofCapacity: 0.6 }, durationS: 60 },
};

function load({
  sections,
  set,
  files = {},
  requireTimes = true,
  lines,
}: Given = {}): LoadedScenario {
  const read = (path: string): string => {
    const text = files[path];
    if (text === undefined) throw new Error(`ENOENT ${path}`);
    return text;
  };
  const text = lines ?? JSON.stringify({ ...BASE, ...sections });
  const options = { checkScheduler, requireTimes, capacityOf: servingCapacity };
  return parseScenario(text, "s.yaml", read, set, options);
}

function issuesOf(given: Given): string[] {
  try {
    expandSweep(load(given));
  } catch (error) {
    if (error instanceof Fault) {
      return (error.issues ?? []).map(({ line, path, message }) => `${line} ${path}: ${message}`);
    }
    throw error;
  }
  return [];
}

const ratesOf = (given: Given): unknown[] =>
  expandSweep(load(given)).map(({ parameters }) => parameters["workload.ratePerS"]);

describe("a load of 60% of capacity", () => {
  const rateOf = (sections: NonNullable<Given["sections"]>) =>
    (load({ sections }).document.workload as { ratePerS: number }).ratePerS;

  test("is a number of requests per second, with the capacity and its shape beside it", () => {
    const { document, capacity } = load();
    expect(document.workload).toMatchObject({ ratePerS: 24 });
    expect(capacity).toEqual({
      perS: 40,
      station: "a",
      replicas: { a: 4, b: 2 },
      shares: [{ ofCapacity: 0.6, ratePerS: 24 }],
    });
  });

  test("counts expected visits, cache hits and speeds", () => {
    // b: 2 / 40 ms, half of the time.
    expect(rateOf({ cluster: { replicas: { a: 40, b: 2 } } })).toBe(60);
    const a = { model: "a", cache: { hitRatio: 0.5, skips: ["b"] } };
    const b = { model: "b", after: ["a"], when: { probability: 0.5 } };
    const pipelines = { p: { tasks: { a, b } } };
    expect(rateOf({ pipelines, cluster: { replicas: { a: 40, b: 2 } } })).toBe(120);
    const slow = [{ name: "n", devices: { cpu: { slots: 6, speed: 0.5 } } }];
    expect(rateOf({ cluster: { replicas: { a: 4, b: 2 }, nodes: slow } })).toBe(12);
  });

  test("counts what shares a device", () => {
    const cpu = { slots: 1, sharing: { kind: "time-slice", quantumMs: 5 } };
    const nodes = [{ name: "n", devices: { cpu } }];
    // A request takes 100 + 0.5 × 40 ms of the one slot.
    expect(rateOf({ cluster: { replicas: { a: 2, b: 2 }, nodes } })).toBe(5);
  });

  test("counts on batches as large as the scheduler may make them, and on none without", () => {
    const service = {
      distribution: "deterministic",
      meanMs: 100,
      batch: { marginal: 0.5, max: 8 },
    };
    const models = { a: { service }, b: times(40) };
    const cluster = { replicas: { a: 1, b: 8 } };
    expect(rateOf({ models, cluster })).toBe(6);
    const scheduler = {
      preset: "fifo",
      batching: { policy: "size-or-timeout", maxBatch: 4, waitMs: 1 },
    };
    expect(rateOf({ models, cluster, scheduler })).toBe(9.6);
  });

  test.each([
    [
      "a mean of a swing",
      { arrivals: "diurnal", ratePerS: { ofCapacity: 0.5 }, amplitude: 1 },
      { ratePerS: 20 },
    ],
    [
      "a server's queries",
      { arrivals: "mlperf-server", ratePerS: { ofCapacity: 0.5 }, latencyBoundMs: 9 },
      { ratePerS: 20 },
    ],
    [
      "points of a ramp, also above 1",
      {
        arrivals: "ramp",
        rates: [
          { atS: 0, ratePerS: 0 },
          { atS: 9, ratePerS: { ofCapacity: 1.5 } },
        ],
      },
      { rates: [{ ratePerS: 0 }, { ratePerS: 60 }] },
    ],
    [
      "states",
      {
        arrivals: "mmpp",
        states: [
          { ratePerS: { ofCapacity: 0.1 }, meanS: 1 },
          { ratePerS: 7, meanS: 1 },
        ],
      },
      { states: [{ ratePerS: 4 }, { ratePerS: 7 }] },
    ],
  ])("may be %s", (_, workload, resolved) => {
    const end = workload.arrivals.startsWith("mlperf") ? {} : { durationS: 60 };
    expect(
      load({ sections: { workload: { ...workload, ...end } } }).document.workload,
    ).toMatchObject(resolved);
  });
});

describe("in a sweep, loads", () => {
  const shares = [{ ofCapacity: 0.4 }, { ofCapacity: 0.6 }];

  test("are of the smallest shape, so that every configuration has the same rates", () => {
    const sweep = {
      scheduler: ["fifo", "join-shortest-queue"],
      "cluster.replicas.a": [4, 2, 6],
      "cluster.replicas.b": [2, 1],
      "workload.ratePerS": shares,
    };
    const { capacity } = load({ sections: { sweep } });
    expect(capacity).toMatchObject({ perS: 20, replicas: { a: 2, b: 1 } });
    expect(new Set(ratesOf({ sections: { sweep } }))).toEqual(new Set([8, 12]));
    const ids = expandSweep(load({ sections: { sweep } })).map(({ id }) => id);
    expect(ids[1]).toBe("scheduler=fifo,replicas.a=4,replicas.b=2,ratePerS=12");
  });

  test("are of the cheapest of shapes with as many replicas, else of the first", () => {
    const node = (speed: number, costPerHour: number) => [
      { name: "n", count: 1, devices: { cpu: { slots: 6, speed } }, costPerHour },
    ];
    const cluster = { replicas: { a: 4, b: 2 }, nodes: node(1, 2) };
    const capacityOf = (...nodes: unknown[]) =>
      load({ sections: { cluster, sweep: { "cluster.nodes": nodes } } }).capacity?.perS;
    expect(capacityOf(node(1, 2), node(0.5, 1))).toBe(20);
    expect(capacityOf(node(1, 2), node(0.5, 2))).toBe(40);
  });

  test("of points are of the smallest point", () => {
    const points = [
      { "cluster.replicas.a": 6, "workload.ratePerS": { ofCapacity: 0.5 } },
      { "cluster.replicas.a": 1, "workload.ratePerS.ofCapacity": 0.5 },
      { "cluster.replicas.a": 6, "workload.ratePerS": 3 },
    ];
    expect(ratesOf({ sections: { sweep: { points } } })).toEqual([5, 5, 3]);
  });

  test.each([
    ["a list of shares", { "workload.ratePerS.ofCapacity": [0.1, 0.25] }, [4, 10]],
    [
      "a range of shares",
      { "workload.ratePerS.ofCapacity": { from: 0.3, to: 0.9, step: 0.2 } },
      [12, 20, 28, 36],
    ],
    ["rates and shares together", { "workload.ratePerS": [3, { ofCapacity: 0.5 }] }, [3, 20]],
  ])("may be %s", (_, sweep, rates) => {
    expect(ratesOf({ sections: { sweep } })).toEqual(rates);
  });

  test("may be whole workloads, also in files", () => {
    const workload = { ...BASE.workload, ratePerS: { ofCapacity: 0.2 } };
    const sweep = { workload: [workload, "high.yaml"] };
    const files = { "high.yaml": JSON.stringify({ ...workload, ratePerS: { ofCapacity: 0.9 } }) };
    const found = expandSweep(load({ sections: { sweep }, files }));
    expect(found.map(({ document }) => document.workload)).toMatchObject([
      { ratePerS: 8 },
      { ratePerS: 36 },
    ]);
  });

  test("of a validation's points are those of its sweep", () => {
    const points = [{ "workload.ratePerS": { ofCapacity: 0.5 }, "cluster.replicas.a": 4 }];
    const sweep = { "cluster.replicas.a": [4, 1] };
    const validated = expandValidation(load({ sections: { sweep, validation: { points } } }));
    expect(validated.map(({ parameters }) => parameters)).toEqual([
      { "workload.ratePerS": 5, "cluster.replicas.a": 4 },
    ]);
  });

  test("give the digest that the same rates in numbers give", () => {
    const sweep = { "workload.ratePerS": shares };
    const numbers = {
      workload: { ...BASE.workload, ratePerS: 24 },
      sweep: { "workload.ratePerS": [16, 24] },
    };
    expect(load({ sections: { sweep } }).digest).toBe(load({ sections: numbers }).digest);
  });
});

describe("--set", () => {
  test("gives a share in the place of a number, of a share, and of a sweep", () => {
    const path = "workload.ratePerS.ofCapacity";
    const plain = { workload: { ...BASE.workload, ratePerS: 8 } };
    for (const sections of [plain, {}]) {
      expect(load({ sections, set: { [path]: 0.1 } }).document.workload).toMatchObject({
        ratePerS: 4,
      });
    }
    const sweep = { "workload.ratePerS": [8, 9] };
    const pinned = load({ sections: { sweep }, set: { [path]: 0.1 } }).document;
    expect(pinned.sweep).toBeUndefined();
    const shares = { sweep: { [path]: [0.3, 0.4] } };
    const fixed = load({ sections: shares, set: { "workload.ratePerS": 8 } }).document;
    expect([fixed.sweep, fixed.workload]).toMatchObject([undefined, { ratePerS: 8 }]);
  });
});

describe("a share that cannot be", () => {
  test.each([
    [
      { ofCapacity: 0 },
      "workload.ratePerS.ofCapacity: expected a number from 0.000001 (a share: 0.6 is 60%), got 0",
    ],
    [
      { ofCapacity: 60 },
      "workload.ratePerS.ofCapacity: expected a number up to 10 (a share: 0.6 is 60%), got 60",
    ],
    [
      { ofCapacity: "x" },
      'workload.ratePerS.ofCapacity: expected a number (a share: 0.6 is 60%), got "x"',
    ],
    [
      "20/s",
      'workload.ratePerS: expected a number (per second) or a mapping (key: value), got "20/s"',
    ],
  ])("%j is an issue, alone and in a sweep", (ratePerS, message) => {
    const workload = { ...BASE.workload, ratePerS };
    expect(issuesOf({ sections: { workload } })).toEqual([`1 ${message}`]);
    const [issue] = issuesOf({ sections: { sweep: { "workload.ratePerS": [ratePerS] } } });
    expect(issue).toContain(message);
  });

  test("is found with what else is wrong, on its line", () => {
    const lines = `name: s
pipelines: { p: { tasks: { a: { model: a } } } }
models: { a: { service: { distribution: exponential, meanMs: 10 } } }
cluster: { replicas: { a: 1 } }
workload: { arrivals: poisson, ratePerS: 20, warmupS: 9, durationS: 3 }
sweep:
  workload.ratePerS.ofCapacity:
    - 0.3
    - 60
`;
    expect(issuesOf({ lines })).toEqual([
      "5 workload.warmupS: expected less than durationS, 3 seconds, got 9",
      expect.stringMatching(/^9 workload.ratePerS.ofCapacity: expected a number up to 10/),
    ]);
  });

  test("is one beside a swept rate", () => {
    const sweep = { "workload.ratePerS": [8], "workload.ratePerS.ofCapacity": [0.5] };
    expect(issuesOf({ sections: { sweep } })).toEqual([
      "1 sweep.workload.ratePerS.ofCapacity: `workload.ratePerS` is given too: expected one of the two",
    ]);
  });

  test("is any where the traffic equations do not reach", () => {
    const c = { model: "a", after: ["a", "b"], join: "first" };
    const pipelines = { p: { tasks: { ...BASE.pipelines.p.tasks, c } } };
    const cluster = { replicas: { a: 4, b: 2, c: 1 } };
    expect(issuesOf({ sections: { pipelines, cluster } })).toEqual([
      expect.stringContaining("`ofCapacity` needs a capacity: the times are not known, or"),
    ]);
  });
});

describe("before calibration", () => {
  const models = { a: { profile: "a.json", implementation: { name: "no-op" } }, b: times(40) };

  test("a scenario with shares is sound, and a run is refused for its times alone", () => {
    const sweep = { "workload.ratePerS": [{ ofCapacity: 0.4 }] };
    const loaded = load({ sections: { models, sweep }, requireTimes: false });
    expect(expandSweep(loaded)).toHaveLength(1);
    expect(loaded.capacity).toBeUndefined();
    expect(issuesOf({ sections: { models, sweep } })).toEqual([
      "1 models.a.profile: cannot read the file a.json",
    ]);
  });
});
