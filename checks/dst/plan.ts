/** The plan of one run in virtual time, drawn from a seed as data: a deployment, its clients, and faults. */
import { RandomStream } from "../../engine/random/stream.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { type ScenarioDocument, scenarioSchema } from "../../scenario/schema/scenario.ts";
import { type LinkFaults, NO_FAULTS } from "./links.ts";

/** Those that place models on devices, each of a replica's own. */
const ON_DEVICES = ["nexus", "clockwork", "shepherd", "selective-replication", "alpaserve"];

export const SCHEDULERS = [
  ...["fifo", "round-robin", "random", "join-shortest-queue", "power-of-two", "edf", "priority"],
  ...["least-expected-work", "batching", "sjf", "srpt", "least-slack", "join-idle-queue"],
  ...["weighted-fair", "work-stealing", "locality", "grandslam", "triton", "clipper", "inferline"],
  ...["nexus", "clockwork", "shepherd", "infaas"],
] as const;

/** Seeds draw from the list above unless they are asked to draw from these, so that each plays as it did before. */
export const OTHERS = [
  ...["drf", "mesos", "proteus", "loki", "selective-replication", "alpaserve", "kubernetes-hpa"],
  ...["ray-serve", "weighted-round-robin", "seed-idle-queue", "seed-batching"],
] as const;

/** Presets that scale look every 15 s, and no seed lasts as long. */
const OFTEN = { min: 1, intervalS: 0.25 };
const LOOKING_OFTEN: Readonly<Record<string, object>> = {
  "kubernetes-hpa": {
    preset: "kubernetes-hpa",
    scaling: { policy: "target-utilization", upReplicas: 1, upPeriodS: 0.25, ...OFTEN },
  },
  "ray-serve": {
    preset: "ray-serve",
    scaling: { policy: "ongoing-requests", lookBackS: 0.5, upDelayS: 0.25, ...OFTEN },
  },
};

/** One thing that happens at an instant, s. */
export type Happening = { readonly atS: number } & (
  | {
      readonly kind: "request";
      readonly index: number;
      readonly deadlineMs?: number;
      readonly cancelAfterMs?: number;
      /** Requests of one key share an answer. */
      readonly key?: string;
      readonly isNumbered: boolean;
    }
  | { readonly kind: "dead" | "cut"; readonly worker: number; readonly forS: number }
  | { readonly kind: "draining"; readonly replica: number; readonly forS: number }
  | { readonly kind: "stall"; readonly ms: number }
  | { readonly kind: "reschedule"; readonly scheduler: string }
);

export interface Plan {
  readonly seed: number;
  readonly document: ScenarioDocument;
  readonly boundQueue: boolean;
  /** By replica, the worker that it is on. */
  readonly workerOf: readonly number[];
  readonly faults: LinkFaults;
  readonly happenings: readonly Happening[];
}

const REQUESTS = 200;
const MOST_FAULTS = 12;

export function planOf(seed: number, schedulers: readonly string[] = SCHEDULERS): Plan {
  const stream = new RandomStream(`dst/${seed}`, "plan");
  const between = (low: number, high: number): number => low + (high - low) * stream.uniform();
  const one = <T>(of: readonly T[]): T => of[stream.integer(of.length)];
  const document = documentOf(stream, one(schedulers));
  const { replicas: all, devices } = compileSystem(document, { profiles: {} });
  const replicas = all.length;
  const most = 1 + stream.integer(Math.min(3, replicas));
  // The places of an engine are on one worker.
  const isPlace = (slot: number): boolean => devices[slot].sharing?.kind === "iterations";
  const spread = all.map(({ slot }, i) => (isPlace(slot) ? slot : i) % most);
  const used = [...new Set(spread)];
  const workerOf = spread.map((worker) => used.indexOf(worker));
  const workers = used.length;
  const { workload } = document;
  const ratePerS = "ratePerS" in workload ? (workload.ratePerS as number) : 10;
  const lastS = REQUESTS / ratePerS;
  const happenings: Happening[] = [];
  for (let index = 0, atS = 0; index < REQUESTS; index++) {
    atS -= Math.log(1 - stream.uniform()) / ratePerS;
    const mood = stream.uniform();
    happenings.push({
      kind: "request",
      atS,
      index,
      isNumbered: stream.uniform() < 0.9,
      ...(mood < 0.15 ? { deadlineMs: Math.round(between(5, 400)) } : {}),
      ...(mood > 0.9 ? { cancelAfterMs: Math.round(between(0, 200)) } : {}),
      ...(stream.uniform() < 0.1
        ? { key: `key-${stream.integer(1 + Math.floor(index / 4))}` }
        : {}),
    });
  }
  const isQuiet = stream.uniform() < 0.1;
  const faults = isQuiet ? 0 : 1 + stream.integer(MOST_FAULTS);
  for (let i = 0; i < faults; i++) {
    const atS = between(0, lastS);
    const forS = between(0.05, 4);
    const worker = stream.integer(workers);
    happenings.push(
      one<Happening>([
        { kind: "dead", atS, worker, forS },
        { kind: "cut", atS, worker, forS },
        { kind: "draining", atS, replica: stream.integer(replicas), forS },
        { kind: "stall", atS, ms: Math.round(between(1, 1500)) },
        { kind: "reschedule", atS, scheduler: one(schedulers) },
      ]),
    );
  }
  const links: LinkFaults = isQuiet
    ? NO_FAULTS
    : {
        delayMs: between(0, 3),
        jitterMs: stream.uniform() < 0.5 ? 0 : between(0, 5),
        lost: stream.uniform() < 0.3 ? between(0, 0.02) : 0,
        twice: stream.uniform() < 0.3 ? between(0, 0.05) : 0,
        unordered: stream.uniform() < 0.3,
        failing: stream.uniform() < 0.3 ? between(0, 0.05) : 0,
      };
  const ordered = happenings.sort((a, b) => a.atS - b.atS);
  const boundQueue = stream.uniform() < 0.5;
  return { seed, document, boundQueue, workerOf, faults: links, happenings: ordered };
}

/** A language model that writes some ten tokens in so long, two sequences at once. */
function writerOf(stream: RandomStream, meanMs: number) {
  const stepMs = meanMs / 14;
  return {
    tokens: {
      steps: { prefill: [stepMs, stepMs / 20, 0], decode: [stepMs, 0, stepMs / 10] },
      policy: ["vllm", "vllm-v0", "sarathi"][stream.integer(3)],
      maxSequences: 2,
      maxBatchedTokens: 64,
      blocks: 5 + stream.integer(8),
    },
  };
}

const LENGTHS = {
  prompt: { distribution: "lognormal", mean: 20, cv: 1 },
  output: { distribution: "lognormal", mean: 10, cv: 1 },
  most: 64,
};

interface Parsed {
  readonly pipelines: Readonly<Record<string, { readonly tasks: object }>>;
  readonly models: Readonly<Record<string, object>>;
  readonly cluster: { readonly replicas: object };
}

/** The last task of a chain, whose engine reads prompts, and another that goes on with what it has read. */
function apart(stream: RandomStream, reader: string, document: Parsed): Parsed {
  const { pipelines, models, cluster } = document;
  const { p } = pipelines;
  const next = { model: "next", after: [reader], tokens: { from: reader } };
  const { tokens } = models[reader] as ReturnType<typeof writerOf>;
  const engine = (policy: string) => ({ tokens: { ...tokens, policy } });
  return {
    ...document,
    pipelines: { ...pipelines, p: { ...p, tasks: { ...p.tasks, next } } },
    models: {
      ...models,
      [reader]: engine("distserve-prefill"),
      next: engine("distserve-decode"),
    },
    cluster: { ...cluster, replicas: { ...cluster.replicas, next: 1 + stream.integer(2) } },
  };
}

/**
 * One or two chains of one to three tasks, at a load of 0.3 to 0.9; the last may be a language model's, and read
 * prompts for another.
 */
export function documentOf(
  stream: RandomStream,
  scheduler: string,
  writers = stream.uniform() < 0.3,
): ScenarioDocument {
  const names = ["a", "b", "c"].slice(0, 1 + stream.integer(3));
  const replicas = names.map((name) => [name, 1 + stream.integer(3)] as const);
  const devices = replicas.reduce((sum, [, count]) => sum + count, 0);
  const meansMs = names.map(() => 5 + Math.round(40 * stream.uniform()));
  const capacities = replicas.map(([, count], i) => (1000 * count) / meansMs[i]);
  const load = 0.3 + 0.6 * stream.uniform();
  const writes = !ON_DEVICES.includes(scheduler) && writers;
  const isWriter = (i: number): boolean => writes && i === names.length - 1;
  const tasks = names.map((name, i) => {
    const when = i > 0 && stream.uniform() < 0.4 ? { when: { probability: 0.5 } } : {};
    const tokens = isWriter(i) ? { tokens: LENGTHS } : {};
    const after = i > 0 ? { after: [names[i - 1]] } : {};
    return [name, { model: name, ...after, ...when, ...tokens }] as const;
  });
  const slo = { latencyMs: 20 * meansMs.reduce((sum, ms) => sum + ms, 0) };
  const second = stream.uniform() < 0.3 ? { q: { slo, tasks: { [names[0]]: tasks[0][1] } } } : {};
  const document = {
    name: "dst",
    pipelines: { p: { slo, tasks: Object.fromEntries(tasks) }, ...second },
    models: Object.fromEntries(
      names.map((name, i) => {
        if (isWriter(i)) return [name, writerOf(stream, meansMs[i])];
        const service = { distribution: "lognormal", meanMs: meansMs[i], cv: 0.5 };
        return [name, { service: { ...service, batch: { marginal: 0.4, max: 4 } } }];
      }),
    ),
    cluster: {
      ...(ON_DEVICES.includes(scheduler)
        ? { nodes: [{ name: "gpu", count: devices, devices: { a: 1 } }] }
        : {}),
      replicas: Object.fromEntries(replicas),
    },
    scheduler: LOOKING_OFTEN[scheduler] ?? scheduler,
    workload: { arrivals: "poisson", ratePerS: load * Math.min(...capacities), durationS: 100 },
  };
  const isApart = writes && names.length > 1 && stream.uniform() < 0.3;
  const reader = names[names.length - 1];
  return scenarioSchema.parse(isApart ? apart(stream, reader, document) : document);
}
