/**
 * Bounds that rule shapes out before anything is simulated. Both are optimistic, so a shape that fails
 * one fails in truth:
 *
 *   utilisation    jobs per second of a task >= Σ replicas × (largest batch / its mean service)
 *   service time   without any wait, on the fastest device that a task has a replica on, too many
 *                  requests take longer than the goal
 */

import { Sampler } from "../engine/random/sampler.ts";
import { RandomStream } from "../engine/random/stream.ts";
import { offeredRatePerS } from "../engine/stability/judge-stability.ts";
import { visitRatios } from "../engine/stability/offered-load.ts";
import { meanOf, sumOf } from "../engine/statistics/estimate.ts";
import { membersOf, type PipelineSystem, type System } from "../engine/system/system.ts";
import type { Goal } from "../results/slo.ts";
import { isNumbered } from "../scenario/checks/check-cluster.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { mostPerS, waysThrough } from "../schedulers/rules/ways.ts";
import type { SimulationInputs } from "../sim/replication.ts";
import type { Row, Space } from "./space.ts";
import { arrivalsOver, neededPerS } from "./window.ts";

/** Draws of each service time: a share of 1% is known to 0.1 percentage points. */
const DRAWS = 10_000;
/** Standard errors that a share may be off. */
const SIGMAS = 4;

/** Late requests per second: for each job per second on a kind, at the least; and at the most where the goal is kept. */
export interface Lateness {
  readonly perJob: readonly number[];
  readonly mostPerS: number;
}

export class ServiceBounds {
  readonly #space: Space;
  /** By task and kind: a system's replica; -1 where the task cannot run. */
  readonly #replicas: readonly (readonly number[])[];
  /** With one replica of each task on each kind that it runs on. */
  readonly system: System;
  /** Jobs per second by task; null where the traffic equations do not reach. */
  readonly #jobsPerS: Readonly<Record<"all" | "needed" | "most", readonly number[] | null>>;
  readonly #goals: readonly Goal[];
  readonly #draws: readonly Float64Array[];
  readonly #variates: readonly Float64Array[] | null;
  #waits: readonly number[] | null = null;
  readonly #lateness = new Map<number, Lateness | null>();

  constructor(
    document: ScenarioDocument,
    inputs: SimulationInputs,
    space: Space,
    goals: readonly Goal[],
  ) {
    const { kinds, tasks, runsOn } = space;
    this.#space = space;
    this.#goals = goals;
    const one = tasks.map((_, t) => runsOn[t].map(Number));
    this.system = compileSystem({ ...document, cluster: space.relaxedClusterOf(one) }, inputs);
    const { pools, replicas, nodes } = this.system;
    const names = document.cluster.nodes?.map(({ name }) => name) ?? [];
    const isOn = (replica: number, kind: number): boolean => {
      const { node, device } = space.examples[kind];
      const at = replicas[replica];
      const [machine, group] = [nodes[at.node].name, names[node]];
      const isThere = machine === group || isNumbered(machine, group, Number.POSITIVE_INFINITY);
      return kinds === 1 || (at.device === device && isThere);
    };
    this.#replicas = pools.map((pool, t) =>
      runsOn[t].map((runs, kind) =>
        runs ? (membersOf(pool).find((replica) => isOn(replica, kind)) ?? pool.first) : -1,
      ),
    );
    const jobs = (which: Jobs) => jobsPerS(document, inputs, this.system, goals, which);
    this.#jobsPerS = { all: jobs("all"), needed: jobs("needed"), most: jobs("most") };
    const isSized = pools.some(({ inputScaling }) => inputScaling !== null);
    this.#draws = variatesOf(this.system, document.run.seed);
    this.#variates = isSized || !this.system.pipelines.every(isPlain) ? null : this.#draws;
  }

  /** Jobs per second that one replica does at most, in batches up to `maxBatch`. */
  capacityPerS(task: number, kind: number, maxBatch: number): number {
    const replica = this.#replicas[task][kind];
    if (replica < 0) return 0;
    const { meanUs, maxBatch: most } = this.system.replicas[replica].service;
    return mostPerS(meanUs, Math.min(most, maxBatch));
  }

  /** Sizes, as powers of 2 up to `most`, by which a replica does more jobs per second. */
  usefulBatches(task: number, most: number): readonly number[] {
    const sizes = Array.from({ length: Math.log2(most) }, (_, i) => 2 ** (i + 1));
    const capacity = (batch: number): number =>
      Math.max(...this.#space.runsOn[task].map((_, kind) => this.capacityPerS(task, kind, batch)));
    return [1, ...sizes.filter((size) => capacity(size) > 1.001 * capacity(size / 2))];
  }

  /** Mean service of one job, ms; Infinity where the task cannot run. */
  meanMs(task: number, kind: number): number {
    const replica = this.#replicas[task][kind];
    if (replica < 0) return Number.POSITIVE_INFINITY;
    return this.system.replicas[replica].service.meanUs[1] / 1000;
  }

  /** The kind on which the task takes the least time, of those that the row has replicas on. */
  fastestKind(task: number, row: Row): number {
    const times = row.map((n, kind) => (n > 0 ? this.meanMs(task, kind) : Infinity));
    return times.indexOf(Math.min(...times));
  }

  /** So many replicas on the kind on which the task takes the least time. */
  fastestRow(task: number, replicas: number): Row {
    const all = this.#space.runsOn[task].map(Number);
    return all.map(() => 0).with(this.fastestKind(task, all), replicas);
  }

  /** Load of a task, 0 where its jobs are not known beforehand. */
  utilisation(task: number, row: Row, maxBatch: number): number {
    const jobs = this.jobs(task, false) || this.mostJobs(task);
    return jobs === 0 ? 0 : jobs / this.rowPerS(task, row, maxBatch);
  }

  /** Jobs per second that a row of replicas does at most. */
  rowPerS(task: number, row: Row, maxBatch: number): number {
    return sumOf(row.map((n, kind) => n * this.capacityPerS(task, kind, maxBatch)));
  }

  /** Variance of a job's service over its mean squared, on the kind of the row where it varies most. */
  variation(task: number, row: Row): number {
    const ofKind = (kind: number): number => {
      const { service } = this.system.replicas[this.#replicas[task][kind]];
      const times = Array.from(this.#draws[task], (draw) => service.sampleUs(draw, 1));
      const mean = meanOf(times);
      return meanOf(times.map((time) => (time / mean - 1) ** 2));
    };
    return Math.max(...row.flatMap((n, kind) => (n > 0 ? [ofKind(kind)] : [])));
  }

  /** Roots of how long jobs of a task wait at equal headroom, over those of the task whose jobs wait longest. */
  get waits(): readonly number[] {
    this.#waits ??= this.#space.tasks.map((_, t) => {
      const row = this.fastestRow(t, 1);
      return (this.meanMs(t, row.indexOf(1)) * (1 + this.variation(t, row))) ** 0.5;
    });
    const most = Math.max(...this.#waits);
    return this.#waits.map((one) => one / most);
  }

  /** Jobs per second of a task; `least`: those alone that the goals need. 0 where they are not known beforehand. */
  jobs(task: number, least: boolean): number {
    return this.#jobsPerS[least ? "needed" : "all"]?.[task] ?? 0;
  }

  /** The most jobs per second of a task, were joins to wait for all before them; 0 where nobody knows. */
  mostJobs(task: number): number {
    return this.#jobsPerS.most?.[task] ?? 0;
  }

  /** Null where no single goal says what may be late. */
  lateness(task: number): Lateness | null {
    if (!this.#lateness.has(task)) this.#lateness.set(task, this.#latenessOf(task));
    return this.#lateness.get(task) as Lateness | null;
  }

  /** Whether too many requests would be late if all jobs of the task ran there: a replica of that kind may do harm. */
  mayHarm(task: number, kind: number): boolean {
    const late = this.lateness(task);
    return late !== null && late.perJob[kind] * this.jobs(task, false) > late.mostPerS;
  }

  #latenessOf(task: number): Lateness | null {
    const variates = this.#variates;
    const users = this.system.pipelines.filter(({ tasks }) =>
      tasks.some(({ pool }) => pool === task),
    );
    const [pipeline] = users;
    const goal = this.#goals.find(({ pipeline: name }) => name === pipeline?.name);
    const own = pipeline?.tasks.flatMap(({ pool }, t) => (pool === task ? [t] : [])) ?? [];
    const ratios = pipeline === undefined ? null : visitRatios(pipeline);
    if (variates === null || goal === undefined || ratios === null) return null;
    if (users.length !== 1 || own.length !== 1 || this.#jobsPerS.all === null) return null;
    const fastest = this.#fastest(this.#space.runsOn.map((runs) => runs.map(Number)));
    const runs = ratios.map((ratio, t) => Number(t === own[0] || ratio > 1 - 1e-9));
    const perJob = this.#replicas[task].map((replica) => {
      if (replica < 0) return 1;
      const late = lateWith(pipeline, this.#timesOn(fastest.with(task, replica), variates), runs);
      return Math.max(0, late - SIGMAS * Math.sqrt((late * (1 - late)) / DRAWS));
    });
    const requestsPerS = this.#jobsPerS.all[task] / ratios[own[0]];
    return { perJob, mostPerS: (1 - goal.share) * requestsPerS };
  }

  /** Whether services alone leave too few requests within some goal. */
  servesTooSlowly(rows: readonly Row[]): boolean {
    const variates = this.#variates;
    if (variates === null) return false;
    const shares = this.#lateShares(this.#timesOn(this.#fastest(rows), variates));
    return shares.some(({ late, share }) => {
      return 1 - late + SIGMAS * Math.sqrt((late * (1 - late)) / DRAWS) < share;
    });
  }

  /** Whether services alone make more than such a part late of what may be, jobs going where most can be done. */
  areOftenLate(rows: readonly Row[], part: number): boolean {
    const variates = this.#variates;
    if (variates === null) return false;
    const chance = new RandomStream("1", "kinds");
    const times = rows.map((row, task) => {
      const untilPerS = row.map((_, kind) => this.rowPerS(task, row.slice(0, kind + 1), 1));
      const services = this.#replicas[task].map((id) => this.system.replicas[id]?.service);
      return variates[task].map((variate) => {
        const at = chance.uniform() * (untilPerS.at(-1) as number);
        return services[untilPerS.findIndex((until) => at < until)].sampleUs(variate, 1);
      });
    });
    return this.#lateShares(times).some(({ late, share }) => late > part * (1 - share));
  }

  /** By goal. */
  #lateShares(times: readonly Float64Array[]) {
    return this.#goals.map(({ pipeline, share }) => {
      const system = this.system.pipelines.find(({ name }) => name === pipeline) as PipelineSystem;
      return { late: lateShare(system, times), share };
    });
  }

  /** By which such a share of a pipeline's requests has ended without any wait, at the least. */
  leastMs(rows: readonly Row[], pipeline: string, share: number): number {
    const variates = this.#variates as readonly Float64Array[];
    const system = this.system.pipelines.find(({ name }) => name === pipeline) as PipelineSystem;
    const times = this.#timesOn(this.#fastest(rows), variates);
    const isLate = (ms: number): boolean =>
      lateShare({ ...system, sloUs: 1000 * ms }, times) > 1 - share;
    let ms = 1;
    while (isLate(ms)) ms *= 2;
    for (let step = ms / 4; step > ms / 4000; step /= 2) if (!isLate(ms - step)) ms -= step;
    return ms;
  }

  /** Service times by task, each of one replica. */
  #timesOn(replicas: readonly number[], variates: readonly Float64Array[]) {
    return replicas.map((replica, task) => {
      const { service } = this.system.replicas[replica];
      return variates[task].map((variate) => service.sampleUs(variate, 1));
    });
  }

  #fastest(rows: readonly Row[]): readonly number[] {
    return rows.map((row, task) => this.#replicas[task][this.fastestKind(task, row)]);
  }
}

/** Each task waits for all before it, and is always of the same pool. */
function isPlain({ tasks }: PipelineSystem): boolean {
  return tasks.every(
    ({ needed, predecessors, variants }) =>
      variants.length === 1 && (needed === Number.POSITIVE_INFINITY || predecessors.length < 2),
  );
}

type Jobs = "all" | "needed" | "most";

/**
 * By task. `missed` is the share of a pipeline's requests that need not be served, whichever they are. For a load
 * that changes, these are the jobs that its busiest stretch asks for.
 */
function jobsPerS(
  document: ScenarioDocument,
  inputs: SimulationInputs,
  { pipelines, pools }: System,
  goals: readonly Goal[],
  which: Jobs,
): readonly number[] | null {
  const { workload } = document;
  const traceUs = workload.arrivals === "trace" ? (inputs.traces[workload.file] ?? null) : null;
  const arrivals = arrivalsOver(document, inputs);
  const ratePerS = offeredRatePerS(workload, traceUs);
  const ratios = pipelines.map(visitRatios);
  const reaches = (which === "most" || pipelines.every(isPlain)) && !ratios.includes(null);
  if ((ratePerS === undefined && arrivals === null) || !reaches) return null;
  const needs = pipelines.flatMap(({ tasks, share, name }, p) => {
    const goal = goals.find(({ pipeline }) => pipeline === name);
    const one = { share, missed: 1 - (goal?.share ?? 0), graceS: (goal?.latencyMs ?? 0) / 1000 };
    return tasks.map(({ pool }, t) => ({ ...one, pool, visits: (ratios[p] as Float64Array)[t] }));
  });
  return pools.map((_, pool) => {
    const own = needs.filter((one) => one.pool === pool);
    const alone = own.map((one) => [one]);
    if (arrivals !== null)
      return Math.max(...[own, ...alone].map((some) => neededPerS(arrivals, some)));
    return sumOf(
      own.map(({ share, visits, missed }) => {
        return (
          (ratePerS as number) * share * Math.max(0, visits - (which === "needed" ? missed : 0))
        );
      }),
    );
  });
}

function variatesOf({ pools }: System, seed: number): readonly Float64Array[] {
  return pools.map(({ name, shape }) => {
    const sampler = new Sampler(shape, `${seed}/bounds`, `service/${name}`);
    return Float64Array.from({ length: DRAWS }, () => sampler.next());
  });
}

/**
 * The longest path through the tasks that every request runs, and at the worst one task more that
 * some run: other tasks and dependence between them only add to it.
 */
function lateShare(pipeline: PipelineSystem, times: readonly Float64Array[]): number {
  const ratios = visitRatios(pipeline);
  if (ratios === null) return 0;
  const always = ratios.map((ratio) => Number(ratio > 1 - 1e-9));
  const base = lateWith(pipeline, times, always);
  const withOne = pipeline.tasks.map((_, task) => {
    if (always[task] === 1) return base;
    const late = lateWith(pipeline, times, always.with(task, 1));
    return ratios[task] * late + (1 - ratios[task]) * base;
  });
  return Math.max(...withOne);
}

function lateWith(
  { tasks, sloUs }: PipelineSystem,
  times: readonly Float64Array[],
  runs: Float64Array,
): number {
  const { before: depths } = waysThrough(tasks, new Array(tasks.length).fill(1));
  const order = [...tasks.keys()].sort((a, b) => depths[a] - depths[b]);
  const ends = new Float64Array(tasks.length);
  let late = 0;
  for (let draw = 0; draw < DRAWS; draw++) {
    let last = 0;
    for (const task of order) {
      const { predecessors, pool } = tasks[task];
      let start = 0;
      for (const before of predecessors) start = Math.max(start, ends[before]);
      ends[task] = start + (runs[task] === 1 ? times[pool][draw] : 0);
      last = Math.max(last, ends[task]);
    }
    if (last > sloUs) late++;
  }
  return late / DRAWS;
}
