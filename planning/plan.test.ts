import { describe, expect, test } from "vitest";
import { parseScenario } from "../core/scenario/parse.ts";
import { goalsOf } from "../core/slo.ts";
import { IS_LONG } from "../core/test-form.test-support.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { NO_INPUTS } from "../sim/scenario.test-support.ts";
import { allocations } from "./allocations.ts";
import { marketOf } from "./machines.ts";
import { makePlans, type Plan, type PlanOptions } from "./plan.ts";
import { tryOut } from "./trial.ts";

const FIFO_ALONE: PlanOptions = { mostReplicas: 32, mostTrials: 300, schedulers: [] };

function load(text: string) {
  return parseScenario(text, "s.yaml", () => "", {}, { checkScheduler });
}

function plansOf(text: string, options: Partial<PlanOptions> = {}): readonly Plan[] {
  const steps = makePlans(load(text), NO_INPUTS, { ...FIFO_ALONE, ...options });
  let next = steps.next();
  while (next.done !== true) next = steps.next();
  return next.value;
}

function queue(ratePerS: number, more = ""): string {
  return `
name: queue
pipelines: { p: { slo: { latencyMs: 400, percentile: 95 }, tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: exponential, meanMs: 100 } } }
cluster: { replicas: { serve: 1 } }
workload: { arrivals: poisson, ratePerS: ${ratePerS}, requests: 20000, warmupS: 10 }
run: { seed: 1, replications: 10 }
${more}`;
}

/** Share of requests of M/M/c within `t` seconds, served in order of arrival. */
function withinMMc(servers: number, load: number, rate: number, t: number): number {
  let block = 1;
  for (let n = 1; n <= servers; n++) block = (load * block) / (n + load * block);
  const waits = (servers * block) / (servers - load * (1 - block));
  const spare = servers - 1 - load;
  return 1 - Math.exp(-rate * t) * (1 + (waits * (1 - Math.exp(-rate * t * spare))) / spare);
}

describe("a plan for one queue", () => {
  // Loads at which neither the number nor the one below comes near the goal of 95 %.
  test.each([[12], [42], [93]])("has the servers of M/M/c at %i requests a second", (ratePerS) => {
    const share = (servers: number): number => withinMMc(servers, ratePerS / 10, 10, 0.4);
    let least = Math.floor(ratePerS / 10) + 1;
    while (share(least) < 0.95) least++;
    expect(share(least)).toBeGreaterThan(0.955);
    const [{ candidates }] = plansOf(queue(ratePerS));
    expect(candidates[0].search.found?.replicas).toEqual([least]);
    const within = candidates[0].search.found?.trial.kept[0].attainment.mean;
    expect(within).toBeCloseTo(share(least), 1);
  });

  test("is none where a service alone takes too long", () => {
    const [{ candidates }] = plansOf(queue(12).replace("400, percentile: 95", "100"));
    expect(candidates[0].search).toMatchObject({ found: null, proven: true, trials: 1 });
    // 1 − 1/e of exponential services are within their mean.
    expect(candidates[0].search.missed?.kept[0].attainment.mean).toBeCloseTo(0.632, 2);
  });

  test("is made for each load that is swept, within the replicas that are swept", () => {
    const sweep = "sweep: { workload.ratePerS: [12, 93], cluster.replicas.serve: [2, 6, 9] }";
    const plans = plansOf(queue(12, sweep));
    expect(plans.map(({ parameters }) => parameters["workload.ratePerS"])).toEqual([12, 93]);
    const [few, many] = plans.map(({ candidates }) => candidates[0].search.found);
    expect(few?.replicas[0]).toBeLessThan(9);
    expect(many).toBeNull();
  });

  test("compares schedulers, the cheapest first", () => {
    const [{ candidates }] = plansOf(queue(42), { schedulers: ["random", "fifo"] });
    expect(candidates.map(({ scheduler }) => scheduler)).toEqual(["fifo", "random"]);
    const [central, blind] = candidates.map(({ search }) => search.found?.machines.cost ?? 0);
    expect(central).toBeLessThan(blind);
  });

  test("names the simplest first of those that cost and keep as much, and clearly worse ones last", () => {
    const sweep = "sweep: { scheduler: [random, edf, fifo], cluster.replicas.serve: [8] }";
    const [{ candidates }] = plansOf(queue(42, sweep).replace("percentile: 95", "percentile: 80"));
    expect(new Set(candidates.map(({ cost }) => cost))).toEqual(new Set([8]));
    // Without deadlines of their own requests are as urgent as they are old.
    expect(candidates.map(({ scheduler }) => scheduler)).toEqual(["fifo", "edf", "random"]);
  });
});

test("a trial asks for as many requests as tell, and takes no late one in a few for none at all", () => {
  const text = queue(1)
    .replace("percentile: 95", "percentile: 99")
    .replace("20000, warmupS: 10", "50");
  const { document } = load(text.replace("exponential", "deterministic"));
  const { meets, replications, kept } = tryOut(document, NO_INPUTS, goalsOf(document));
  expect({ meets, replications }).toEqual({ meets: true, replications: 8 });
  expect(kept[0].attainment).toEqual({ mean: 1, halfWidth95: 0 });
  const few = { ...document, run: { ...document.run, replications: 7 } };
  expect(tryOut(few, NO_INPUTS, goalsOf(few))).toMatchObject({ meets: false, replications: 7 });
});

const TWO = `
name: two
pipelines:
  p:
    slo: { latencyMs: 250 }
    tasks:
      a: { model: slow }
      b: { model: quick, after: [a], when: { probability: 0.5 } }
models:
  slow: { service: { distribution: gamma, meanMs: 60, cv: 0.4 } }
  quick: { service: { distribution: exponential, meanMs: 25 } }
cluster:
  nodes:
    - { name: big, count: 2, devices: { gpu: 3 }, costPerHour: 2 }
    - { name: small, count: 4, devices: { gpu: 1 }, costPerHour: 0.8 }
  replicas: { a: 1, b: 1 }
workload: { arrivals: poisson, ratePerS: 50, requests: 6000, warmupS: 5 }
run: { seed: 4, replications: 10 }
`;

if (IS_LONG) {
  test("a plan on machines is the cheapest of all of them", () => {
    const [{ candidates }] = plansOf(TWO);
    const { found, proven } = candidates[0].search;
    const { document } = load(TWO);
    const goals = goalsOf(document);
    const all = marketOf(document.cluster, 10).choices.flatMap(({ cost, slots, nodes }) => {
      const high = [slots, slots];
      return [...allocations(slots, { low: [1, 1], high })].map(([a, b]) => {
        const cluster = { ...document.cluster, nodes, replicas: { a, b } };
        return { cost, ...tryOut({ ...document, cluster }, NO_INPUTS, goals) };
      });
    });
    expect(all.length).toBeGreaterThan(40);
    expect(proven).toBe(true);
    expect(found?.machines.cost).toBe(all.find(({ meets }) => meets)?.cost);
    expect(found?.trial.kept[0].attainment.mean).toBeGreaterThan(0.99);
  });
}

test("so it is where some have little memory: a large model takes the room that it needs", () => {
  const text = TWO.replace(
    "count: 2, devices: { gpu: 3 }",
    "devices: { gpu: { slots: 3, memoryMb: 9000 } }",
  )
    .replace("devices: { gpu: 1 }", "devices: { gpu: { slots: 1, memoryMb: 4000 } }")
    // Replicas of the task that takes its slots last.
    .replace("meanMs: 25 } }", "meanMs: 25 }, memoryMb: 8000 }");
  const [{ candidates }] = plansOf(text);
  const { found, proven, withoutRoom } = candidates[0].search;
  const { document } = load(text);
  const goals = goalsOf(document);
  const kept = marketOf(document.cluster, 10).choices.filter(({ slots, nodes }) =>
    [...allocations(slots, { low: [1, 1], high: [slots, slots] })].some(([a, b]) => {
      // On the large machine as many of b as there are, then those of a that the small ones leave.
      const small = nodes?.find(({ name }) => name === "small")?.count ?? 0;
      if (b + Math.max(0, a - small) > slots - small) return false;
      const placement = [
        { task: "b", node: "big", replicas: b },
        ...(a > small ? [{ task: "a", node: "big", replicas: a - small }] : []),
        ...(small > 0 ? [{ task: "a", node: "small", replicas: Math.min(a, small) }] : []),
      ];
      const cluster = { ...document.cluster, nodes, replicas: { a, b }, placement };
      return tryOut({ ...document, cluster }, NO_INPUTS, goals).meets;
    }),
  );
  expect(proven).toBe(true);
  expect(found?.machines.cost).toBe(kept[0].cost);
  // One to four small ones alone.
  expect(withoutRoom).toBeGreaterThan(0);
});

/** As two kinds of machines, of which a cheap one would do for the first task. */
const UNLIKE = `
name: unlike
pipelines:
  p:
    slo: { latencyMs: 300, percentile: 99 }
    tasks: { pre: { model: pre }, big: { model: big, after: [pre] } }
models:
  pre: { service: { distribution: deterministic, meanMs: 5 } }
  big: { service: { distribution: lognormal, meanMs: 60, cv: 0.5 } }
cluster:
  nodes:
    - { name: gpu, count: 4, devices: { gpu: 1 }, costPerHour: 2.5 }
    - { name: cpu, count: 4, devices: { cpu: { slots: 1, speed: 0.25 } }, costPerHour: 0.1 }
  replicas: { pre: 1, big: 1 }
workload: { arrivals: poisson, ratePerS: 5, requests: 4000, warmupS: 10 }
run: { seed: 1, replications: 8 }
`;

test("a plan that places replicas by default does not claim what another placement disproves", () => {
  const [{ candidates }] = plansOf(UNLIKE);
  const [{ cost, notSearched, placement }] = candidates;
  expect(cost).toBe(5);
  expect(notSearched).toEqual(["placement"]);
  expect(placement).toMatchObject({
    gpu: { machinesUsed: 2, machines: 4, replicas: { pre: 1, big: 1 } },
    cpu: { machinesUsed: 0, machines: 4, replicas: {} },
  });
  const { document } = load(UNLIKE);
  const by = (task: string, node: string) => ({ task, node, replicas: 1 });
  const cluster = { ...document.cluster, placement: [by("pre", "cpu"), by("big", "gpu")] };
  const other = tryOut({ ...document, cluster }, NO_INPUTS, goalsOf(document));
  expect(other).toMatchObject({ meets: true });
  expect(other.costPerHour).toBeCloseTo(2.6, 9);
});

describe("a plan leaves out of its search", () => {
  const leftOut = (text: string, options: Partial<PlanOptions> = {}) =>
    plansOf(text, options)[0].candidates[0].notSearched;
  const quick = TWO.replace("requests: 6000", "requests: 600");

  test.each([
    ["nothing where all kinds are alike", quick, []],
    [
      "nothing where one task alone has two kinds",
      UNLIKE.replace(", big: { model: big, after: [pre] }", "").replace("pre: 1, big: 1", "pre: 1"),
      [],
    ],
    [
      "nothing where all that is cheaper is of one kind",
      UNLIKE.replace("devices: { gpu: 1 }", "devices: { gpu: 2 }"),
      [],
    ],
    [
      "placements where devices differ in speed",
      quick.replace(
        "small, count: 4, devices: { gpu",
        "small, count: 4, devices: { tpu: { slots: 1, speed: 2 }, gpu",
      ),
      ["placement"],
    ],
    [
      "which replicas share a machine where they slow each other down",
      quick.replace("gpu: 3 }", "gpu: 3 }, contention: [1, 1, 1.1]"),
      ["placement", "colocation"],
    ],
    [
      "which replicas share a machine where machines crash",
      `${quick}faults: { random: [{ kind: crash, node: big, mtbfS: 1000, mttrS: 1 }] }\n`,
      ["placement", "colocation"],
    ],
    [
      "several replicas on a slot where it may be shared",
      quick.replace("devices: { gpu: 3 }", "devices: { gpu: { slots: 3, shared: true } }"),
      ["sharing"],
    ],
  ])("%s", (_, text, expected) => {
    expect(leftOut(text)).toEqual(expected);
  });

  test("what the bound on trials cuts off", () => {
    expect(leftOut(UNLIKE, { mostTrials: 1 })).toEqual(["trials", "placement"]);
  });

  test("more machines that scaling would switch off for longer, and bills those that run", () => {
    const [{ candidates }] = plansOf(`
name: scaled
pipelines: { p: { slo: { latencyMs: 400, percentile: 95 }, tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: exponential, meanMs: 100 } } }
cluster:
  nodes: [{ name: n, count: 16, devices: { gpu: 1 }, costPerHour: 2 }]
  replicas: { serve: 1 }
scheduler: { scaling: { policy: target-utilization, target: 0.5, intervalS: 1, downWindowS: 5 } }
workload: { arrivals: ramp, rates: [{ atS: 0, ratePerS: 5 }, { atS: 60, ratePerS: 50 }], durationS: 60 }
run: { seed: 1, replications: 5 }
`);
    const [{ cost, notSearched, search }] = candidates;
    expect(notSearched).toEqual(["scaling"]);
    expect(cost).toBe(search.found?.trial.costPerHour);
    expect(cost).toBeLessThan(0.9 * (search.found?.machines.cost ?? 0));
  });
});

test("a plan puts no model where it does not fit", () => {
  const text = TWO.replace("gpu: 3", "gpu: { slots: 3, memoryMb: 9000 }")
    .replace(
      "count: 4, devices: { gpu: 1 }",
      "count: 9, devices: { cpu: { slots: 1, memoryMb: 4000 } }",
    )
    .replace("costPerHour: 0.8", "costPerHour: 0.1")
    .replace("cv: 0.4 } }", "cv: 0.4 }, memoryMb: 8000 }");
  const [{ candidates }] = plansOf(text);
  // Small ones alone would do at a tenth of the price.
  const { big } = candidates[0].search.found?.machines.counts ?? {};
  expect(big).toBeGreaterThan(0);
});

describe("what no plan can be made of is refused", () => {
  test("a scenario without a goal", () => {
    const text = queue(12).replace("slo: { latencyMs: 400, percentile: 95 }, ", "");
    expect(() => plansOf(text)).toThrow(/no pipeline has a goal/);
  });

  test("a placement of its own", () => {
    const node =
      "nodes: [{ name: n, devices: { gpu: 2 } }], placement: [{ task: serve, node: n, replicas: 1 }], ";
    expect(() => plansOf(queue(12).replace("cluster: { ", `cluster: { ${node}`))).toThrow(
      /says where each replica runs/,
    );
  });

  test.each([["node: big-2"], ["replica: a-1"]])("a fault of %s alone", (what) => {
    const faults = `faults: { scheduled: [{ kind: crash, ${what}, atS: 9, forS: 2 }] }`;
    expect(() => plansOf(`${TWO}${faults}`)).toThrow(/a plan could do without (big-2|a-1)/);
  });

  test("points instead of a grid", () => {
    expect(() => plansOf(queue(12, "sweep: { points: [{ workload.ratePerS: 3 }] }"))).toThrow(
      /no grid to plan with/,
    );
  });

  test("more machines than can be listed", () => {
    const groups = Array.from(
      { length: 6 },
      (_, i) => `{ name: n${i}, count: 9, devices: { gpu: 1 } }`,
    );
    const text = queue(12).replace("cluster: { ", `cluster: { nodes: [${groups.join()}], `);
    expect(() => plansOf(text)).toThrow(/too many to plan with/);
  });
});
