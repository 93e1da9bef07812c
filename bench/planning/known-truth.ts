/**
 * Problems whose clusters have a known truth: one queue, of which M/M/c's closed form says the share within the goal,
 * and machines that crash rarely, of which a long run on other requests says it. Every second queue has one
 * cluster only, and its share is close to the goal, above or below; from `FIRST_CLOSE` on, very close, and every second
 * one is almost full, so that runs which begin empty are too good. Every second problem with crashes has one machine
 * only, whose outages make about as many requests late as may be.
 */
import { finished } from "../../engine/basics/iterables.ts";
import { RandomStream } from "../../engine/random/stream.ts";
import { meanOf } from "../../engine/statistics/estimate.ts";
import { makePlans, type Plan } from "../../planning/plan.ts";
import { longRun } from "../../planning/run-length.ts";
import type { Solver } from "../../planning/standing.ts";
import { Laboratory } from "../../planning/trial.ts";
import { goalsOf } from "../../results/slo.ts";
import { parseScenario } from "../../scenario/parse.ts";
import type { ScenarioDocument } from "../../scenario/schema/scenario.ts";
import { checkScheduler } from "../../schedulers/check-scheduler.ts";

export interface KnownAnswer {
  readonly name: string;
  readonly state: Plan["state"];
  /** Whether the plan asked for a length, and whether it was confirmed with it. */
  readonly asked: boolean;
  readonly confirmedThen: boolean;
  /** The confirmed cluster's attainment in the long run; null without one. */
  readonly truth: number | null;
  readonly share: number;
}

const NO_INPUTS = { profiles: {}, traces: {} };
const SERVICE_PER_S = 10;
/** Every so many problems have crashes. */
const CRASHING = 4;
const CRASHING_RATE_PER_S = 10;
const CRASHING_SERVICE_MS = 10;
const CRASHING_GOAL_MS = 100;
/** From here on all clusters are so close to the goal that many plans ask for a length. */
const FIRST_CLOSE = 320;
/** Servers of clusters that are almost full. */
const MOST_FULL = 6;
const TRUTH_RUNS = 60;
/** Longer runs than this are not tried. */
const MOST_REPLICATIONS = 2000;

/** The i-th of a series whose draws begin at `from`. */
export function knownAnswer(i: number, from: number, solve: Solver): KnownAnswer {
  const seed = from + i;
  const draws = new RandomStream(String(seed), "known-truth");
  const between = (low: number, high: number): number => low + (high - low) * draws.uniform();
  const percentile = [80, 90, 95, 99][Math.floor(4 * draws.uniform())];
  const isCrashing = i % CRASHING === 0 && i < FIRST_CLOSE;
  const isClose = i >= FIRST_CLOSE;
  const full = isClose && i % 2 === 1 ? 1 + (Math.floor(i / 2) % MOST_FULL) : null;
  const queuePerS = (): number =>
    full === null ? between(5, 60) : full * SERVICE_PER_S * between(0.9, 0.99);
  const ratePerS = isCrashing ? CRASHING_RATE_PER_S : queuePerS();
  const isAlone = i % 2 === 1 || isClose;
  const isOneMachine = isCrashing && i % (2 * CRASHING) !== 0;
  const spare = isAlone ? Math.ceil(ratePerS / SERVICE_PER_S / between(0.5, 0.85)) : null;
  const only = full ?? spare;
  const over = isClose ? between(-0.05, 0.25) : between(-0.3, 0.6);
  const closeTo = (percentile + over * (100 - percentile)) / 100;
  const freeMs = between(2.2, 6) * (1000 / SERVICE_PER_S);
  const goalMs = only === null ? freeMs : latencyMs(only, ratePerS, closeTo);
  const [mtbfS, mttrS] = [between(300, 3000), between(20, 200)].map(Math.round);
  const ofOne = 1 - lateOfOne(mtbfS, mttrS);
  const share = isOneMachine ? 1 - (1 - ofOne) / (1 - between(-0.1, 0.5)) : percentile / 100;
  const text = isCrashing
    ? crashingText(seed, 100 * share, mtbfS, mttrS, isOneMachine ? 1 : 4)
    : queueText(seed, percentile, ratePerS, goalMs, only);
  const plan = planOf(text, solve);
  const { replications = null } = plan.needed ?? {};
  const asked = replications !== null;
  const isAffordable = asked && replications <= MOST_REPLICATIONS;
  const later = isAffordable ? planOf(longer(text, replications), solve) : null;
  const { planned, state, promise } = later ?? plan;
  const isConfirmed = state === "confirmed" && promise === "long-run" && planned !== null;
  const servers = planned?.cluster.replicas.serve ?? 0;
  const truthOf = (document: ScenarioDocument): number => {
    if (isOneMachine) return ofOne;
    return isCrashing ? longTruth(document) : withinMMc(servers, ratePerS, goalMs / 1000);
  };
  return {
    name: `known-${seed}`,
    state: plan.state,
    asked,
    confirmedThen: later?.state === "confirmed",
    truth: isConfirmed ? truthOf(planned) : null,
    share,
  };
}

function planOf(text: string, solve: Solver): Plan {
  const loaded = parseScenario(text, "s.yaml", () => "", {}, { checkScheduler });
  const options = {
    mostReplicas: 12,
    schedulers: [],
    solve,
  } as const;
  return finished(makePlans(loaded, NO_INPUTS, options))[0];
}

function longer(text: string, replications: number): string {
  return text.replace(/replications: \d+/, `replications: ${replications}`);
}

function queueText(
  seed: number,
  percentile: number,
  ratePerS: number,
  goalMs: number,
  only: number | null,
): string {
  const sweep = only === null ? "" : `sweep: { cluster.replicas.serve: [${only}] }\n`;
  return `
name: queue
pipelines: { p: { slo: { latencyMs: ${goalMs}, percentile: ${percentile} }, tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: exponential, meanMs: ${1000 / SERVICE_PER_S} } } }
cluster: { replicas: { serve: 1 } }
workload: { arrivals: poisson, ratePerS: ${ratePerS}, requests: 2000, warmupS: 10 }
run: { seed: ${seed + 1}, replications: 5 }
${sweep}`;
}

function crashingText(
  seed: number,
  percentile: number,
  mtbfS: number,
  mttrS: number,
  machines: number,
): string {
  return `
name: crashing
pipelines: { p: { slo: { latencyMs: ${CRASHING_GOAL_MS}, percentile: ${percentile} }, tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: deterministic, meanMs: ${CRASHING_SERVICE_MS} } } }
cluster:
  nodes: [{ name: n, count: ${machines}, devices: { gpu: 1 } }]
  replicas: { serve: 1 }
workload: { arrivals: poisson, ratePerS: ${CRASHING_RATE_PER_S}, durationS: 60 }
faults: { random: [{ kind: crash, node: n, mtbfS: ${mtbfS}, mttrS: ${mttrS} }] }
run: { seed: ${seed + 1}, replications: 5 }
`;
}

/** Share of requests of M/M/c within `t` seconds, served in order of arrival. */
function withinMMc(servers: number, ratePerS: number, t: number): number {
  const load = ratePerS / SERVICE_PER_S;
  let block = 1;
  for (let n = 1; n <= servers; n++) block = (load * block) / (n + load * block);
  const waits = (servers * block) / (servers - load * (1 - block));
  const spare = servers - 1 - load;
  const within = Math.exp(-SERVICE_PER_S * t);
  return 1 - within * (1 + (waits * (1 - Math.exp(-SERVICE_PER_S * t * spare))) / spare);
}

/** By which such a share of requests has ended. */
function latencyMs(servers: number, ratePerS: number, share: number): number {
  let [low, high] = [0, 60_000];
  for (let step = 0; step < 50; step++) {
    const middle = (low + high) / 2;
    if (withinMMc(servers, ratePerS, middle / 1000) < share) low = middle;
    else high = middle;
  }
  return high;
}

/**
 * Share of requests that outages of the only machine make late: those that arrive in one, and until what they leave behind
 * is done down to as much as keeps the goal. Chance alone makes hardly any late at a tenth of the machine's capacity.
 */
function lateOfOne(mtbfS: number, mttrS: number): number {
  const load = (CRASHING_RATE_PER_S * CRASHING_SERVICE_MS) / 1000;
  const spareS = CRASHING_GOAL_MS / 1000;
  return (mttrS - spareS + (load / (1 - load)) * mttrS) / (mtbfS + mttrS);
}

function longTruth(planned: ScenarioDocument): number {
  const document = longRun({ ...planned, run: { ...planned.run, seed: planned.run.seed + 1e6 } });
  const laboratory = new Laboratory(NO_INPUTS);
  const trial = finished(laboratory.start(document, goalsOf(document)));
  finished(laboratory.extend(trial, TRUTH_RUNS));
  return meanOf(trial.runs.map(({ metrics }) => metrics.sloAttainmentRatio ?? 0));
}
