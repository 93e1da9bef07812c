/**
 * The gateway's counts across runs, for `/metrics` and `/status`, in wall-clock times. Typed arrays keep adding
 * cheap and memory constant.
 */
import { OUTCOMES, type Outcome } from "../../engine/dispatch/driver.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
import type { PipelineSystem, ReplicaSystem, System } from "../../engine/system/system.ts";
import { type WholeReplicas, wholeReplicas } from "../../engine/system/whole-replicas.ts";
import { mayWriteLast, poolsOfEngines } from "../../engine/system/writers.ts";
import { monotonicUs } from "../time/clock.ts";
import type { GatewayStatus, ReplicaStatus } from "./gateway-status.ts";
import { Recent, WindowSum } from "./lately.ts";
import type { BatchTimes, RunningBatch, RunningRequest, RunSink } from "./run-sink.ts";

/** Counts by bucket. */
export class Histogram {
  /** Upper limits of the buckets, ascending; one more bucket takes larger values. */
  readonly bounds: readonly number[];
  readonly counts: Float64Array;
  sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Float64Array(bounds.length + 1);
  }

  add(value: number): void {
    const { bounds } = this;
    let bucket = 0;
    while (bucket < bounds.length && value > bounds[bucket]) bucket++;
    this.counts[bucket]++;
    this.sum += value;
  }
}

/** Bucket limits in seconds, 1–2.5–5 a decade: usual latencies of inference services. */
const SECONDS: readonly number[] = [
  ...[0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05],
  ...[0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
];

const BATCH_SIZES: readonly number[] = [1, 2, 4, 8, 16, 32, 64, 128];

function pipelineCounts({ name, tasks }: PipelineSystem) {
  return {
    name,
    /** By index into `OUTCOMES`. */
    outcomes: new Float64Array(OUTCOMES.length),
    inFlight: 0,
    /** From taking a request to its answer, s; completed requests only. */
    duration: new Histogram(SECONDS),
    /** They count what each completed request's client reads, in s; null where no language model writes last. */
    tokenTimes: tasks.some((_, task) => mayWriteLast(tasks, task))
      ? { first: new Histogram(SECONDS), each: new Histogram(SECONDS) }
      : null,
    recent: new Recent(),
    /** Requests with and without a result in the last seconds. */
    completedLately: new WindowSum(),
    failedLately: new WindowSum(),
  };
}

function taskCounts(name: string, isEngine: boolean) {
  return {
    name,
    /** From a job being ready to the start of its batch, s; by job. */
    queue: new Histogram(SECONDS),
    /** Part of the queue time in which the replica was free and waited for more jobs, s; by job. */
    batchWait: new Histogram(SECONDS),
    /** Measured by the worker, s; by batch. */
    compute: new Histogram(SECONDS),
    /** Gateway to worker and back, without the service, s; by batch. */
    rpc: new Histogram(SECONDS),
    batchSize: new Histogram(BATCH_SIZES),
    wasted: 0,
    /** Null: no engines serve it. */
    tokens: isEngine ? { prompt: 0, generated: 0 } : null,
  };
}

/** An engine of a language model counts as one, and is busy as far as its places are taken. */
function replicaCounts({ pools, nodes }: System, name: string, { pool, node }: ReplicaSystem) {
  return {
    name,
    task: pools[pool].name,
    node: nodes[node]?.name ?? "",
    places: pools[pool].places,
    batches: 0,
    jobs: 0,
    busyS: 0,
    recent: new Recent(),
    /** In the last seconds. */
    batchesLately: new WindowSum(),
    jobsLately: new WindowSum(),
    busyLately: new WindowSum(),
  };
}

export class GatewayCounts implements RunSink {
  readonly pipelines: readonly ReturnType<typeof pipelineCounts>[];
  readonly tasks: readonly ReturnType<typeof taskCounts>[];
  readonly replicas: readonly ReturnType<typeof replicaCounts>[];
  readonly wholes: WholeReplicas;
  /** By pool: its first replica in the system. */
  readonly firstOf: readonly number[];
  /** By the system's replica: jobs that it runs now. */
  readonly #running: Int32Array;
  /** Latencies of all pipelines' completed requests, ms. */
  readonly recent = new Recent();
  readonly #poolOf: readonly number[];
  readonly #timeScale: number;

  constructor(system: System, timeScale: number) {
    this.#timeScale = timeScale;
    this.#poolOf = system.replicas.map(({ pool }) => pool);
    this.pipelines = system.pipelines.map(pipelineCounts);
    const isEngine = poolsOfEngines(system);
    this.tasks = system.pools.map(({ name }, pool) => taskCounts(name, isEngine[pool]));
    this.wholes = wholeReplicas(system);
    this.firstOf = system.pools.map(({ first }) => first);
    this.#running = new Int32Array(system.replicas.length);
    this.replicas = this.wholes.names.map((name, whole) =>
      replicaCounts(system, name, system.replicas[this.wholes.firsts[whole]]),
    );
  }

  /** Jobs that each of `replicas` runs now. */
  inFlight(): readonly number[] {
    const jobs = this.replicas.map(() => 0);
    for (const [replica, running] of this.#running.entries())
      jobs[this.wholes.of[replica]] += running;
    return jobs;
  }

  taken({ pipeline }: RunningRequest): void {
    this.pipelines[pipeline].inFlight++;
  }

  /** Counts a request that the gateway refused before a run took it. */
  turnedAway(pipeline: number): void {
    const own = this.pipelines[pipeline];
    own.outcomes[OUTCOMES.indexOf("refused")]++;
    own.failedLately.add(1, monotonicUs());
  }

  started({ replica, requests, queuedUs, freeUs }: RunningBatch, nowUs: number): void {
    const { queue, batchWait, batchSize } = this.tasks[this.#poolOf[replica]];
    for (let i = 0; i < requests.length; i++) {
      queue.add(this.#seconds(nowUs - queuedUs[i]));
      batchWait.add(this.#seconds(nowUs - Math.max(queuedUs[i], freeUs)));
    }
    batchSize.add(requests.length);
    this.#running[replica] = requests.length;
  }

  served({ replica, requests }: RunningBatch, { serviceUs, hopUs }: BatchTimes): void {
    const { compute, rpc } = this.tasks[this.#poolOf[replica]];
    compute.add(serviceUs / 1e6);
    rpc.add(hopUs / 1e6);
    const own = this.replicas[this.wholes.of[replica]];
    const busyS = serviceUs / 1e6 / own.places;
    own.batches++;
    own.jobs += requests.length;
    own.busyS += busyS;
    this.#running[replica] = 0;
    const atUs = monotonicUs();
    own.recent.add(serviceUs / 1000, atUs);
    own.batchesLately.add(1, atUs);
    own.jobsLately.add(requests.length, atUs);
    own.busyLately.add(busyS, atUs);
  }

  wasted(batch: RunningBatch): void {
    this.tasks[this.#poolOf[batch.replica]].wasted++;
    this.missed(batch);
  }

  wrote({ replica }: RunningBatch, tokens: number): void {
    const own = this.tasks[this.#poolOf[replica]].tokens;
    if (own !== null) own.generated += tokens;
  }

  read({ replica }: RunningBatch, promptTokens: number): void {
    const own = this.tasks[this.#poolOf[replica]].tokens;
    if (own !== null) own.prompt += promptTokens;
  }

  missed({ replica }: RunningBatch): void {
    this.#running[replica] = 0;
  }

  ended(request: RunningRequest, outcome: Outcome, nowUs: number): void {
    const { pipeline, takenUs, arrivedUs, written } = request;
    const own = this.pipelines[pipeline];
    own.inFlight--;
    own.outcomes[OUTCOMES.indexOf(outcome)]++;
    const atUs = monotonicUs();
    if (outcome !== "completed") {
      own.failedLately.add(1, atUs);
      return;
    }
    own.completedLately.add(1, atUs);
    const seconds = this.#seconds(nowUs - takenUs);
    own.duration.add(seconds);
    own.recent.add(seconds * 1000, atUs);
    this.recent.add(seconds * 1000, atUs);
    if (own.tokenTimes === null || written === null) return;
    // The scenario's time counts from the intended arrival, this one from the gateway's receipt.
    own.tokenTimes.first.add(this.#seconds(written.ttftUs - (takenUs - arrivedUs)));
    if (written.tpotUs > 0) own.tokenTimes.each.add(this.#seconds(written.tpotUs));
  }

  #seconds(scenarioUs: number): number {
    return (scenarioUs * this.#timeScale) / 1e6;
  }
}

/** A gateway's requests and replicas at one moment. */
export interface GatewayState {
  /** By pool: jobs that wait in its own queue, then in each of its replicas'. */
  readonly waiting: readonly (readonly number[])[];
  readonly replicas: readonly {
    readonly state: "up" | "draining" | "down";
    readonly losses: number;
    /** Why a replica went down, and when; null where it is not down. */
    readonly lastLoss: { readonly reason: string; readonly atUs: number } | null;
    /** False: room for a replica that can be added. */
    readonly there: boolean;
  }[];
}

/** Quantiles, rates and utilisation cover the last so many seconds. */
const WINDOW_S = 10;

export function gatewayStatus(
  counts: GatewayCounts,
  state: GatewayState,
  scheduler: string,
): GatewayStatus {
  const nowUs = monotonicUs();
  const sinceUs = nowUs - WINDOW_S * 1e6;
  const completed = OUTCOMES.indexOf("completed");
  const queues = replicaQueues(counts, state);
  const { recent, pipelines } = counts;
  const running = counts.inFlight();
  const [allP50, allP95, allP99] = recent.quantilesSince(sinceUs, [0.5, 0.95, 0.99]);
  return {
    atMs: nowUs / 1000,
    scheduler,
    windowS: WINDOW_S,
    replicas: counts.replicas.flatMap((replica, i) => {
      const present = state.replicas[counts.wholes.firsts[i]];
      if (!present.there) return [];
      const { name, task, node, batches, jobs, busyS } = replica;
      const [p50, p99] = replica.recent.quantilesSince(sinceUs, [0.5, 0.99]);
      const lately = replica.batchesLately.total(nowUs, WINDOW_S);
      const { state: now, losses, lastLoss } = present;
      const lost = lastLoss && { reason: lastLoss.reason, agoS: (nowUs - lastLoss.atUs) / 1e6 };
      const status: ReplicaStatus = {
        name,
        task,
        node,
        inFlight: running[i],
        queue: queues[i],
        batches,
        jobs,
        busyS,
        state: now,
        losses,
        lost,
        serviceP50Ms: p50,
        serviceP99Ms: p99,
        utilizationRatio: Math.min(1, replica.busyLately.total(nowUs, WINDOW_S) / WINDOW_S),
        batchSizeMean: lately === 0 ? null : replica.jobsLately.total(nowUs, WINDOW_S) / lately,
      };
      return [status];
    }),
    tasks: counts.tasks.map(({ name }, pool) => ({ name, queue: state.waiting[pool][0] })),
    all: {
      completedPerS: sumOf(pipelines.map((one) => perS(one.completedLately, nowUs))),
      latencyP50Ms: allP50,
      latencyP95Ms: allP95,
      latencyP99Ms: allP99,
    },
    pipelines: pipelines.map((pipeline) => {
      const { name, inFlight, outcomes, recent } = pipeline;
      const [p50, p99] = recent.quantilesSince(sinceUs, [0.5, 0.99]);
      const failures = OUTCOMES.flatMap((reason, i) =>
        i === completed || outcomes[i] === 0 ? [] : [[reason, outcomes[i]] as const],
      );
      return {
        name,
        inFlight,
        completed: outcomes[completed],
        failures: Object.fromEntries(failures),
        completedPerS: perS(pipeline.completedLately, nowUs),
        failedPerS: perS(pipeline.failedLately, nowUs),
        latencyP50Ms: p50,
        latencyP99Ms: p99,
      };
    }),
  };
}

function perS(sum: WindowSum, nowUs: number): number {
  return sum.total(nowUs, WINDOW_S) / WINDOW_S;
}

/** By replica as it is counted; null where its task has one queue for all. */
function replicaQueues(
  { replicas, wholes, firstOf }: GatewayCounts,
  { waiting }: GatewayState,
): readonly (number | null)[] {
  const queues: (number | null)[] = replicas.map(() => null);
  for (const [pool, [, ...own]] of waiting.entries()) {
    for (const [i, jobs] of own.entries()) {
      const whole = wholes.of[firstOf[pool] + i];
      queues[whole] = (queues[whole] ?? 0) + jobs;
    }
  }
  return queues;
}
