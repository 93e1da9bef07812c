/**
 * Plays random runs of a scheduler on one system and judges them by the contract (`contract.ts`): the
 * rules of each command, that the queues drain, and that the same events give the same decisions.
 */

import { Fault } from "../engine/basics/fault.ts";
import type { Scheduler } from "../engine/dispatch/policies.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { RandomStream } from "../engine/random/stream.ts";
import { replayLog } from "../engine/record/replay.ts";
import type { System } from "../engine/system/system.ts";
import { CheckingDriver, type Step } from "./contract.ts";
import { BrokenRule } from "./contract-rules.ts";

/** A rule that was broken, and the steps of a short run that lead there, in order. */
export interface Verdict {
  readonly rule: string;
  readonly steps: readonly string[];
}

/** Load alone, or also loss, return, failed batches and cancelled requests. */
export type Weather = "calm" | "rough";

const CALM: readonly Step["kind"][] = ["arrive", "arrive", "arrive", "finish", "finish", "tick"];
const ROUGH: readonly Step["kind"][] = [
  ...[...CALM, ...CALM, "finish"],
  ...(["lose", "join", "cancel", "drain", "join", "fail"] as const),
] as Step["kind"][];
const STEPS = 80;
/** Runs that look for a shorter way to the same end. */
const MOST_SHORTENED = 200;

/** Replicas of each task on small clusters; 0: one slot of each machine for two of them. */
const SMALL = [1, 2, 3, 4, 0];

/**
 * The system itself, then small clusters of the same tasks, where jobs that a scheduler forgets are not served by
 * chance: 1 to 4 replicas of each task, and two of each that share one slot of their machine.
 */
export function clustersToPlay(system: System): readonly { about: string; system: System }[] {
  const small = SMALL.map((count) => {
    const about =
      count === 0 ? "two replicas of each task on one slot" : `${count} of each task's replicas`;
    return { about: ` on ${about}`, system: shrunk(system, count === 0 ? 2 : count, count === 0) };
  });
  return [{ about: "", system }, ...small];
}

/** The first replicas of each pool; `scarce`: each on the first slot of its machine. */
function shrunk(system: System, most: number, scarce: boolean): System {
  const replicas: System["replicas"][number][] = [];
  const pools = system.pools.map((pool) => {
    const first = replicas.length;
    const end = pool.first + Math.min(most, pool.count);
    for (const replica of system.replicas.slice(pool.first, end)) {
      const slot = system.devices.findIndex(({ node }) => node === replica.node);
      replicas.push(scarce ? { ...replica, slot } : replica);
    }
    return { ...pool, first, count: replicas.length - first };
  });
  const pipelines = system.pipelines.map((pipeline) => ({
    ...pipeline,
    chains: pipeline.held ? Math.min(...pipeline.tasks.map(({ pool }) => pools[pool].count)) : 0,
  }));
  return { ...system, pools, replicas, pipelines, faults: null };
}

/** A run of its own for each number; null when it keeps all rules. */
export function playOnce(
  system: System,
  make: () => Scheduler,
  number: number,
  weather: Weather,
): Verdict | null {
  const steps = randomSteps(system, number, weather);
  const broken = ruleBroken(system, make, steps);
  if (broken === null) return null;
  let least = steps.slice(0, broken.step + 1);
  let tries = 0;
  for (let i = least.length - 1; i >= 0 && tries < MOST_SHORTENED; i--, tries++) {
    const without = least.toSpliced(i, 1);
    const same = ruleBroken(system, make, without);
    if (same !== null && kindOf(same.rule) === kindOf(broken.rule)) least = without;
  }
  const story: string[] = [];
  const last = ruleBroken(system, make, least, story) ?? broken;
  return { rule: last.rule, steps: story };
}

/** Two breaches are of one kind though numbers in them differ. */
function kindOf(rule: string): string {
  return rule.replace(/\d+/g, "");
}

function randomSteps(system: System, number: number, weather: Weather): Step[] {
  const rng = new RandomStream(`${number}`, "contract");
  const below = (n: number): number => Math.min(n - 1, Math.floor(rng.uniform() * n));
  const kinds = weather === "calm" ? CALM : ROUGH;
  const meanUs = Math.max(1, Math.round(system.replicas[0].service.meanUs[1]));
  const waitsUs = [0, 0, 1, Math.ceil(meanUs / 20), meanUs];
  return Array.from({ length: STEPS }, () => ({
    kind: kinds[below(kinds.length)],
    pick: below(1000),
    afterUs: waitsUs[below(waitsUs.length)],
    decides: below(3) > 0,
    // Most conditions hold, or most runs would end at once.
    holds: below(4) > 0 ? 2 ** 31 - 1 : below(2 ** 31),
  }));
}

/** The rule, and the number of the step at which it was broken: that after the last is the draining. */
function ruleBroken(
  system: System,
  make: () => Scheduler,
  steps: readonly Step[],
  story: string[] | null = null,
): { readonly rule: string; readonly step: number } | null {
  let step = 0;
  try {
    const log = new RunLog();
    const driver = new CheckingDriver(system, make(), log);
    driver.story = story;
    driver.joinAll();
    for (; step < steps.length; step++) driver.play(steps[step]);
    driver.drain();
    driver.checkConservation();
    const { divergence } = replayLog(system, make(), log);
    if (divergence === null) return null;
    const { logged, replayed } = divergence;
    return { rule: `the same events gave other decisions: ${logged}, then ${replayed}`, step };
  } catch (error) {
    if (error instanceof BrokenRule || error instanceof Fault) return { rule: error.message, step };
    throw error;
  }
}
