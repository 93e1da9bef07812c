/**
 * InferLine's tuner: it compares the arrivals at several time scales with those that the plan was
 * made for, and orders replicas at once where they exceed them.
 *
 *   envelope   windows ΔT = T_s, 2 T_s, 4 T_s, … up to 60 s; the most arrivals q in each, r = q / ΔT
 *   up         any observed r above the planned one: r_max = the largest of these,
 *              k_m = ⌈r_max s_m / (μ_m ρ_m)⌉
 *   down       15 s after the last change: λ = the most in a window of 5 s of the last 30 s,
 *              k_m = ⌈λ s_m / (μ_m min ρ)⌉
 *
 * T_s is the service time of the longest path, s_m the visits of task m per request, μ_m the
 * throughput of a replica, and ρ_m = λ s_m / (k_m μ_m) the utilisation that the plan found to be
 * sound for task m. All pipelines together are one stream of arrivals here.
 */
import { z } from "zod";
import { Fault } from "../../engine/basics/fault.ts";
import type { ClusterView, Controller, Controls } from "../../engine/dispatch/controller.ts";
import { isHeld } from "../../engine/dispatch/held-chains.ts";
import type { System } from "../../engine/system/system.ts";
import { batchLimits } from "../rules/device-slots.ts";
import { intervalS, nonNegative, positive, positiveInt, share } from "../rules/parameters.ts";
import { type ControllerContext, defineController, packOf } from "../rules/policy-definition.ts";
import { visitsPerRequest, waysThrough } from "../rules/ways.ts";

/** Without a sample trace: the plan foresees all but one in so many windows. */
const WINDOWS = 1e6;

const parameters = z.strictObject({
  ratePerS: positive(1e9)
    .optional()
    .describe(
      "planned mean arrival rate, per s; default: that at which the planned replicas have the planned utilisation",
    ),
  cv: nonNegative(100)
    .default(1)
    .describe("planned coefficient of variation of interarrival times; for the default envelope"),
  envelope: z
    .array(
      z.strictObject({
        windowS: intervalS.describe("length of the window, in s"),
        ratePerS: positive(1e9).describe("the most arrivals in such a window, per s of it"),
      }),
    )
    .min(1)
    .max(64)
    .optional()
    .meta({
      description: "planned traffic envelope; default: of a renewal process of that rate and cv",
      examples: [
        [
          { windowS: 0.5, ratePerS: 80 },
          { windowS: 60, ratePerS: 45 },
        ],
      ],
    }),
  replicas: z
    .record(z.string(), positiveInt(100_000))
    .optional()
    .meta({
      description:
        "planned replicas, those at the start, by task; default: as ratePerS needs, else 1",
      examples: [{ detect: 2 }],
    }),
  utilization: share(0.7, "planned utilisation of replicas, where replicas or rate do not say it"),
  maxWindowS: intervalS.default(60).describe("longest window of the default envelope, in s"),
  downAfterS: intervalS.default(15).describe("time without a change before replicas go, in s"),
  downWindowS: intervalS.default(5).describe("window that the rate is counted in to go down, in s"),
  downLookBackS: intervalS.default(30).describe("the busiest window within this time counts, in s"),
});

type Parameters = z.infer<typeof parameters>;

interface Window {
  readonly lengthUs: number;
  /** The most arrivals that the plan foresees. */
  readonly planned: number;
}

/** Replicas for a rate of requests of 1 per µs, going up and going down. */
interface TunedPool {
  readonly id: number;
  readonly planned: number;
  readonly most: number;
  readonly upPerUs: number;
  readonly downPerUs: number;
}

/** Arrivals within each of several windows that end now. */
export class SlidingCounts {
  readonly #lengthsUs: readonly number[];
  /** For each window, its first arrival in `#timesUs`. */
  readonly #first: number[];
  #timesUs: number[] = [];

  constructor(lengthsUs: readonly number[]) {
    this.#lengthsUs = lengthsUs;
    this.#first = lengthsUs.map(() => 0);
  }

  add(nowUs: number): void {
    this.#timesUs.push(nowUs);
  }

  /** By window: arrivals after `nowUs` minus its length; `nowUs` never falls. */
  at(nowUs: number): readonly number[] {
    const times = this.#timesUs;
    const counts = this.#lengthsUs.map((lengthUs, i) => {
      while (this.#first[i] < times.length && times[this.#first[i]] <= nowUs - lengthUs) {
        this.#first[i]++;
      }
      return times.length - this.#first[i];
    });
    const unused = Math.min(...this.#first);
    if (unused > 1000 && unused > times.length / 2) {
      this.#timesUs = times.slice(unused);
      for (let i = 0; i < this.#first.length; i++) this.#first[i] -= unused;
    }
    return counts;
  }
}

class Tuner implements Controller {
  readonly scales: readonly number[];
  /** Ends of the windows that count for going down. */
  readonly timers = 1;
  readonly #parameters: Parameters;
  readonly #tuned: readonly TunedPool[];
  readonly #windows: readonly Window[];
  readonly #counts: SlidingCounts;
  /** Arrivals in the running down window, and in those before it. */
  #arrivals = 0;
  readonly #recent: number[] = [];
  /** Replicas of each tuned pool, by the last change. */
  #wanted: readonly number[];
  #hasArrived = false;
  #hasChanged = false;
  #changedUs = 0;
  /** The rate that the last order was for, requests per µs; 0 after a release. */
  #orderedFor = 0;

  constructor(own: Parameters, tuned: readonly TunedPool[], windows: readonly Window[]) {
    this.#parameters = own;
    this.#tuned = tuned;
    this.#windows = windows;
    this.scales = tuned.map(({ id }) => id);
    this.#wanted = tuned.map(({ planned }) => planned);
    this.#counts = new SlidingCounts(windows.map(({ lengthUs }) => lengthUs));
  }

  arrived(_request: number, _pipeline: number, nowUs: number): void {
    this.#counts.add(nowUs);
    this.#arrivals++;
    this.#hasArrived = true;
  }

  changed(): void {
    this.#hasChanged = true;
  }

  begin({ nowUs }: ClusterView, act: Controls): void {
    this.#changedUs = nowUs;
    this.#order(act);
    act.wakeAt(0, nowUs + this.#parameters.downWindowS * 1e6);
  }

  decide({ nowUs }: ClusterView, act: Controls): void {
    // Others replace replicas that have gone; `woken` sees those whose retirement nobody tells.
    if (this.#hasChanged) this.#order(act);
    this.#hasChanged = false;
    if (!this.#hasArrived) return;
    this.#hasArrived = false;
    const rate = this.#exceeding(nowUs);
    if (rate <= this.#orderedFor) return;
    this.#orderedFor = rate;
    this.#change(nowUs, act, ({ upPerUs }, now) => Math.max(now, whole(rate * upPerUs)));
  }

  woken(_timer: number, { nowUs }: ClusterView, act: Controls): void {
    const { downAfterS, downWindowS, downLookBackS } = this.#parameters;
    this.#recent.push(this.#arrivals);
    this.#arrivals = 0;
    if (this.#recent.length > Math.max(1, Math.round(downLookBackS / downWindowS))) {
      this.#recent.shift();
    }
    act.wakeAt(0, nowUs + downWindowS * 1e6);
    this.#order(act);
    if (nowUs - this.#changedUs < downAfterS * 1e6) return;
    const rate = Math.max(...this.#recent) / (downWindowS * 1e6);
    const exceeding = this.#exceeding(nowUs);
    const isLess = this.#change(nowUs, act, ({ upPerUs, downPerUs }, now) =>
      // Without the second the next arrival would order them again.
      Math.min(now, whole(Math.max(rate * downPerUs, exceeding * upPerUs))),
    );
    if (isLess) this.#orderedFor = 0;
  }

  /** New numbers, each for a pool and its number now; whether any differs from before. */
  #change(nowUs: number, act: Controls, next: (one: TunedPool, now: number) => number): boolean {
    const before = this.#wanted;
    this.#wanted = this.#tuned.map((one, i) => Math.min(one.most, next(one, before[i])));
    if (this.#wanted.every((count, i) => count === before[i])) return false;
    this.#changedUs = nowUs;
    this.#order(act);
    return true;
  }

  #order(act: Controls): void {
    for (const [i, { id }] of this.#tuned.entries()) act.setReplicas(id, this.#wanted[i]);
  }

  /** The largest rate of those that exceed the plan, requests per µs; 0: none does. */
  #exceeding(nowUs: number): number {
    const counts = this.#counts.at(nowUs);
    const rates = this.#windows.map(({ lengthUs, planned }, i) =>
      counts[i] > planned ? counts[i] / lengthUs : 0,
    );
    return Math.max(0, ...rates);
  }
}

const tuner = defineController({
  name: "inferline",
  summary: "order replicas when arrivals exceed the planned envelope, as InferLine's tuner does",
  idea: "The arrivals in windows from the service time to a minute are compared with the most that the plan foresees in each. Where any is exceeded, each task gets the replicas for that rate at once; they go after 15 s without a change, to those for the busiest 5 s of the last 30 s.",
  reads:
    "Arrivals of requests, expected service times, the plan (rate, envelope, replicas at the start).",
  failsWhen:
    "Requests change and not their number: it counts arrivals only, never queues. A burst in a short window orders for its rate as if it lasted.",
  source:
    "Crankshaw et al., InferLine, SoCC 2020, section 5 (high-frequency tuner). Reconstructed: the check at each arrival, and that replicas which the envelope still asks for stay; the default envelope (Bernstein's bound) stands for a sample trace.",
  parameters,
  create: tunerOf,
});

/** Rounded up, but not for a rounding error; at least 1. */
function whole(replicas: number): number {
  return Math.max(1, Math.ceil(replicas - 1e-9));
}

function tunerOf(own: Parameters, { system, pools }: ControllerContext): Tuner {
  const names = system.pools.map(({ name }) => name);
  const strangers = Object.keys(own.replicas ?? {}).filter((task) => !names.includes(task));
  if (strangers.length > 0) throw unknownTasks(strangers, names);
  const { utilization, ratePerS } = own;
  const visits = visitsPerRequest(system);
  const limits = batchLimits(system, pools);
  const throughput = limits.map((batch, id) => perUs(system, id, batch));
  const planned = names.map((name, id) => {
    const needed = ((ratePerS ?? 0) * visits[id]) / (throughput[id] * 1e6 * utilization);
    return own.replicas?.[name] ?? Math.max(1, Math.ceil(needed));
  });
  const busyUs = planned.map((count, id) => visits[id] / (count * throughput[id]));
  const ratePerUs = ratePerS === undefined ? utilization / Math.max(...busyUs) : ratePerS / 1e6;
  // ρ_m; a task that no request visits limits nothing.
  const ratios = busyUs.map((each) => Math.min(1, ratePerUs * each) || 1);
  const least = Math.min(...ratios);
  const tuned = system.pools.flatMap(({ count }, id): TunedPool[] => {
    if (isHeld(system, id) || pools[id].scaling !== undefined) return [];
    const workUs = visits[id] / throughput[id];
    const start = Math.min(count, planned[id]);
    return [
      { id, most: count, planned: start, upPerUs: workUs / ratios[id], downPerUs: workUs / least },
    ];
  });
  return new Tuner(own, tuned, windowsOf(own, ratePerUs, serviceUs(system, limits)));
}

function windowsOf(own: Parameters, ratePerUs: number, shortestUs: number): readonly Window[] {
  if (own.envelope !== undefined) {
    return own.envelope.map(({ windowS, ratePerS }) => ({
      lengthUs: windowS * 1e6,
      planned: windowS * ratePerS,
    }));
  }
  const windows: Window[] = [];
  let lengthUs = shortestUs;
  // Where a request takes longer than the longest window, its time is the only one.
  do {
    windows.push({ lengthUs, planned: mostIn(ratePerUs * lengthUs, own.cv) });
    lengthUs *= 2;
  } while (lengthUs <= own.maxWindowS * 1e6);
  return windows;
}

/**
 * The arrivals that a window with a mean of `mean` exceeds once in `WINDOWS`: Bernstein's bound; of
 * arrivals at even distances, the whole number above the mean.
 */
function mostIn(mean: number, cv: number): number {
  const variance = cv ** 2;
  const log = Math.log(WINDOWS);
  const bound = mean + Math.sqrt(2 * variance * mean * log) + (variance * log) / 3;
  return Math.max(bound, Math.ceil(mean));
}

/** Throughput of the pool's mean replica with full batches, jobs per µs. */
function perUs({ pools, replicas }: System, id: number, batch: number): number {
  const { first, count } = pools[id];
  const members = replicas.slice(first, first + count);
  return members.reduce((sum, { service }) => sum + batch / service.meanUs[batch], 0) / count;
}

/** T_s: the longest path of any pipeline, with full batches, µs. */
function serviceUs({ pools, replicas, pipelines }: System, limits: readonly number[]): number {
  const timeUs = pools.map(({ first }, id) => replicas[first].service.meanUs[limits[id]]);
  const ends = pipelines.flatMap(({ tasks }) => {
    const own = tasks.map(({ pool }) => timeUs[pool]);
    return own.map((us, task) => waysThrough(tasks, own).before[task] + us);
  });
  return Math.max(1, ...ends);
}

function unknownTasks(strangers: readonly string[], names: readonly string[]): Fault {
  const issues = strangers.map((task) => ({
    path: `scheduler.controller.replicas.${task}`,
    message: `there is no task ${task}`,
    hint: `known: ${names.join(", ")}`,
  }));
  return new Fault("invalid-input", issues[0].message, { issues, hint: issues[0].hint });
}

export const inferline = packOf(tuner, {
  batching: { policy: "size-or-timeout", maxBatch: 8, waitMs: 0 },
});
