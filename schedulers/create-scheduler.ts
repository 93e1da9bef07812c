/** A scenario's `scheduler` section → a scheduler for one system. */

import { demandsAny } from "../core/dispatch/node-resources.ts";
import type { PoolPolicies, Scheduler } from "../core/dispatch/policies.ts";
import { assert, Fault } from "../core/fault.ts";
import { RandomStream } from "../core/random/stream.ts";
import { DECISIONS, type Decision } from "../core/scenario/schema/scheduler.ts";
import type { SchedulerDocument } from "../core/scenario/schema.ts";
import type { PoolSystem, System } from "../core/system.ts";
import { Autoscaler } from "./controllers/autoscaler.ts";
import type { Failures } from "./own-failures.ts";
import { NO_OWN, nameOf, type OwnSchedulers, parametersFor } from "./own-scheduler.ts";
import { BUILT_IN, type Registry } from "./registry.ts";
import type {
  BatchingContext,
  PolicyContext,
  PolicyDefinition,
} from "./rules/policy-definition.ts";
import type { Composition, PolicyChoice } from "./systems/system-pack.ts";

export type CompositionDocument = {
  readonly [part in Decision | "preset"]?: PolicyChoice | undefined;
};

/**
 * The document has passed `checkScheduler`. `seed` feeds the policies' own chance; `own` has the file
 * that the document names.
 */
export function createScheduler(
  document: SchedulerDocument,
  system: System,
  seed: string,
  own: OwnSchedulers = NO_OWN,
): Scheduler {
  const { registry, base, failures } = resolve(document, own);
  const { policies } = registry;
  const perTask = typeof document === "string" ? {} : (document.perTask ?? {});
  const chosen = system.pools.map(({ name, task }) =>
    compose(perTask[name] ?? perTask[task] ?? {}, base, registry),
  );
  const rules = system.pools.map((pool, id): PoolPolicies => {
    const composition = chosen[id];
    const rng = (): RandomStream => new RandomStream(seed, `policy/${pool.name}`);
    const context: PolicyContext = { rng, maxBatch: pool.maxBatch, system, pool: id };
    return {
      routing: create(policies.routing, composition.routing, context),
      ordering: create(policies.ordering, composition.ordering, context),
      batching: create(policies.batching, composition.batching, context),
      shedding: create(policies.shedding, composition.shedding, context),
      scaling: create(policies.scaling, composition.scaling, context),
    };
  });
  const firsts = system.pipelines.flatMap(({ tasks, ensembles }) => [
    ...tasks.flatMap(({ pool, variants }) => (variants.length > 1 ? [pool] : [])),
    ...ensembles.map(({ members }) => tasks[members[0]].pool),
  ]);
  const pools = rules.map((rule, id): PoolPolicies => {
    if (!firsts.includes(id)) return rule;
    const { task } = system.pools[id];
    const rng = (): RandomStream => new RandomStream(seed, `selection/${task}`);
    const context = { system, pools: rules, rng };
    return { ...rule, selection: create(policies.selection, chosen[id].selection, context) };
  });
  const context: PolicyContext = {
    rng: () => new RandomStream(seed, "policy"),
    maxBatch: Number.POSITIVE_INFINITY,
    system,
    pool: -1,
  };
  const scales = pools.some(({ scaling }) => scaling !== undefined);
  const controller = create(policies.controller, base.controller, {
    system,
    pools,
    rng: () => new RandomStream(seed, "controller"),
  });
  const blind = controller?.heedsResources === true ? [] : (controller?.pools ?? []);
  const demanding = blind.map((pool) => system.pools[pool]).filter(demandsAny);
  if (demanding.length > 0) throw blindTo(demanding, schedulerName(document));
  return {
    name: schedulerName(document),
    admission: create(policies.admission, base.admission, context),
    pools,
    controllers: [
      ...(failures === undefined ? [] : [failures]),
      ...(scales ? [new Autoscaler(system, pools)] : []),
      ...(controller === undefined ? [] : [controller]),
    ],
  };
}

/** One issue for each model that demands resources. */
function blindTo(demanding: readonly PoolSystem[], scheduler: string): Fault {
  const models = [...new Set(demanding.map(({ model }) => model))];
  const issues = models.map((model) => ({
    path: "scheduler",
    message: `${scheduler} places jobs without regard to resources, which model "${model}" demands`,
    hint: `drop \`models.${model}.demand\`, or choose another scheduler, e.g. drf`,
  }));
  const [{ message, hint }] = issues;
  return new Fault("invalid-input", message, { hint, issues });
}

export interface Traits {
  /** Whether no part of it refuses or drops requests: rules alone, and none for that. */
  readonly servesAll: boolean;
  /** Whether some part orders and releases replicas. */
  readonly scales: boolean;
  /** Whether one places models on device slots. */
  readonly placesModels: boolean;
  /** Whether joins may go on without some predecessor. */
  readonly proceeds: boolean;
}

/** Throws Fault as `createScheduler` does. */
export function traitsOf(
  document: SchedulerDocument,
  system: System,
  own: OwnSchedulers = NO_OWN,
): Traits {
  const { admission, pools, controllers = [] } = createScheduler(document, system, "0", own);
  return {
    servesAll:
      admission.ceiling !== undefined &&
      pools.every(({ shedding }) => shedding === undefined) &&
      controllers.every((one) => one.pools.length === 0),
    scales: controllers.some(({ scales }) => scales.length > 0),
    placesModels: controllers.some(({ placesModels }) => placesModels === true),
    proceeds: controllers.some(({ proceeds }) => proceeds === true),
  };
}

/** The name in tables and charts: the preset's, or the composition's parts. */
export function schedulerName(document: SchedulerDocument): string {
  if (typeof document === "string") return document;
  const parts = DECISIONS.flatMap((decision) => {
    const choice = document[decision];
    if (choice === undefined) return [];
    return [typeof choice === "string" ? choice : choice.policy];
  });
  const { file } = document;
  const own = file === undefined ? [] : [nameOf(file)];
  return (
    [...own, document.preset, ...parts].filter((part) => part !== undefined).join(" + ") || "fifo"
  );
}

/** The largest batch that the scheduler may form in a pool of a task. */
export function maxBatchOf(
  document: SchedulerDocument,
  pool: string,
  task = pool,
  own: OwnSchedulers = NO_OWN,
): number {
  const { registry, base } = resolve(document, own);
  const perTask =
    typeof document === "string"
      ? undefined
      : (document.perTask?.[pool] ?? document.perTask?.[task]);
  const { batching } = compose(perTask ?? {}, base, registry);
  const context: BatchingContext = {
    rng: () => new RandomStream("0", "policy"),
    maxBatch: Number.POSITIVE_INFINITY,
    system: null,
    pool: -1,
  };
  return create(registry.policies.batching, batching, context).maxBatch;
}

interface Resolved {
  readonly registry: Registry;
  readonly base: Composition;
  /** Failures of the user's code; undefined for a built-in scheduler. */
  readonly failures?: Failures;
}

/** A document's composition, and the registry of its names. */
export function resolve(document: SchedulerDocument, own: OwnSchedulers): Resolved {
  if (typeof document === "string") {
    return { registry: BUILT_IN, base: compose({ preset: document }, null, BUILT_IN) };
  }
  const { file, parameters = {} } = document;
  if (file === undefined) return { registry: BUILT_IN, base: compose(document, null, BUILT_IN) };
  const found = own.get(file);
  assert(found?.kind === "sound", `the scheduler file ${file} is loaded and sound`);
  const { registry, preset, definitions, failures } = found;
  const base = compose({ ...document, preset: document.preset ?? preset }, null, registry);
  const entries = DECISIONS.map((decision): [Decision, PolicyChoice] => {
    const choice = base[decision];
    const { policy, ...given } = typeof choice === "string" ? { policy: choice } : choice;
    const inFile = definitions.find(
      (one) => one.name === policy && registry.policies[decision].includes(one as never),
    );
    if (inFile === undefined) return [decision, choice];
    return [decision, { policy, ...parametersFor(inFile, parameters), ...given }];
  });
  return { registry, base: Object.fromEntries(entries) as Composition, failures };
}

function compose(
  document: CompositionDocument,
  base: Composition | null,
  { presets }: Registry,
): Composition {
  const { preset, ...own } = document;
  const start =
    preset === undefined
      ? (base ?? presets.fifo.composition)
      : presets[preset as string].composition;
  const given = Object.fromEntries(
    DECISIONS.flatMap((decision) => {
      const choice = own[decision];
      return choice === undefined ? [] : [[decision, mergedChoice(start[decision], choice)]];
    }),
  );
  return { ...start, ...given };
}

/** A policy that keeps its name keeps the parameters that are not given anew. */
export function mergedChoice(base: PolicyChoice, choice: PolicyChoice): PolicyChoice {
  if (typeof base === "string" || typeof choice === "string") return choice;
  return base.policy === choice.policy ? { ...base, ...choice } : choice;
}

function create<Policy, Context>(
  definitions: readonly PolicyDefinition<Policy, Context>[],
  choice: PolicyChoice,
  context: Context,
): Policy {
  const { policy, ...parameters } = typeof choice === "string" ? { policy: choice } : choice;
  const found = definitions.find((definition) => definition.name === policy);
  if (found === undefined) throw new Error(`unchecked policy ${policy}`);
  return found.create(parameters, context);
}
