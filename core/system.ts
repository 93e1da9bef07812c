/**
 * A configuration made ready to run: names resolved to integer ids, milliseconds to microseconds,
 * profiles and distributions to service models. Simulator, gateway and replay all read this.
 */
import type { Shape } from "./random/sampler.ts";
import type { ServiceModel } from "./service.ts";

export interface System {
  readonly pipelines: readonly PipelineSystem[];
  /** One pool of replicas per task name; pipelines with a task of the same name share it. */
  readonly pools: readonly PoolSystem[];
  readonly replicas: readonly ReplicaSystem[];
  readonly nodes: readonly NodeSystem[];
  readonly overheads: Overheads;
  /** Tasks of the largest pipeline. */
  readonly stride: number;
  readonly costPerHour: number;
}

export interface PipelineSystem {
  readonly name: string;
  /** Latency goal, µs; Infinity without one. A request's deadline is its arrival plus this. */
  readonly sloUs: number;
  /** Share of the requests that must meet the goal, 0..1. */
  readonly sloShare: number;
  readonly held: boolean;
  /** Chains of replicas that requests may hold; 0 unless `held`. */
  readonly chains: number;
  /** Probability that an arrival is of this pipeline. */
  readonly share: number;
  readonly tasks: readonly TaskSystem[];
  readonly entryTasks: readonly number[];
  readonly sinkCount: number;
}

export interface TaskSystem {
  readonly name: string;
  readonly pool: number;
  readonly predecessors: readonly number[];
  readonly successors: readonly number[];
  /** Predecessors that must have run before it starts; Infinity: all must have ended. */
  readonly needed: number;
  readonly whenProbability: number;
  readonly whenContains: string | null;
  readonly cacheHitRatio: number;
  /** Cache tasks whose hit skips this task. */
  readonly skippedBy: readonly number[];
  readonly payloadBytes: number;
}

export interface PoolSystem {
  readonly name: string;
  readonly model: string;
  /** Replicas are numbered first .. first + count − 1. */
  readonly first: number;
  readonly count: number;
  readonly maxBatch: number;
  /** How the variate of each of its jobs is drawn. */
  readonly shape: Shape;
}

export interface ReplicaSystem {
  readonly name: string;
  readonly pool: number;
  readonly node: number;
  readonly device: string;
  readonly service: ServiceModel;
}

export interface NodeSystem {
  readonly name: string;
  /** Slow-down when 1, 2, ... replicas are busy; null: none. */
  readonly contention: readonly number[] | null;
}

/** Costs between client, gateway and worker; times in µs. */
export interface Overheads {
  /** Equally probable round trips; empty: none. */
  readonly clientRoundTripUs: readonly number[];
  readonly workerRoundTripUs: readonly number[];
  /** Microseconds per payload byte. */
  readonly usPerByte: number;
  readonly arrivalUs: number;
  readonly dispatchUs: number;
  readonly completionUs: number;
}
