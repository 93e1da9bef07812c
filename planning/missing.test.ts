/** Problems without a solution that are told before any search, with the figure that is missing. */
import { describe, expect, test } from "vitest";
import { finished } from "../engine/basics/iterables.ts";
import { parseScenario } from "../scenario/parse.ts";
import { issuesOf } from "../scenario/reading/issues.test-support.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { NO_INPUTS } from "../sim/scenario.test-support.ts";
import { makePlans, type Plan } from "./plan.ts";
import { solve } from "./solve.test-support.ts";

/** Two tasks, 40 and 20 ms, on four slots of 1000 MB. */
const TWO = `
name: two
pipelines: { p: { slo: { latencyMs: 250, percentile: 95 }, tasks: { detect: { model: big }, plate: { model: small, after: [detect] } } } }
models:
  big: { service: { distribution: gamma, meanMs: 40, cv: 0.5 }, memoryMb: 500 }
  small: { service: { distribution: gamma, meanMs: 20, cv: 0.4 } }
cluster:
  nodes: [{ name: n, count: 4, devices: { gpu: { slots: 1, memoryMb: 1000 } } }]
  replicas: { detect: 1, plate: 1 }
workload: { arrivals: poisson, ratePerS: 10, durationS: 20, warmupS: 2 }
run: { seed: 1, replications: 5 }
`;

function load(text: string) {
  return parseScenario(text, "s.yaml", () => "", {}, { checkScheduler });
}

const OPTIONS = { mostReplicas: 64, schedulers: [], solve } as const;

/** Told at the first step that knows the problem, before a request is simulated. */
function missingOf(text: string, mostReplicas = 64) {
  const steps = makePlans(load(text), NO_INPUTS, { ...OPTIONS, mostReplicas });
  for (let next = steps.next(); next.done !== true; next = steps.next()) {
    const { combinations, requests, standing } = next.value;
    if (combinations > 0) return { missing: standing?.missing, requests };
  }
  return null;
}

test.each([
  [
    "an SLO below the service times",
    [["latencyMs: 250", "latencyMs: 50"]],
    /take up to \d+ ms without any wait .* SLO is 50 ms/,
  ],
  [
    "a load beyond all machines of a task",
    [["ratePerS: 10", "ratePerS: 200"]],
    /^detect has 200\.0 jobs per second to do, and 4 replicas, .* do 100\.0: at least 9 of the fastest are needed$/,
  ],
  [
    "a load beyond all machines together",
    [["ratePerS: 10", "ratePerS: 70"]],
    /^detect 3, plate 2: at least 5 replicas are needed, and all machines together have 4 slots/,
  ],
  [
    "more replicas of a large model than slots that hold it",
    [
      [
        "memoryMb: 1000 } }",
        "memoryMb: 400 } } }, { name: m, count: 2, devices: { gpu: { slots: 1, memoryMb: 1000 } }",
      ],
      ["detect: 1, plate: 1", "detect: 2, plate: 1"],
      ["run:", "sweep: { cluster.replicas.detect: [3, 4] }\nrun:"],
    ],
    /^detect 3: at least 3 replicas are needed, and all machines together have 2 slots/,
  ],
] as const)("%s", (_, changes, message) => {
  const text = changes.reduce((before, [from, to]) => before.replace(from, to), TWO);
  expect(missingOf(text)).toMatchObject({ missing: expect.stringMatching(message), requests: 0 });
});

test("nothing is missing where a search has to tell", () => {
  expect(missingOf(TWO)).toEqual({ missing: null, requests: 0 });
});

test("slow devices that come first are not taken for all that there may be", () => {
  const slow = "{ name: s, count: 4, devices: { cpu: { slots: 1, speed: 0.1 } } }";
  const text = TWO.replace("nodes: [", `nodes: [${slow}, `);
  expect(missingOf(text, 4)).toEqual({ missing: null, requests: 0 });
});

const FAST_AND_SLOW = TWO.replace(
  "nodes: [",
  "nodes: [{ name: s, count: 4, devices: { cpu: { slots: 1, speed: 0.5 } } }, ",
);

test("as many replicas as are allowed are counted once, on the kinds that do most", () => {
  const { missing } = missingOf(FAST_AND_SLOW.replace("ratePerS: 10", "ratePerS: 150"), 5) ?? {};
  // 4 fast ones of 40 ms and a slow one of 80 ms; all eight slots do 150.
  expect(missing).toMatch(
    /^detect has 150\.0 jobs per second to do, and 5 replicas, .* do 112\.5: at least 7 of/,
  );
});

test("batches in which replicas do more are named with what they do", () => {
  const text = TWO.replace(
    "meanMs: 40, cv: 0.5",
    "meanMs: 40, cv: 0.5, batch: { marginal: 0.5, max: 8 }",
  );
  const options = { ...OPTIONS, schedulers: ["random"] };
  const steps = makePlans(load(text.replace("ratePerS: 10", "ratePerS: 200")), NO_INPUTS, options);
  const told = [...steps].flatMap(({ standing }) => standing?.missing ?? []);
  // 8 jobs take 40 + 7 × 20 ms.
  expect(told[0]).toMatch(
    /4 replicas, all that there may be, do 177\.8 in batches of 8: at least 5 /,
  );
});

test.each([
  [
    "machines that are all too small, by the largest of them",
    "memoryMb: 1000 } } }",
    "memoryMb: 300 } } }, { name: m, count: 1, devices: { gpu: { slots: 1, memoryMb: 400 } } }",
    /a slot has 300 MB, but needs 500 MB for model big; the largest of all has 400 MB$/,
  ],
  [
    "machines that hold no replica",
    "memoryMb: 500",
    "memoryMb: 2000",
    /a slot has 1000 MB, but needs 2000 MB for model big/,
  ],
  [
    "machines with too few slots for the tasks",
    "count: 4",
    "count: 1",
    /2 replicas, but the nodes have 1 device slot/,
  ],
  [
    "a placement of other replicas",
    "plate: 1 }",
    "plate: 1 }\n  placement: [{ task: detect, node: n, replicas: 3 }]",
    /task "detect" has 1 replicas, but 3 are placed/,
  ],
])("%s are refused with the figure", (_, from, to, message) => {
  const messages = issuesOf(() => load(TWO.replace(from, to))).map((one) => one.message);
  expect(messages.join("\n")).toMatch(message);
});

test("a placement that says where each replica runs leaves nothing to plan", () => {
  const placement =
    "placement: [{ task: detect, node: n, replicas: 1 }, { task: plate, node: n, replicas: 1 }]";
  const text = TWO.replace("plate: 1 }", `plate: 1 }\n  ${placement}`);
  expect(() => missingOf(text)).toThrow(/cluster\.placement says where each replica runs/);
});

/** 60 requests at once. */
function burst(tasks: readonly string[], nodes: string): string {
  const after = (t: number): string => (t === 0 ? "" : `, after: [${tasks[t - 1]}]`);
  return `
name: burst
pipelines: { p: { slo: { latencyMs: ${250 * tasks.length}, percentile: 95 }, tasks: { ${tasks.map((task, t) => `${task}: { model: m${after(t)} }`).join(", ")} } } }
models: { m: { service: { distribution: gamma, meanMs: 100, cv: 0.5 } } }
cluster: { nodes: [${nodes}], replicas: { ${tasks.map((task) => `${task}: 1`).join(", ")} } }
workload: { arrivals: burst, requests: 60 }
run: { seed: 1, replications: 5 }
`;
}

function planOf(text: string, schedulers: readonly string[] = []): Plan {
  return finished(makePlans(load(text), NO_INPUTS, { ...OPTIONS, schedulers }))[0];
}

const machines = (count: number): string => `{ name: n, count: ${count}, devices: { gpu: 1 } }`;
const SLOW = "{ name: s, count: 90, devices: { cpu: { slots: 1, speed: 0.25 } } }";

describe("machines too few for a load that bounds take for possible", () => {
  // 57 of 60 requests of 100 ms in 250 ms take 23 replicas by the traffic equations.
  test.each([
    ["of one task", ["a"], machines(24), /^a \d+: .* and all machines together have 24 slots/],
    [
      "of two tasks, each of which would have enough",
      ["a", "b"],
      machines(30),
      /^a \d+, b \d+: .* and all machines together have 30 slots/,
    ],
    [
      "of a kind beside which slower ones are too slow",
      ["a"],
      `${machines(12)}, ${SLOW}`,
      /^a \d+: .* and all machines as fast as n have 12 slots/,
    ],
  ])("%s are told after some looks, for every scheduler", (_, tasks, nodes, message) => {
    const plan = planOf(burst(tasks, nodes), ["fifo", "join-shortest-queue"]);
    expect(missingOf(burst(tasks, nodes))?.missing).toBeNull();
    expect(plan).toMatchObject({ state: "none", missing: expect.stringMatching(message) });
    expect(plan.explored.simulated).toBeLessThan(100);
    const [, needed, there] =
      /at least (\d+) replicas .* have (\d+) slots/.exec(plan.missing ?? "") ?? [];
    expect(Number(needed)).toBeGreaterThan(Number(there));
  });

  test("are no more than a plan takes where there are enough, with which there is a plan", () => {
    const [, needed] =
      /at least (\d+)/.exec(planOf(burst(["a"], machines(24))).missing ?? "") ?? [];
    const { best, missing } = planOf(burst(["a"], machines(64)));
    const taken = best?.machines?.n ?? 0;
    expect([missing, Number(needed) <= taken]).toEqual([null, true]);
    expect(planOf(burst(["a"], machines(taken))).best?.cost).toBe(taken);
  });
});
