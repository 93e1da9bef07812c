/** INFaaS: requests choose variants by accuracy and latency; variants are scaled or upgraded by a loop. */
import { z } from "zod";
import { leastBy } from "../../engine/basics/iterables.ts";
import type { ClusterView, Controller, Controls } from "../../engine/dispatch/controller.ts";
import type { PoolPolicies, Selection } from "../../engine/dispatch/policies.ts";
import type { System } from "../../engine/system/system.ts";
import { batchLimits, modelsOf } from "../rules/device-slots.ts";
import { count, intervalS, nonNegative, positive, share } from "../rules/parameters.ts";
import {
  defineController,
  definePolicy,
  preset,
  type SelectionContext,
  type SystemPack,
} from "../rules/policy-definition.ts";
import { aloneUs, goalSharesUs, mostPerS } from "../rules/ways.ts";

/** Jobs per second of one replica, in the best batches that its policy and model allow. */
function throughputPerS(system: System, policies: readonly PoolPolicies[], pool: number): number {
  const { service } = system.replicas[system.pools[pool].first];
  return mostPerS(service.meanUs, batchLimits(system, policies)[pool]);
}

const selection = definePolicy({
  name: "infaas",
  summary: "the running variant that fits the latency asked for most tightly, accurate enough",
  idea: "Of the variants with a replica and at least the accuracy asked for, those whose latency exceeds the request's are rejected, and those that are overloaded are passed over; of the rest the one with the tightest fit takes the job: the least difference between the request's latency and its own. Where there is none, the one that is expected to be done first.",
  reads: "Accuracies, deadlines, expected service times, and jobs that wait and run.",
  failsWhen:
    "Jobs have no deadline: all go to the slowest variant. No accuracy is asked for, and a fast variant is the more accurate one.",
  source:
    "Romero et al., INFaaS, ATC 2021, section 4.2; queryfe_server.cc of its code. Ours: a job's latency is the least of its task's share of the SLO and the time that is left; a variant is overloaded where jobs that wait and run there leave no time for it, which the original hears from its workers; where no variant is accurate enough, the most accurate ones are.",
  parameters: z.strictObject({
    minAccuracy: nonNegative(1)
      .default(0)
      .describe("accuracy that a request asks for: share of a variant's answers that are right"),
  }),
  create: ({ minAccuracy }, { system, pools }: SelectionContext): Selection => {
    const budgets = goalSharesUs(system, 1);
    const alone = aloneUs(system);
    const perUs = system.pools.map(({ count }, pool) =>
      count === 0 ? 0 : throughputPerS(system, pools, pool) / 1e6,
    );
    const accuracyOf = (pool: number): number => system.pools[pool].accuracy ?? 1;
    return {
      choose: ({ deadlineUs }, among, view) => {
        const running = among.filter((pool) => view.readyOf(pool) > 0);
        const enough = Math.min(minAccuracy, Math.max(...running.map(accuracyOf)));
        const accurate = running.filter((pool) => accuracyOf(pool) >= enough);
        const expectedUs = (pool: number): number => {
          const { waiting, running } = view.loadOf(pool);
          return (waiting + running) / (view.readyOf(pool) * perUs[pool]) + alone[pool];
        };
        const leftUs = (pool: number): number => Math.min(deadlineUs - view.nowUs, budgets[pool]);
        const inTime = accurate.filter((pool) => expectedUs(pool) <= leftUs(pool));
        // The tasks' variants have one share of the goal, so that the slowest fits most tightly.
        return leastBy(inTime, (pool) => -alone[pool]) ?? leastBy(accurate, expectedUs) ?? among[0];
      },
    };
  },
});

/** Replicas that a variant lacks: ceil(delta / throughput), delta = qps − n × throughput × headroom. */
export function replicasToAdd(
  qps: number,
  replicas: number,
  perS: number,
  headroom: number,
): number {
  const delta = qps - replicas * perS * headroom;
  return delta <= 0 ? 0 : Math.ceil(delta / perS);
}

interface Watched {
  readonly pool: number;
  readonly perS: number;
  /** Time until a new replica serves, µs. */
  readonly startUs: number;
  /** The fastest variant of its task: itself, where it has none. */
  fastest: Watched | null;
  finished: number;
  /** Jobs that waited and ran at the last check. */
  jobs: number;
  /** Checks in a row at which one replica less would have been enough. */
  calm: number;
}

const scalerParameters = z.strictObject({
  intervalS: intervalS.default(1).describe("time between checks, in s"),
  headroom: share(0.95, "share of its throughput that a replica is planned for"),
  downChecks: count(10, "checks in a row before a replica is released", 10_000),
  upgradeAbove: positive(1000)
    .default(1.5)
    .describe("a faster variant is taken where this many times its cost is exceeded"),
  start: count(1, "replicas of each variant at first", 100_000),
});

type Settings = z.infer<typeof scalerParameters>;

/** The variants that are scaled, each with the fastest of its task. */
function watchedOf(system: System, policies: readonly PoolPolicies[]): readonly Watched[] {
  const byPool = new Map<number, Watched>();
  const modelOf = modelsOf(system);
  const groups = system.pipelines.flatMap(({ held, tasks }) =>
    held ? [] : tasks.map(({ variants }) => variants),
  );
  for (const group of groups) {
    for (const pool of group) {
      if (byPool.has(pool) || system.pools[pool].count === 0) continue;
      const { loadUs } = system.models[modelOf[pool]];
      byPool.set(pool, {
        pool,
        perS: throughputPerS(system, policies, pool),
        startUs: Math.max(1, loadUs + system.provisioning.meanUs),
        fastest: null,
        finished: 0,
        jobs: 0,
        calm: 0,
      });
    }
    const members = group.flatMap((pool) => byPool.get(pool) ?? []);
    for (const one of members) one.fastest = leastBy(members, ({ perS }) => -perS) ?? null;
  }
  return [...byPool.values()];
}

function scaler(system: System, policies: readonly PoolPolicies[], settings: Settings): Controller {
  const { headroom, downChecks, upgradeAbove, start } = settings;
  const intervalUs = Math.round(settings.intervalS * 1e6);
  const watched = watchedOf(system, policies);
  const byPool = new Map(watched.map((one) => [one.pool, one]));
  /** More replicas of the variant, or of the fastest where those start much sooner. */
  const grow = (one: Watched, more: number, qps: number, view: ClusterView, act: Controls) => {
    const { pool, perS, startUs } = one;
    const replicas = view.orderedOf(pool);
    const room = system.pools[pool].count - replicas;
    const fastest = one.fastest as Watched;
    const faster = Math.ceil((qps - replicas * perS * headroom) / fastest.perS);
    const isCheaper = more * startUs > upgradeAbove * faster * fastest.startUs;
    if (fastest !== one && (isCheaper || room === 0)) {
      fastest.calm = 0;
      act.setReplicas(fastest.pool, view.orderedOf(fastest.pool) + faster);
    } else act.setReplicas(pool, replicas + Math.min(room, more));
  };
  const check = (one: Watched, view: ClusterView, act: Controls): void => {
    const { pool, perS } = one;
    const { waiting, running } = view.loadOf(pool);
    const came = one.finished + waiting + running - one.jobs;
    const qps = (Math.max(0, came) / intervalUs) * 1e6;
    one.finished = 0;
    one.jobs = waiting + running;
    const replicas = view.orderedOf(pool);
    const more = replicasToAdd(qps, replicas, perS, headroom);
    one.calm = more === 0 && qps <= (replicas - 1) * perS ? one.calm + 1 : 0;
    if (more > 0) grow(one, more, qps, view, act);
    else if (one.calm >= downChecks && replicas > 1) {
      one.calm = 0;
      act.setReplicas(pool, replicas - 1);
    }
  };
  return {
    scales: watched.map(({ pool }) => pool),
    timers: 1,
    begin(view, act) {
      for (const { pool } of watched) act.setReplicas(pool, start);
      act.wakeAt(0, view.nowUs + intervalUs);
    },
    finished({ pool, size, fate }) {
      const one = byPool.get(pool);
      if (one !== undefined && fate === "ran") one.finished += size;
    },
    woken(_timer, view, act) {
      for (const one of watched) check(one, view, act);
      act.wakeAt(0, view.nowUs + intervalUs);
    },
  };
}

const controller = defineController({
  name: "infaas",
  summary: "adds replicas of a variant, or of a faster one, when it is short of throughput",
  idea: "At each check a variant that gets qps jobs per second and has n replicas of some throughput lacks delta = qps − n × throughput × headroom; it gets ceil(delta / throughput) replicas. Where these take more than 1.5 times as long to start, count × load time, as enough replicas of its task's fastest variant, that is upgraded to instead. A variant loses a replica when n − 1 have been enough for ten checks in a row; one stays.",
  reads: "Jobs of each variant that came, expected service times, load times of models.",
  failsWhen: "Load changes faster than replicas start, or falls within ten checks of a rise.",
  source:
    "Romero et al., INFaaS, ATC 2021, section 4.3; the formula and constants are those of its code for CPU workers (autoscaler.cc), without its slack of idle workers (reconstructed).",
  parameters: scalerParameters,
  create: (settings, { system, pools }) => {
    if (system.pipelines.every(({ held }) => held)) return undefined;
    return scaler(system, pools, settings);
  },
});

export const infaas: SystemPack = {
  policies: { selection: [selection], controller: [controller] },
  presets: {
    infaas: preset("variants by latency, each scaled or upgraded by a loop of one second", {
      selection: "infaas",
      batching: "within-budget",
      controller: "infaas",
    }),
  },
};
