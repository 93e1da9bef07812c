/** Every policy there is, by the decision it makes, and every preset: those of the rules and of each system. */
import { DECISIONS } from "../scenario/schema/scheduler.ts";
import { leastKv } from "./iterations/least-kv.ts";
import { prefixAffinity } from "./iterations/prefix-affinity.ts";
import {
  type AnyDefinition,
  type Policies,
  type Preset,
  preset,
  type SystemPack,
} from "./rules/policy-definition.ts";
import { ROUTING_RULES } from "./rules/routing.ts";
import { SCALING_RULES } from "./rules/scaling.ts";
import { TEXTBOOK_RULES } from "./rules/textbook.ts";
import { loki } from "./systems/accuracy-scaling/loki.ts";
import { proteus } from "./systems/accuracy-scaling/proteus.ts";
import { alpaserve } from "./systems/alpaserve/alpaserve.ts";
import { selectiveReplication } from "./systems/alpaserve/selective-replication.ts";
import { classics } from "./systems/classics/classics.ts";
import { clipper } from "./systems/clipper/clipper.ts";
import { clockwork } from "./systems/devices/clockwork.ts";
import { nexus } from "./systems/devices/nexus.ts";
import { shepherd } from "./systems/devices/shepherd.ts";
import { drf } from "./systems/drf/drf.ts";
import { grandslam } from "./systems/grandslam.ts";
import { infaas } from "./systems/infaas.ts";
import { inferline } from "./systems/inferline.ts";
import { seedProject } from "./systems/seed-project.ts";
import { servers } from "./systems/servers.ts";

/** The policies and presets that a scheduler may name: the built-in ones, or more (`own-scheduler.ts`). */
export interface Registry {
  readonly policies: Policies;
  readonly presets: Readonly<Record<string, Preset>>;
}

/** All of some packs, in their order. */
export function registryOf(packs: readonly SystemPack[]): Registry {
  const policies = DECISIONS.map((decision) => [
    decision,
    packs.flatMap((pack): readonly AnyDefinition[] => pack.policies?.[decision] ?? []),
  ]);
  return {
    policies: Object.fromEntries(policies) as Policies,
    presets: Object.assign({}, ...packs.map(({ presets }) => presets)),
  };
}

/** Rules of textbooks, without parameters to tune for a system; the simplest first. */
const textbook: SystemPack = {
  policies: { ...TEXTBOOK_RULES, ...ROUTING_RULES, ...SCALING_RULES },
  presets: {
    fifo: preset("one central queue, first in, first out", {}),
    "round-robin": preset("replicas in turn", { routing: "round-robin" }),
    random: preset("a replica at random", { routing: "random" }),
    "join-shortest-queue": preset("the replica with the fewest jobs", {
      routing: "join-shortest-queue",
    }),
    "power-of-two": preset("the less loaded of two distinct replicas at random", {
      routing: "power-of-two",
    }),
    "least-expected-work": preset("the replica expected to be free first", {
      routing: "least-expected-work",
    }),
    edf: preset("one central queue, earliest deadline first", { ordering: "edf" }),
    priority: preset("one central queue, highest priority first", { ordering: "priority" }),
    batching: preset("one central queue, full batches or a timeout", {
      batching: "size-or-timeout",
    }),
  },
};

/** Which engine of a language model gets a job. */
const languageModels: SystemPack = {
  policies: { routing: [prefixAffinity, leastKv] },
  presets: {},
};

export const TEXTBOOK_PRESETS: readonly string[] = Object.keys(textbook.presets);

/**
 * A new one is one more line here. The simplest first: where several do equally well, plans and reports name
 * them in this order, and compositions without a preset after them. By how much a scheduler has to know: nothing
 * of the load (`fifo` to `random`), queue lengths (`power-of-two` draws besides), expected work, what requests ask
 * for (`edf`, `priority`), parameters to tune (`batching`); those of the systems come last.
 */
export const BUILT_IN: Registry = registryOf([
  textbook,
  seedProject,
  infaas,
  proteus,
  loki,
  drf,
  classics,
  grandslam,
  servers,
  inferline,
  clockwork,
  shepherd,
  nexus,
  clipper,
  selectiveReplication,
  alpaserve,
  languageModels,
]);

export const { policies: POLICIES, presets: PRESETS } = BUILT_IN;
