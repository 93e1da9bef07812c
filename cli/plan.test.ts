import { mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { planDocument, plannedScenario, planText } from "../library/plan-results.ts";
import type { Answer, Plan } from "../planning/plan.ts";
import { nothingFound } from "../planning/standing.ts";
import { scenarioSchema } from "../scenario/schema/scenario.ts";
import { tandemHere } from "./tandem-here.test-support.ts";

const scratch = temporaryFolder("plan");

const HEADER = {
  schema: "tandem/plan@3",
  planner: "descent" as const,
  scenario: { name: "s", digest: "d" },
  seed: 1,
  asked: { schedulers: [], maxReplicas: 64, window: "peak", promise: "long-run" },
  command: "npx tandem plan s.yaml",
} as const;

const BATCHES = {
  preset: "fifo",
  perTask: { big: { batching: { policy: "size-or-timeout", maxBatch: 4, waitMs: 0 } } },
};

const PLANNED = scenarioSchema.parse({
  name: "s",
  pipelines: { p: { tasks: { pre: { model: "m" }, big: { model: "m", after: ["pre"] } } } },
  models: { m: { service: { distribution: "exponential", meanMs: 10 } } },
  cluster: { replicas: { pre: 1, big: 1 } },
  scheduler: "fifo",
  workload: { arrivals: "poisson", ratePerS: 5, requests: 100 },
  run: { replications: 5 },
  validation: { points: [{ scheduler: "edf" }] },
});

function answer(scheduler: Answer["scheduler"], cost: number, load: Answer["point"] = {}): Answer {
  const gpu = { machinesUsed: 1, machines: 4, idleCostPerHour: 7.5, replicas: { big: 1 } };
  const cpu = { machinesUsed: 1, machines: 4, idleCostPerHour: 0.3, replicas: { pre: 1 } };
  return {
    scheduler,
    cost,
    parameters: {},
    replicas: { pre: 1, big: 1 },
    machines: { gpu: 1, cpu: 1 },
    placement: { gpu, cpu },
    replications: 8,
    kept: { p: { sloAttainmentRatio: { mean: 0.995, halfWidth95: 0.001 }, latencyMs: null } },
    point: { ...load, scheduler },
  };
}

const PLAN: Plan = {
  parameters: {},
  unit: "per hour",
  nearest: null,
  alike: ["edf"],
  notSearched: [],
  goals: [{ pipeline: "p", latencyMs: 300, percentile: 99 }],
  best: answer("fifo", 2.6),
  runnersUp: [answer(BATCHES, 2.7)],
  explored: { ...nothingFound().explored, combinations: 88, simulated: 3, requests: 79_000 },
  allCheaperTried: true,
  state: "confirmed",
  stopped: false,
  isIdle: true,
  lowerBound: 2.6,
  promise: "long-run",
  settlesS: null,
  window: null,
  needed: null,
  tried: [],
  missing: null,
  planned: PLANNED,
};

function shown(plan: Plan) {
  const document = planDocument(HEADER, [plan]);
  return { document, text: planText(document, 300, (points) => `simulate ${points.length}`) };
}

describe("a plan", () => {
  test("says where its replicas run, what came next, and what was explored", () => {
    const { document, text } = shown(PLAN);
    expect(document.plans[0]).toMatchObject({ allCheaperTried: true, notSearched: [] });
    expect(text).toMatch(/plan +fifo +2\.6 +pre 1, big 1 +gpu 1, cpu 1/);
    expect(text).toMatch(/runner-up +fifo, batches of big 4 +2\.7/);
    expect(text).toContain(
      "cheapest: fifo (in a pilot request for request as edf), confirmed on 8 fresh",
    );
    expect(text).toContain("gpu 1 of 4 machines (big 1); cpu 1 of 4 machines (pre 1)");
    expect(text).toMatch(/88 combinations looked at; 3 simulated with 79,000 requests/);
    expect(text).toContain("all that is cheaper was tried or ruled out");
    expect(document.headlines[0]).toMatch(
      /^cheapest, confirmed on 8 fresh replications: 2\.6 per hour, fifo, gpu 1 of 4/,
    );
  });

  test("claims no more than it searched", () => {
    const cut = { ...PLAN, notSearched: ["budget", "colocation"] as const, allCheaperTried: false };
    const { text, document } = shown({ ...cut, lowerBound: 2.47 });
    expect(text).toContain("cheapest found: fifo");
    expect(document.headlines[0]).toMatch(/^cheapest found, confirmed on 8 fresh replications: 2/);
    expect(shown({ ...cut, lowerBound: 2.56 }).text).toContain("\ncheapest: fifo");
    expect(text).toContain("the search ended as it found nothing cheaper any more (");
    const late = shown({ ...cut, isIdle: false }).text;
    expect(late).toContain("the search ended with little of its budget left (a larger");
    expect(text).not.toContain("all that is cheaper");
    expect(text).toContain("2.6 per hour; nothing cheaper than 2.47 per hour can keep the SLO");
    expect(text).toContain("a gap of 5 %");
    expect(text).toContain("without choosing which replicas share a machine");
    expect(text).toContain("(a larger `--budget` goes on): 2.6 per hour");
    const unbounded = shown({ ...PLAN, allCheaperTried: false, lowerBound: 0 }).text;
    expect(unbounded).toContain(
      "2.6 per hour; no cost is known below which nothing can keep the SLO",
    );
    const open = shown({ ...PLAN, lowerBound: 2.4 }).text;
    expect(open).toContain(
      "all that is cheaper was tried or ruled out; nothing cheaper than 2.4 per hour can keep the SLO, but for an error of 5 %",
    );
  });

  test("says what is not confirmed, and the length that would tell", () => {
    const needed = { replications: 340, because: null, durationS: 60 };
    const { document, text } = shown({ ...PLAN, state: "not confirmed", stopped: true, needed });
    expect(text).toMatch(/not confirmed +fifo +2\.6/);
    expect(text).toContain("340 replications of 60 s would probably tell (`--replications 340`)");
    expect(text).toContain("the search ended early");
    expect(text).toMatch(/^not confirmed: that the SLO is kept in the long run$/m);
    expect(document.headlines[0]).toMatch(/^best so far, not confirmed on fresh requests: 2\.6/);
  });

  test("tells runners-up that are cheaper, and so refused, from those that keep the SLO too", () => {
    const { document, text } = shown({
      ...PLAN,
      runnersUp: [answer("edf", 2.5), answer(BATCHES, 2.7)],
    });
    expect(text).toMatch(/not confirmed +edf +2\.5/);
    expect(text).toMatch(/runner-up +fifo, batches/);
    expect(document.headlines[0]).toMatch(/runner-up: fifo, batches of .*, 2\.7 per hour$/);
  });

  test("promises no long run where its runs are too short for that, and says how long would do", () => {
    const { text } = shown({ ...PLAN, promise: "runs", settlesS: 754 });
    expect(text).toMatch(/is kept for runs .*: close to full, a queue takes 750 s to settle/);
  });

  test("without a solution shows the nearest miss, and whether that is of all that was allowed", () => {
    const lost = { ...PLAN, best: null, planned: null, runnersUp: [], nearest: answer("fifo", 9) };
    expect(shown(lost).text).toMatch(/nearest +fifo +9 /);
    const explored = { ...PLAN.explored, simulated: 0 };
    const ruledOut = shown({ ...lost, explored }).text;
    expect(ruledOut).toContain("the nearest miss alone simulated with 79,000 requests");
    expect(shown(lost).text).toContain("nothing that was allowed keeps the SLO");
    const cut = shown({ ...lost, notSearched: ["budget"] });
    expect(cut.text).toContain("nothing that was tried keeps the SLO");
    expect(shown({ ...lost, nearest: null }).text).not.toMatch(/nearest|replicas +machines/);
    expect(plannedScenario([lost], PLANNED)).toBeNull();
    const near = (halfWidth95: number, replications: number) => {
      const kept = { p: { sloAttainmentRatio: { mean: 0.989, halfWidth95 }, latencyMs: null } };
      const nearest = { ...answer("fifo", 9), kept, replications };
      return shown({ ...lost, state: "none", nearest }).text;
    };
    expect(near(0.29, 3)).toMatch(/ 99 \(70–100\) [\s\S]*cannot tell: 3 replications leave open/);
    expect(near(0.0005, 3)).toMatch(/ 98\.900 ± 0\.050 /);
    expect(near(0.0005, 3)).not.toContain("cannot tell");
    expect(near(Number.NaN, 1)).not.toMatch(/±|cannot tell/);
  });

  test("is a scenario with requests that the search had not; of several loads, a sweep", () => {
    const one = plannedScenario([PLAN], PLANNED);
    expect(one).toMatchObject({
      scheduler: "fifo",
      run: { seed: 2, replications: 8 },
      validation: { repeats: 3 },
    });
    expect(one?.sweep).toBeUndefined();
    expect(one?.validation?.points).toBeUndefined();
    const workload = { ...PLANNED.workload, requests: 1_000_000 };
    const long = { ...PLAN, planned: { ...PLANNED, workload } as typeof PLANNED };
    expect(plannedScenario([long], PLANNED)?.run.replications).toBe(PLANNED.run.replications);
    const load = { "workload.ratePerS": 9 };
    const more = { ...PLAN, parameters: load, best: answer(BATCHES, 3, load) };
    expect(plannedScenario([PLAN, more], PLANNED)?.sweep).toMatchObject({
      points: [{ scheduler: "fifo" }, { "workload.ratePerS": 9, scheduler: BATCHES }],
    });
  });
});

test("progress names each load, its size, and its plan at once when that is confirmed", async () => {
  const folder = mkdtempSync(join(scratch, "plan-"));
  const queue = `
name: queue
pipelines: { p: { slo: { latencyMs: 400, percentile: 95 }, tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: exponential, meanMs: 100 } } }
cluster: { replicas: { serve: 1 } }
workload: { arrivals: poisson, ratePerS: 12, requests: 4000, warmupS: 10 }
run: { replications: 8 }
sweep: { workload.ratePerS: [12, 30] }
`;
  writeFileSync(join(folder, "s.yaml"), queue);
  const options = ["--schedulers", "none", "--out", "out"];
  const { code, stdout, stderr } = await tandemHere(folder, ["plan", "s.yaml", ...options]);
  expect(code, stderr).toBe(0);
  // Three runs of 4000 requests at 12/s.
  expect(stdout).toMatch(/next: .*\n`validate` takes at least 16 min 40 s/);
  expect(stderr.match(/combinations of machines, replicas and schedulers: 65/g)).toHaveLength(2);
  for (const load of [1, 2]) {
    const told = new RegExp(
      `plan: load ${load} of 2: \\d: serve \\d, \\S+ ± \\S+ % .*, confirmed;`,
    );
    expect(stderr).toMatch(told);
  }
});

test("progress tells the figure that is missing as soon as it is known, and once", async () => {
  const folder = mkdtempSync(join(scratch, "plan-"));
  const overloaded = `
name: overloaded
pipelines: { p: { slo: { latencyMs: 800, percentile: 95 }, tasks: { a: { model: m }, b: { model: m, after: [a] } } } }
models: { m: { service: { distribution: exponential, meanMs: 40 } } }
cluster:
  nodes:
    - { name: fast, count: 4, devices: { gpu: 1 }, costPerHour: 2 }
    - { name: slow, count: 4, devices: { cpu: { slots: 1, speed: 0.5 } }, costPerHour: 1 }
  replicas: { a: 1, b: 1 }
workload: { arrivals: poisson, ratePerS: 90, durationS: 20, warmupS: 2 }
run: { replications: 3 }
`;
  writeFileSync(join(folder, "s.yaml"), overloaded);
  const told = async (rate: number): Promise<string> => {
    const words = ["plan", "s.yaml", "--schedulers", "none", "--set", `workload.ratePerS=${rate}`];
    const { code, stderr } = await tandemHere(folder, words);
    expect(code, stderr).toBe(3);
    return stderr;
  };
  // All slots do 150 jobs per second; programs show that together they do less than the 180 of both tasks.
  expect((await told(90)).match(/plan: all tasks together have more to do/g)).toHaveLength(1);
  expect(await told(200)).toMatch(/; none is searched, .*\nplan: a has 200\.0 jobs per second/);
}, 60_000);

test("a plan without some kinds of machines runs as written and as printed, each load with the faults of its own", async () => {
  const folder = mkdtempSync(join(scratch, "plan-"));
  const spots = `
name: spots
pipelines: { p: { slo: { latencyMs: 400, percentile: 95 }, tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: exponential, meanMs: 40 }, demand: { cores: 1 } } }
cluster:
  nodes:
    - { name: own, count: 1, devices: { gpu: 1 }, costPerHour: 1, zone: near }
    - { name: spot, count: 4, devices: { gpu: 1 }, costPerHour: 3, zone: far, resources: { cores: 2 } }
  gateway: { zone: near }
  network: { rttMs: 1, zones: [{ between: [near, far], rttMs: 5 }] }
  replicas: { serve: 1 }
faults: { scheduled: [{ kind: slow, node: own, factor: 2, atS: 5, forS: 2 }, { kind: slow, node: spot, factor: 2, atS: 10, forS: 2 }] }
workload: { arrivals: poisson, ratePerS: 5, durationS: 60, warmupS: 5 }
run: { replications: 6 }
sweep: { workload.ratePerS: [5, 30], faults.scheduled.0.forS: [1] }
`;
  writeFileSync(join(folder, "s.yaml"), spots);
  const words = ["plan", "s.yaml", "--schedulers", "none", "--out", "out"];
  const { code, stdout, stderr } = await tandemHere(folder, words);
  expect(code, stderr).toBe(0);
  const { plans } = JSON.parse(readFileSync(join(folder, "out/plan.json"), "utf8"));
  expect(plans.map(({ best }: Plan) => best?.machines?.spot)).toEqual([0, expect.any(Number)]);
  expect(plans[0].best.point.faults.scheduled).toHaveLength(1);
  expect(plans[0].best.point["faults.scheduled.0.forS"]).toBe(1);
  expect(plans[1].best.point.faults).toBeUndefined();
  const [, printed] = /simulate s.yaml (.*)/.exec(stdout) ?? expect.fail(stdout);
  const sweep = /'(sweep=.*)'/.exec(printed)?.[1] ?? expect.fail(printed);
  const simulated = await tandemHere(folder, ["simulate", "s.yaml", "--set", sweep]);
  expect(simulated.code, simulated.stderr).toBe(0);
}, 60_000);
