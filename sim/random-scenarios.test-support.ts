/**
 * Random scenarios, as a user could write them: any acyclic pipelines, shapes, schedulers of the
 * registry and workloads that end. Each passes the parser and all checks, or the generator is
 * wrong. Small, so that a property can run hundreds.
 */
import fc from "fast-check";
import { Fault } from "../engine/basics/fault.ts";
import { parseScenario } from "../scenario/parse.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { checkScheduler } from "../schedulers/check-scheduler.ts";
import { COMPOSITIONS } from "../schedulers/compositions.test-support.ts";

const NAMES = ["a", "b", "c", "d", "e"];

const MODELS: readonly unknown[] = [
  { distribution: "deterministic", meanMs: 2 },
  { distribution: "exponential", meanMs: 4, batch: { marginal: 0.3, max: 4 } },
  { distribution: "lognormal", meanMs: 3, cv: 1.2, batch: { marginal: 0 } },
  { distribution: "gamma", meanMs: 5, cv: 0.6 },
  { distribution: "empirical", samplesMs: [1, 1, 2, 8], batch: { marginal: 0.5, max: 3 } },
];
const models = Object.fromEntries(MODELS.map((service, i) => [`model-${i}`, { service }]));
/** The same with loads; of those passing, two fit on a slot of 100 MB beside those that stay. */
const loaded = Object.fromEntries(
  MODELS.map((service, i) => {
    const residency = ["on-demand", "per-call", "on-demand", "always", "on-demand"][i];
    return [`model-${i}`, { service, memoryMb: 30, loadMs: 0.5 + i, residency }];
  }),
);

interface Plan {
  readonly count: number;
  readonly edges: readonly boolean[];
  readonly joins: readonly unknown[];
  readonly chances: readonly (number | null)[];
  readonly models: readonly number[];
  readonly held: boolean;
  readonly slo: boolean;
  readonly cache: boolean;
}

const each = <T>(item: fc.Arbitrary<T>, length: number): fc.Arbitrary<T[]> =>
  fc.array(item, { minLength: length, maxLength: length });

const plans: fc.Arbitrary<Plan> = fc.record({
  count: fc.integer({ min: 1, max: 5 }),
  edges: each(fc.boolean(), 10),
  joins: each(fc.constantFrom<unknown[]>("all", "all", "first", { atLeast: 2 }), 5),
  chances: each(fc.constantFrom(null, null, null, 0, 0.5), 5),
  models: each(fc.nat(MODELS.length - 1), 5),
  held: fc.constantFrom(false, false, true),
  slo: fc.boolean(),
  cache: fc.boolean(),
});

/** One to five tasks; the first may be a cache whose hits skip one of those after it. */
function pipelineOf(plan: Plan, prefix: string): { tasks: Record<string, unknown> } {
  const after = (i: number): string[] =>
    NAMES.slice(0, i)
      .filter((_, j) => plan.edges[(i * (i - 1)) / 2 + j])
      .map((name) => prefix + name);
  const follower = NAMES.findIndex((_, i) => i < plan.count && after(i).includes(`${prefix}a`));
  const tasks = NAMES.slice(0, plan.count).map((name, i): [string, unknown] => {
    const before = after(i);
    const fits = typeof plan.joins[i] === "string" || before.length >= 2;
    const skips = i === 0 && plan.cache && follower > 0 ? [prefix + NAMES[follower]] : null;
    return [
      prefix + name,
      {
        model: `model-${plan.models[i]}`,
        after: before,
        payloadBytes: 400,
        outputBytes: 200,
        edgeBytes: Object.fromEntries(before.map((other) => [other, 300])),
        ...(before.length > 0 && fits ? { join: plan.joins[i] } : {}),
        ...(plan.chances[i] === null ? {} : { when: { probability: plan.chances[i] } }),
        ...(skips === null ? {} : { cache: { hitRatio: 0.4, skips } }),
      },
    ];
  });
  return {
    ...(plan.held ? { discipline: "pipeline-held" } : {}),
    ...(plan.slo ? { slo: { latencyMs: 12 } } : {}),
    tasks: Object.fromEntries(tasks),
  };
}

const requests = fc.integer({ min: 1, max: 80 });
const rate = fc.constantFrom(100, 400, 2000);
const warmupS = fc.constantFrom(0, 0, 0.02);

/** Queries of MLPerf's go on until both minima are reached. */
const untilBoth = {
  minQueries: fc.integer({ min: 1, max: 40 }),
  minDurationS: fc.constantFrom(0.001, 0.05),
};

const workloads: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  fc.record({ arrivals: fc.constant("poisson"), ratePerS: rate, requests, warmupS }),
  fc.record({ arrivals: fc.constant("deterministic"), ratePerS: rate, requests, warmupS }),
  fc.record({
    arrivals: fc.constant("gamma"),
    ratePerS: rate,
    cv: fc.constantFrom(0.5, 3),
    durationS: fc.constant(0.1),
    warmupS,
  }),
  fc.record({
    arrivals: fc.constant("weibull"),
    ratePerS: rate,
    cv: fc.constantFrom(0.5, 3),
    requests,
    warmupS,
  }),
  fc.record({
    arrivals: fc.constant("mmpp"),
    states: fc.constant([
      { ratePerS: 2000, meanS: 0.005 },
      { ratePerS: 50, meanS: 0.01 },
    ]),
    requests,
    warmupS,
  }),
  fc.record({
    arrivals: fc.constant("ramp"),
    rates: fc.constant([
      { atS: 0, ratePerS: 100 },
      { atS: 0.1, ratePerS: 1500 },
    ]),
    durationS: fc.constant(0.1),
    warmupS,
  }),
  fc.record({ arrivals: fc.constant("burst"), requests }),
  fc.record({
    arrivals: fc.constant("closed"),
    clients: fc.integer({ min: 1, max: 9 }),
    thinkMs: fc.constantFrom(0.5, 5),
    requests,
  }),
  fc.record({ arrivals: fc.constant("mlperf-single-stream"), ...untilBoth }),
  fc.record({
    arrivals: fc.constant("mlperf-multi-stream"),
    samplesPerQuery: fc.integer({ min: 1, max: 5 }),
    ...untilBoth,
  }),
  fc.record({
    arrivals: fc.constant("mlperf-server"),
    ratePerS: rate,
    latencyBoundMs: fc.constant(5),
    ...untilBoth,
  }),
  fc.record({ arrivals: fc.constant("mlperf-offline"), requests }),
);

/** Costs of messages, and shared devices and links. */
const deployments: fc.Arbitrary<Record<string, unknown>> = fc.oneof(
  fc.constant({}),
  fc.constant({ network: { rttMs: 0.3, clientRttMs: 0.8 } }),
  fc.constant({ gateway: { arrivalUs: 40, dispatchUs: 70, completionUs: 30 } }),
  fc.constant({
    nodes: [
      {
        name: "node",
        count: 2,
        devices: { cpu: { slots: 3, shared: true }, gpu: { slots: 2, shared: true, speed: 2 } },
        contention: [1, 1.3, 2],
      },
    ],
  }),
  fc.constant({
    nodes: [
      {
        name: "node",
        count: 2,
        devices: {
          gpu: {
            slots: 1,
            sharing: { kind: "time-slice", quantumMs: 0.7, switchUs: 40 },
            memoryMb: 100,
            power: { idleWatts: 20, busyWatts: 90 },
          },
          cpu: { slots: 2, sharing: { kind: "processor-sharing", slowdown: [1, 1.3] } },
        },
        contention: [1, 1.2],
      },
    ],
  }),
  fc.constant({
    nodes: [
      { name: "far", count: 2, devices: { cpu: { slots: 1, shared: true } }, zone: "far" },
      { name: "near", devices: { cpu: { slots: 2, shared: true } }, zone: "near", gbps: 0.05 },
    ],
    network: {
      gbps: 0.01,
      links: "fair",
      rttMs: 0.1,
      zones: [{ between: ["near", "far"], rttMs: 2 }],
    },
    gateway: { arrivalUs: 40, dispatchUs: 70, count: 3, assignment: "hash", zone: "near" },
  }),
);

const schedulers: fc.Arbitrary<unknown> = fc.oneof(
  fc.constant("fifo"),
  fc.constantFrom<unknown[]>(...COMPOSITIONS),
);

const raw = fc
  .record({
    first: plans,
    second: fc.option(plans),
    sharing: fc.boolean(),
    counts: each(fc.integer({ min: 1, max: 3 }), 10),
    deployment: deployments,
    loads: fc.constantFrom(false, false, true),
    scheduler: schedulers,
    workload: workloads,
    seed: fc.nat(1000),
  })
  .map((plan) => {
    const { first, second, sharing, counts, deployment, loads, scheduler, workload, seed } = plan;
    const pipelines: Record<string, { tasks: Record<string, unknown> }> = {
      first: pipelineOf(first, ""),
    };
    if (second !== null) {
      const other = pipelineOf(second, "x");
      const free = !first.held && !second.held;
      const shared = { a: { ...pipelines.first.tasks.a!, cache: undefined } };
      pipelines.second = sharing && free ? { tasks: { ...other.tasks, ...shared } } : other;
    }
    if (sendsAtOnce(workload)) Object.values(pipelines).forEach(takeTime);
    const names = new Set(Object.values(pipelines).flatMap(({ tasks }) => Object.keys(tasks)));
    const replicas = Object.fromEntries([...names].map((name, i) => [name, counts[i % 10]]));
    const cluster = { replicas, ...deployment };
    const run = { seed, replications: 1 };
    const server = loads ? loaded : models;
    return { name: "random", pipelines, models: server, cluster, scheduler, workload, run };
  });

/** Whether the end of a request is the instant of the next. */
export function sendsAtOnce({ arrivals }: { readonly arrivals?: unknown }): boolean {
  return arrivals === "mlperf-single-stream" || arrivals === "mlperf-multi-stream";
}

/** Requests that skip every task would follow each other without end. */
function takeTime({ tasks }: { tasks: Record<string, unknown> }): void {
  const [first] = Object.keys(tasks);
  const { when: _when, ...always } = tasks[first] as Record<string, unknown>;
  tasks[first] = always;
}

/** Replicas of the first task that crash, are cut off or are slow, some while they have work. */
const faults = fc.record({
  detection: fc.constantFrom(
    { intervalMs: 0, timeoutMs: 0, failures: 1 },
    { intervalMs: 2, timeoutMs: 1, failures: 2 },
  ),
  random: fc
    .record({
      task: fc.constant("a"),
      kind: fc.constantFrom({ kind: "crash" }, { kind: "partition" }, { kind: "slow", factor: 3 }),
      mtbfS: fc.constantFrom(0.01, 0.1),
      mttrS: fc.constantFrom(0.005, 0.03),
    })
    .map(({ kind, ...times }) => [{ ...kind, ...times }]),
});

/** Checked documents: a document that the parser refuses fails the test that asked for it. */
export const randomScenarios: fc.Arbitrary<ScenarioDocument> = raw.map(checked);

/** As these, with replicas that fail. */
export const randomFaultyScenarios: fc.Arbitrary<ScenarioDocument> = fc
  .tuple(raw, faults)
  .map(([document, broken]) => checked({ ...document, faults: broken }));

function checked(document: unknown): ScenarioDocument {
  const noFile = (path: string): string => {
    throw new Fault("not-found", `random scenarios name no files, this one names ${path}`);
  };
  try {
    const text = JSON.stringify(document);
    return parseScenario(text, "random", noFile, {}, { checkScheduler }).document;
  } catch (error) {
    const issues = error instanceof Fault ? JSON.stringify(error.issues) : "";
    throw new Error(`${issues} in ${JSON.stringify(document)}`, { cause: error });
  }
}
