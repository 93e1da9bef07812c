/**
 * A configuration made ready to run: names resolved to integer ids, milliseconds to microseconds,
 * profiles and distributions to service models. Simulator, gateway and replay all read this.
 */

import type { FaultSystem } from "./fault-causes.ts";
import type { InputScaling } from "./input-sizes.ts";
import type { Shape } from "./random/sampler.ts";
import type { ValueDocument } from "./scenario/schema/common.ts";
import type { ServiceModel } from "./service.ts";

export interface System {
  readonly pipelines: readonly PipelineSystem[];
  /** One pool of replicas per task name; pipelines with a task of the same name share it. */
  readonly pools: readonly PoolSystem[];
  readonly replicas: readonly ReplicaSystem[];
  readonly nodes: readonly NodeSystem[];
  /** Device slots that host a replica. */
  readonly devices: readonly DeviceSystem[];
  readonly models: readonly ModelSystem[];
  readonly overheads: Overheads;
  /** What all nodes and devices draw when idle, W; null when the scenario knows no power. */
  readonly idleWatts: number | null;
  /** Tasks of the largest pipeline. */
  readonly stride: number;
  /** Cost of all machines that host a replica. */
  readonly costPerHour: number;
  /** Time from the order of a replica until it is up. */
  readonly provisioning: { readonly meanUs: number; readonly shape: Shape };
  /** null: nothing breaks. */
  readonly faults: FaultSystem | null;
}

export interface PipelineSystem {
  readonly name: string;
  /** Latency goal, µs; Infinity without one. */
  readonly sloUs: number;
  /** Time from a request's arrival to its deadline, ms, drawn for each; null: the latency goal. */
  readonly deadlineMs: ValueDocument | null;
  readonly priority: number;
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
  /** Bytes sent besides for each predecessor that ran; in the order of `predecessors`. */
  readonly edgeBytes: readonly number[];
  readonly outputBytes: number;
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
  /** Null: times do not depend on inputs. With it, the replicas' services are `SizedService`s. */
  readonly inputScaling: InputScaling | null;
}

export interface ReplicaSystem {
  readonly name: string;
  readonly pool: number;
  readonly node: number;
  /** Kind of device. */
  readonly device: string;
  /** Its place in the system's `devices`. */
  readonly slot: number;
  readonly service: ServiceModel;
}

export interface NodeSystem {
  readonly name: string;
  /** Slow-down when 1, 2, ... replicas are busy; null: none. */
  readonly contention: readonly number[] | null;
  /** Added to each round trip between gateway and worker, µs. */
  readonly zoneRoundTripUs: number;
  /** Microseconds that a byte takes on the node's link, in each direction. */
  readonly usPerByte: number;
  /** Billed whole while the machine hosts a replica. */
  readonly costPerHour: number;
}

export type Sharing =
  | { readonly kind: "time-slice"; readonly quantumUs: number; readonly switchUs: number }
  /** Slow-down of each when 1, 2, ... replicas of the slot are busy. */
  | { readonly kind: "processor-sharing"; readonly slowdown: readonly number[] };

/** One slot of a device, with one replica or, when it is shared, several. */
export interface DeviceSystem {
  readonly name: string;
  readonly node: number;
  /** null: each replica runs as if alone. */
  readonly sharing: Sharing | null;
  /** Infinity: no limit. */
  readonly memoryMb: number;
  /** What the slot adds, with its share of the node, when a replica on it is busy, W. */
  readonly busyWatts: number;
}

export interface ModelSystem {
  readonly name: string;
  readonly memoryMb: number;
  readonly loadUs: number;
  readonly residency: "always" | "on-demand" | "per-call";
}

/** Costs between client, gateway and worker; times in µs. */
export interface Overheads {
  /** Equally probable round trips; empty: none. */
  readonly clientRoundTripUs: readonly number[];
  readonly workerRoundTripUs: readonly number[];
  /** Whether the transfers of one direction of a node's link share its bandwidth. */
  readonly sharedLinks: boolean;
  readonly arrivalUs: number;
  readonly dispatchUs: number;
  readonly completionUs: number;
  readonly gateways: number;
  readonly assignment: "round-robin" | "hash";
}
