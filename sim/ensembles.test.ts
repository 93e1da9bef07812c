/** Ensembles in simulated runs: votes, confidence, stragglers, and weights that are learnt. */
import { describe, expect, test } from "vitest";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { replayLog } from "../engine/record/replay.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { replicationSeed, runReplication } from "./replication.ts";
import { NO_INPUTS, scenarioOf } from "./scenario.test-support.ts";

const REQUESTS = 2500;

interface Setup {
  readonly ensemble?: object;
  readonly accuracies?: Readonly<Record<string, number>>;
  readonly service?: Readonly<Record<string, object>>;
  readonly scheduler?: unknown;
  readonly more?: object;
  readonly slo?: object;
}

const SAME = { a: 0.8, b: 0.8, c: 0.8 };

function scenario({ ensemble = {}, accuracies = SAME, scheduler, more, slo, service }: Setup) {
  const names = Object.keys(accuracies);
  return scenarioOf({
    pipelines: { p: { slo, tasks: { guess: { variants: names, ensemble }, ...more } } },
    models: {
      ...Object.fromEntries(
        Object.entries(accuracies).map(([name, accuracy]) => [
          name,
          {
            service: service?.[name] ?? { distribution: "exponential", meanMs: 2 },
            accuracy,
          },
        ]),
      ),
      sure: { service: { distribution: "deterministic", meanMs: 1 } },
    },
    cluster: {
      replicas: { ...Object.fromEntries(names.map((name) => [`guess@${name}`, 4])), after: 4 },
    },
    workload: { arrivals: "poisson", ratePerS: 200, requests: REQUESTS },
    scheduler: scheduler ?? { selection: "all-variants" },
  });
}

const after = { after: { model: "sure", after: ["guess"] } };

function run(setup: Setup, replication = 0) {
  const document = scenario({ more: after, ...setup });
  return runReplication(document, NO_INPUTS, replication).summary;
}

/** Four standard deviations of a mean of 0s and 1s. */
const slack = (share: number): number => 4 * Math.sqrt((share * (1 - share)) / REQUESTS);

describe("votes of three that err apart", () => {
  test("are right as often as two of three are, with the confidence of the binomial", () => {
    const { metrics, tasks } = run({ ensemble: { classes: 2, minConfidence: 0.7 } });
    const right = 0.8 ** 3 + 3 * 0.8 ** 2 * 0.2;
    const unanimous = 0.8 ** 3 + 0.2 ** 3;
    expect(Math.abs((metrics.accuracyMean ?? 0) - right)).toBeLessThan(slack(right));
    expect(Math.abs((metrics.unsureRatio ?? 0) - (1 - unanimous))).toBeLessThan(slack(unanimous));
    const confidence = unanimous + (2 / 3) * (1 - unanimous);
    expect(Math.abs((metrics.confidenceMean ?? 0) - confidence)).toBeLessThan(0.01);
    for (const name of ["a", "b", "c"]) expect(tasks[`guess@${name}`].jobs).toBe(REQUESTS);
    expect(tasks.after.jobs).toBe(REQUESTS);
  });

  test("are no better than one where they err together", () => {
    const { metrics } = run({ ensemble: { classes: 2, sharedErrors: 1, minConfidence: 1 } });
    expect(Math.abs((metrics.accuracyMean ?? 0) - 0.8)).toBeLessThan(slack(0.8));
    expect(metrics).toMatchObject({ confidenceMean: 1, unsureRatio: 0 });
  });

  test("give the fallback below the least confidence, right as often as it says", () => {
    const ensemble = { classes: 2, minConfidence: 1, fallback: { label: "ask", accuracy: 0.5 } };
    const { accuracyMean = 0, unsureRatio = 0 } = run({ ensemble }).metrics;
    const unanimous = 0.8 ** 3 + 0.2 ** 3;
    expect(Math.abs(unsureRatio - (1 - unanimous))).toBeLessThan(slack(unanimous));
    const expected = 0.8 ** 3 + 0.5 * (1 - unanimous);
    expect(Math.abs(accuracyMean - expected)).toBeLessThan(slack(expected));
  });
});

describe("a selection of one variant", () => {
  test("asks one of an ensemble too, whose answer then has all the weight", () => {
    const { metrics, tasks } = run({ scheduler: { selection: "exp3" } });
    const jobs = ["a", "b", "c"].map((name) => tasks[`guess@${name}`].jobs);
    expect(jobs.reduce((sum, each) => sum + each)).toBe(REQUESTS);
    expect(metrics).toMatchObject({ confidenceMean: 1, unsureRatio: 0 });
    expect(Math.abs((metrics.accuracyMean ?? 0) - 0.8)).toBeLessThan(slack(0.8));
  });
});

describe("Exp4", () => {
  const accuracies = { poor: 0.55, bad: 0.5, worse: 0.45, good: 0.9 };

  test("learns from feedback whose votes count: as accurate as the best, where equal votes are not", () => {
    const accuracyOf = (selection: unknown): number =>
      run({ accuracies, ensemble: { classes: 2 }, scheduler: { selection } }).metrics
        .accuracyMean ?? 0;
    const equal = accuracyOf("all-variants");
    const learnt = accuracyOf("exp4");
    expect(equal).toBeLessThan(0.72);
    expect(learnt).toBeGreaterThan(0.86);
  });

  test("moves each weight by e^(−η loss), exactly as its log says", () => {
    const document = scenario({ accuracies, scheduler: { selection: "exp4" } });
    const log = new RunLog();
    runReplication(document, NO_INPUTS, 0, { log });
    const system = compileSystem(document, NO_INPUTS);
    const { tasks } = system.pipelines[0];
    const weights = new Map<number, number>();
    const weightOf = (pool: number): number => weights.get(pool) ?? 1;
    let answers: [pool: number, label: number][] = [];
    let votes = 0;
    for (const [kind, , b, c, d] of log.entries) {
      if (kind === "feed") weights.set(b, weightOf(b) * Math.exp((-0.01 * c) / 1e6));
      if (kind === "answer") answers.push([tasks[b].pool, c]);
      if (kind !== "vote") continue;
      votes++;
      const all = system.pools.reduce((sum, _, pool) => sum + weightOf(pool), 0);
      const agreeing = answers.filter(([, label]) => label === c);
      const own = agreeing.reduce((sum, [pool]) => sum + weightOf(pool), 0);
      expect(Math.abs(own / all - d / 1e6)).toBeLessThan(2e-6);
      answers = [];
    }
    expect(votes).toBe(REQUESTS);
  });
});

describe("a straggler of an ensemble", () => {
  const service = { c: { distribution: "lognormal", meanMs: 10, cv: 4 } };
  const setup: Setup = { service, ensemble: { classes: 2 }, slo: { latencyMs: 20 }, more: {} };
  const selection = "all-variants";
  const controller = { policy: "join-deadline", share: 0.75 };

  test("has no vote at the deadline: p99 falls, and so does the confidence", () => {
    const waiting = run({ ...setup, scheduler: { selection } }).metrics;
    const hurried = run({ ...setup, scheduler: { selection, controller } }).metrics;
    expect(waiting.latencyP99Ms).toBeGreaterThan(60);
    expect(hurried.latencyP99Ms).toBeLessThan(20);
    expect(hurried.imputedRatio).toBeGreaterThan(0.05);
    expect(hurried.confidenceMean ?? 1).toBeLessThan((waiting.confidenceMean ?? 0) - 0.01);
    expect(hurried.accuracyMean ?? 0).toBeGreaterThan((waiting.accuracyMean ?? 1) - 0.05);
  });

  test.each([
    {},
    after,
    { other: { model: "sure" }, after: { model: "sure", after: ["guess", "other"] } },
  ])("or before the task after it, and the log replays: %j", (more) => {
    const document = scenario({
      ...setup,
      more,
      scheduler: { preset: "clipper", selection: "exp4", controller },
    });
    const log = new RunLog();
    const { metrics } = runReplication(document, NO_INPUTS, 0, { log }).summary;
    expect(metrics.dropRatio).toBe(0);
    const system = compileSystem(document, NO_INPUTS);
    const make = createScheduler(document.scheduler, system, replicationSeed(1, 0));
    expect(log.entries.filter(([kind]) => kind === "vote")).toHaveLength(REQUESTS);
    expect(log.entries.some(([kind]) => kind === "impute")).toBe(true);
    expect(replayLog(system, make, log).divergence).toBeNull();
  });
});

test("all members share one condition, and a skipped ensemble has no vote", () => {
  const document = scenarioOf({
    pipelines: {
      p: {
        tasks: {
          first: { model: "a" },
          guess: {
            variants: ["a", "b"],
            ensemble: {},
            after: ["first"],
            when: { probability: 0.3 },
          },
        },
      },
    },
    models: Object.fromEntries(
      ["a", "b"].map((name) => [
        name,
        { service: { distribution: "exponential", meanMs: 2 }, accuracy: 1 },
      ]),
    ),
    cluster: { replicas: { first: 4, "guess@a": 2, "guess@b": 2 } },
    workload: { arrivals: "poisson", ratePerS: 100, requests: 2000 },
    scheduler: { selection: "all-variants" },
  });
  const log = new RunLog();
  const { summary } = runReplication(document, NO_INPUTS, 0, { log });
  const { jobs } = summary.tasks["guess@a"];
  expect(jobs).toBeGreaterThan(500);
  expect(summary.tasks["guess@b"].jobs).toBe(jobs);
  expect(log.entries.filter(([kind]) => kind === "vote")).toHaveLength(jobs);
  expect(summary.metrics.confidenceMean).toBe(1);
});
