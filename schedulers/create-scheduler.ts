/** A scenario's `scheduler` section → a scheduler for one system. */

import { assert, Fault } from "../engine/basics/fault.ts";
import type { PoolPolicies, Scheduler } from "../engine/dispatch/policies.ts";
import { demandsAny } from "../engine/dispatch/replicas.ts";
import { RandomStream } from "../engine/random/stream.ts";
import type { PoolSystem, System } from "../engine/system/system.ts";
import type { SchedulerDocument } from "../scenario/schema/scenario.ts";
import { DECISIONS, type Decision } from "../scenario/schema/scheduler.ts";
import { Failures } from "./own-calls.ts";
import { guarded } from "./own-guard.ts";
import {
  baseName,
  NO_OWN,
  nameOf,
  type OwnDefinitions,
  type OwnSchedulers,
  parametersFor,
} from "./own-scheduler.ts";
import { BUILT_IN, type Registry } from "./registry.ts";
import {
  type AnyDefinition,
  type BatchingContext,
  type Composition,
  chosen,
  type Policies,
  type PolicyChoice,
  type PolicyContext,
} from "./rules/policy-definition.ts";
import { Autoscaler } from "./rules/scaling.ts";

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
  const resolved = resolve(document, own);
  const { registry, base } = resolved;
  const { create, failures } = makerOf(resolved);
  const perTask = typeof document === "string" ? {} : (document.perTask ?? {});
  const chosen = system.pools.map(({ name, task }) =>
    compose(perTask[name] ?? perTask[task] ?? {}, base, registry),
  );
  const rules = system.pools.map((pool, id): PoolPolicies => {
    const composition = chosen[id];
    const rng = (): RandomStream => new RandomStream(seed, `policy/${pool.name}`);
    const context: PolicyContext = { rng, maxBatch: pool.maxBatch, system, pool: id };
    return {
      routing: create("routing", composition.routing, context),
      ordering: create("ordering", composition.ordering, context),
      batching: create("batching", composition.batching, context),
      shedding: create("shedding", composition.shedding, context),
      scaling: create("scaling", composition.scaling, context),
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
    return { ...rule, selection: create("selection", chosen[id].selection, context) };
  });
  const context: PolicyContext = {
    rng: () => new RandomStream(seed, "policy"),
    maxBatch: Number.POSITIVE_INFINITY,
    system,
    pool: -1,
  };
  const scales = pools.some(({ scaling }) => scaling !== undefined);
  const controller = create("controller", base.controller, {
    system,
    pools,
    rng: () => new RandomStream(seed, "controller"),
  });
  const blind = controller?.heedsResources === true ? [] : (controller?.pools ?? []);
  const demanding = blind.map((pool) => system.pools[pool]).filter(demandsAny);
  if (demanding.length > 0) throw blindTo(demanding, schedulerName(document));
  return {
    name: schedulerName(document),
    admission: create("admission", base.admission, context),
    pools,
    controllers: [
      ...failures,
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
      controllers.every(({ pools: placed = [] }) => placed.length === 0),
    scales: controllers.some(({ scales = [] }) => scales.length > 0),
    placesModels: controllers.some(({ placesModels }) => placesModels === true),
    proceeds: controllers.some(({ proceeds }) => proceeds === true),
  };
}

/** The name in tables and charts: the preset's, or the composition's parts. */
export function schedulerName(document: SchedulerDocument): string {
  if (typeof document === "string") return document;
  const parts = DECISIONS.flatMap((decision) => {
    const choice = document[decision];
    return choice === undefined ? [] : [chosen(choice).policy];
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
  files: OwnSchedulers = NO_OWN,
): number {
  const resolved = resolve(document, files);
  const perTask = typeof document === "string" ? {} : (document.perTask ?? {});
  const own = perTask[pool] ?? perTask[task] ?? {};
  const { batching } = compose(own, resolved.base, resolved.registry);
  const { policy, parameters } = chosen(batching);
  const builtIn = BUILT_IN.policies.batching.find(({ name }) => name === policy);
  if (builtIn !== undefined) {
    // Only the rule `none` has no such parameter.
    const { maxBatch = 1 } = builtIn.parameters.parse(parameters) as { maxBatch?: number };
    return maxBatch;
  }
  const context: BatchingContext = {
    rng: () => new RandomStream("0", "policy"),
    maxBatch: Number.POSITIVE_INFINITY,
    system: null,
    pool: -1,
  };
  return makerOf(resolved).create("batching", batching, context as PolicyContext).maxBatch;
}

interface Resolved {
  readonly registry: Registry;
  readonly base: Composition;
  /** The user's file; undefined for a built-in scheduler. */
  readonly own?: { readonly file: string; readonly definitions: OwnDefinitions };
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
  const { registry, preset, own: definitions } = found;
  const base = compose({ ...document, preset: document.preset ?? preset }, null, registry);
  const entries = DECISIONS.map((decision): [Decision, PolicyChoice] => {
    const choice = base[decision];
    const { policy, parameters: given } = chosen(choice);
    const inFile = definitions[decision].find(({ name }) => name === policy);
    if (inFile === undefined) return [decision, choice];
    return [decision, { policy, ...parametersFor(inFile, parameters), ...given }];
  });
  const composition = Object.fromEntries(entries) as Composition;
  return { registry, base: composition, own: { file: baseName(file), definitions } };
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

type Create<D extends Decision> = Policies[D][number]["create"];

/** Makes the policies of one scheduler; those of the user have guards, and `failures` hears of theirs. */
function makerOf({ registry, own }: Resolved) {
  const failures = own === undefined ? [] : [new Failures()];
  const create = <D extends Decision>(
    decision: D,
    choice: PolicyChoice,
    context: Parameters<Create<D>>[1],
  ): ReturnType<Create<D>> => {
    const { policy, parameters } = chosen(choice);
    const all: readonly AnyDefinition[] = registry.policies[decision];
    const found = all.find(({ name }) => name === policy);
    assert(found !== undefined, `the ${decision} policy ${policy} has been checked`);
    const made = own?.definitions[decision].includes(found)
      ? guarded(decision, found, parameters, context, { file: own.file, failures: failures[0] })
      : found.create(parameters, context as never);
    return made as ReturnType<Create<D>>;
  };
  return { create, failures };
}
