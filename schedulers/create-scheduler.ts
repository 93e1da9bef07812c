/** A scenario's `scheduler` section → a scheduler for one system. */

import { demandsAny } from "../core/dispatch/node-resources.ts";
import type { PoolPolicies, Scheduler } from "../core/dispatch/policies.ts";
import { Fault } from "../core/fault.ts";
import { RandomStream } from "../core/random/stream.ts";
import { DECISIONS, type Decision } from "../core/scenario/schema/scheduler.ts";
import type { SchedulerDocument } from "../core/scenario/schema.ts";
import type { System } from "../core/system.ts";
import { Autoscaler } from "./controllers/autoscaler.ts";
import { POLICIES, PRESETS } from "./registry.ts";
import type { PolicyContext, PolicyDefinition } from "./rules/policy-definition.ts";
import type { Composition, PolicyChoice } from "./systems/system-pack.ts";

export type CompositionDocument = {
  readonly [part in Decision | "preset"]?: PolicyChoice | undefined;
};

/** The document has passed `checkScheduler`. `seed` feeds the policies' own chance. */
export function createScheduler(
  document: SchedulerDocument,
  system: System,
  seed: string,
): Scheduler {
  const base = compose(typeof document === "string" ? { preset: document } : document, null);
  const perTask = typeof document === "string" ? {} : (document.perTask ?? {});
  const chosen = system.pools.map(({ name, task }) =>
    compose(perTask[name] ?? perTask[task] ?? {}, base),
  );
  const rules = system.pools.map((pool, id): PoolPolicies => {
    const composition = chosen[id];
    const rng = (): RandomStream => new RandomStream(seed, `policy/${pool.name}`);
    const context: PolicyContext = { rng, maxBatch: pool.maxBatch, system, pool: id };
    return {
      routing: create(POLICIES.routing, composition.routing, context),
      ordering: create(POLICIES.ordering, composition.ordering, context),
      batching: create(POLICIES.batching, composition.batching, context),
      shedding: create(POLICIES.shedding, composition.shedding, context),
      scaling: create(POLICIES.scaling, composition.scaling, context),
    };
  });
  const firsts = system.pipelines.flatMap(({ tasks }) =>
    tasks.flatMap(({ pool, variants }) => (variants.length > 1 ? [pool] : [])),
  );
  const pools = rules.map((own, id): PoolPolicies => {
    if (!firsts.includes(id)) return own;
    const { task } = system.pools[id];
    const rng = (): RandomStream => new RandomStream(seed, `selection/${task}`);
    const context = { system, pools: rules, rng };
    return { ...own, selection: create(POLICIES.selection, chosen[id].selection, context) };
  });
  const context: PolicyContext = {
    rng: () => new RandomStream(seed, "policy"),
    maxBatch: Number.POSITIVE_INFINITY,
    system,
    pool: -1,
  };
  const scales = pools.some(({ scaling }) => scaling !== undefined);
  const controller = create(POLICIES.controller, base.controller, {
    system,
    pools,
    rng: () => new RandomStream(seed, "controller"),
  });
  const blind = controller?.heedsResources === true ? [] : (controller?.pools ?? []);
  const demanding = blind.find((pool) => demandsAny(system.pools[pool]));
  if (demanding !== undefined) {
    const { model } = system.pools[demanding];
    const message = `${schedulerName(document)} places jobs without regard to resources`;
    const hint = `drop \`models.${model}.demand\`, or choose another scheduler, e.g. drf`;
    throw new Fault("invalid-input", `${message}, which model "${model}" demands`, { hint });
  }
  return {
    name: schedulerName(document),
    admission: create(POLICIES.admission, base.admission, context),
    pools,
    controllers: [
      ...(scales ? [new Autoscaler(system, pools)] : []),
      ...(controller === undefined ? [] : [controller]),
    ],
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
  return [document.preset, ...parts].filter((part) => part !== undefined).join(" + ") || "fifo";
}

/** The largest batch that the scheduler may form in a pool of a task. */
export function maxBatchOf(document: SchedulerDocument, pool: string, task = pool): number {
  const base = compose(typeof document === "string" ? { preset: document } : document, null);
  const own =
    typeof document === "string"
      ? undefined
      : (document.perTask?.[pool] ?? document.perTask?.[task]);
  const { batching } = compose(own ?? {}, base);
  const context: PolicyContext = {
    rng: () => new RandomStream("0", "policy"),
    maxBatch: Number.POSITIVE_INFINITY,
    system: null,
    pool: -1,
  };
  return create(POLICIES.batching, batching, context).maxBatch;
}

function compose(document: CompositionDocument, base: Composition | null): Composition {
  const { preset, ...own } = document;
  const start = preset === undefined ? (base ?? PRESETS.fifo.composition) : presetNamed(preset);
  const given = Object.fromEntries(
    DECISIONS.flatMap((decision) => {
      const choice = own[decision];
      return choice === undefined ? [] : [[decision, choice]];
    }),
  );
  return { ...start, ...given };
}

function presetNamed(name: PolicyChoice): Composition {
  return PRESETS[name as string].composition;
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
