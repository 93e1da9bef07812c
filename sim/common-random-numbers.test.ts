/** Request n is the same under every scheduler and on every shape. */
import "../checks/support/solver.test-support.ts";
import { describe, expect, test } from "vitest";
import { PRESETS } from "../schedulers/registry.ts";
import { runReplication } from "./replication.ts";
import { NO_INPUTS, scenarioOf } from "./scenario.test-support.ts";

const REQUESTS = 400;

const document = (scheduler: unknown, replicas: number, other: Record<string, unknown> = {}) =>
  scenarioOf({
    pipelines: {
      image: {
        share: 2,
        // Far away: a request that a scheduler drops takes no branch.
        slo: { latencyMs: 60_000 },
        tasks: {
          detect: { model: "steady" },
          plate: { model: "ragged", after: ["detect"], when: { probability: 0.6 } },
          look: { model: "steady", after: ["detect"], cache: { hitRatio: 0.5, skips: ["count"] } },
          count: { model: "quick", after: ["look"] },
        },
      },
      stock: { tasks: { price: { model: "quick" }, detect: { model: "steady" } } },
    },
    models: {
      steady: { service: { distribution: "lognormal", meanMs: 10, cv: 0.5 } },
      ragged: { service: { distribution: "gamma", meanMs: 8, cv: 2 } },
      quick: { service: { distribution: "empirical", samplesMs: [1, 2, 3, 5, 8] } },
    },
    cluster: {
      replicas: {
        detect: replicas,
        plate: replicas,
        look: replicas,
        count: replicas,
        price: replicas,
      },
    },
    workload: { arrivals: "poisson", ratePerS: 60, requests: REQUESTS },
    scheduler,
    ...other,
  });

/** Which tasks each request ran, and how long each took, µs, by request and task. */
function fates(scenario: ReturnType<typeof document>): ReadonlyMap<string, number> {
  const { gantt } = runReplication(scenario, NO_INPUTS, 0, { ganttBars: 100_000 });
  const times = gantt.flatMap(({ requests, task, startMs, endMs }) =>
    requests.map((n): [string, number] => [`${n} ${task}`, Math.round((endMs - startMs) * 1000)]),
  );
  return new Map(times.sort(([a], [b]) => (a < b ? -1 : 1)));
}

const reference = fates(document("fifo", 2));
const tasks = [...reference.keys()];

test("the reference has both outcomes of every branch, and hits and misses", () => {
  for (const task of ["plate", "count", "price"]) {
    const ran = tasks.filter((key) => key.endsWith(task)).length;
    expect(ran).toBeGreaterThan(REQUESTS * 0.1);
    expect(ran).toBeLessThan(REQUESTS * 0.9);
  }
});

describe.each(Object.keys(PRESETS))("under %s", (preset) => {
  test.each([1, 3])("with %i replicas of each task, request n takes the same branches", (count) => {
    expect([...fates(document(preset, count)).keys()]).toEqual(tasks);
  });
});

test.each(Object.keys(PRESETS).filter((name) => PRESETS[name].composition.batching === "none"))(
  "under %s request n has the same work for each task, and so has any number of replicas",
  (preset) => {
    for (const count of [1, 2, 5]) {
      expect(fates(document(preset, count))).toEqual(reference);
    }
  },
);

test("nor do network, gateway and a slower machine change a request's branches", () => {
  const network = { rttMs: 1, clientRttMs: 2 };
  const cluster = { ...document("fifo", 2).cluster, network, gateway: { arrivalUs: 300 } };
  expect(fates(document("fifo", 2, { cluster }))).toEqual(reference);
});

test("another replication has other requests", () => {
  const run = { seed: 2, replications: 1 };
  expect([...fates(document("fifo", 2, { run })).keys()]).not.toEqual(tasks);
});
