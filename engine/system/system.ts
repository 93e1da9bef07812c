/**
 * A configuration made ready to run: names resolved to integer ids, milliseconds to microseconds,
 * profiles and distributions to service models. Simulator, gateway and replay all read this.
 */

import type { Shape, Value } from "../random/sampler.ts";
import type { InputScaling, ServiceModel } from "../service/service.ts";
import type { StepTimes } from "../tokens/step-times.ts";
import type { EngineLimits } from "../tokens/token-engine.ts";
import type { FaultSystem } from "./faults.ts";

/** Amounts of resources are whole millionths, so that sums and differences are exact. */
export const RESOURCE_UNITS = 1e6;

export interface System {
  /** In the order of the scenario; a pipeline's id is its index, as is that of all below. */
  readonly pipelines: readonly PipelineSystem[];
  /**
   * One pool of replicas per task name, or per variant of it; pipelines with a task of the same name share it.
   */
  readonly pools: readonly PoolSystem[];
  /** Those of a pool follow each other, from its `first`. */
  readonly replicas: readonly ReplicaSystem[];
  /** Machines; a node of `count` 3 is three of them. */
  readonly nodes: readonly NodeSystem[];
  /** Names of the resources that nodes have, or models demand, beyond device slots. */
  readonly resources: readonly string[];
  /** Device slots that host a replica. */
  readonly devices: readonly DeviceSystem[];
  /** Each once, though pools share it. */
  readonly models: readonly ModelSystem[];
  /** Times of gateway and network, µs. */
  readonly overheads: Overheads;
  /** Power of all nodes and devices when idle, W; null when the scenario gives none. */
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
  /** The scenario's. */
  readonly name: string;
  /** Latency of the SLO, µs; Infinity without one. */
  readonly sloUs: number;
  /** The longest time to the first token within the SLO, µs; Infinity without a bound. */
  readonly ttftUs: number;
  /** The longest mean time per token after the first, µs; Infinity without a bound. */
  readonly tpotUs: number;
  /** Time from a request's arrival to its deadline, ms, drawn for each; null: the latency of the SLO. */
  readonly deadlineMs: Value | null;
  /** All its requests have it; a request with a higher one goes first. */
  readonly priority: number;
  /** Share of the requests that must meet the SLO, 0..1. */
  readonly sloShare: number;
  /** Whether a request holds a replica of every task from its start to its end. */
  readonly held: boolean;
  /** Chains of replicas that requests may hold; 0 unless `held`. */
  readonly chains: number;
  /** Probability that an arrival is of this pipeline. */
  readonly share: number;
  /** A task's id is its index here. */
  readonly tasks: readonly TaskSystem[];
  /** Tasks that several models answer together. */
  readonly ensembles: readonly EnsembleSystem[];
  /** Tasks without a predecessor, by id. */
  readonly entryTasks: readonly number[];
  /** Tasks whose end a request waits for and no other task does. */
  readonly sinkCount: number;
}

export interface TaskSystem {
  /** The scenario's, or `task@model` of a member of an ensemble. */
  readonly name: string;
  /** Its ensemble's number in the pipeline; −1: it is no member of one. */
  readonly ensemble: number;
  /** The first of its `variants`. */
  readonly pool: number;
  /** The pools that can serve it, in the scenario's order: those with replicas, if any has. */
  readonly variants: readonly number[];
  /** Tasks of the pipeline that it waits for, by id. */
  readonly predecessors: readonly number[];
  /** Tasks that wait for it, by id. */
  readonly successors: readonly number[];
  /** No other task waits for its end, so the request does: it has no successors, or all start at its first token. */
  readonly isSink: boolean;
  /** Predecessors that must have run before it starts; Infinity: all must have ended. */
  readonly needed: number;
  /** Share of the requests for which its condition is drawn to hold; 1: it has none that is drawn. */
  readonly whenProbability: number;
  /** By row of the trace: the condition holds where it is above 0; null: it is drawn. */
  readonly whenRows: readonly number[] | null;
  /** It runs where a predecessor's real answer contains this label; null: no answer decides. */
  readonly whenContains: string | null;
  /** Expected, where answers are kept by content. */
  readonly cacheHitRatio: number;
  /** Null: hits are drawn. */
  readonly cacheContent: ContentTerms | null;
  /** Cache tasks whose hit skips this task. */
  readonly skippedBy: readonly number[];
  /** Lengths for a language model; null: it is none, or goes on with another task's sequences. */
  readonly tokens: TokenLengthTerms | null;
  /** The language model goes on with these sequences; null: it begins its own. */
  readonly continuation: ContinuationTerms | null;
  /** Predecessors whose first token is enough. */
  readonly afterFirstToken: readonly number[];
  /** Bytes of the request that are sent with each job. */
  readonly payloadBytes: number;
  /** Bytes sent besides for each predecessor that ran; in the order of `predecessors`. */
  readonly edgeBytes: readonly number[];
  /** Bytes of its answer. */
  readonly outputBytes: number;
}

/** Tokens of a prompt and of its output, of each request; both together at most `most`. */
export interface TokenLengthTerms {
  readonly prompt: Value | Rows<number>;
  /** Tasks whose outputs the prompt holds besides. */
  readonly outputsOf: readonly number[];
  readonly output: Value | Rows<number>;
  readonly most: number;
  /** Tokens that prompts begin with together; null: none. */
  readonly prefix: PrefixTerms | null;
}

/** Sequences whose prompt and first token another task's engine has made. */
export interface ContinuationTerms {
  readonly task: number;
  /** Keys and values of the prompt that are sent to the replica. */
  readonly kvBytesPerToken: number;
}

/** By row of the trace, from the first again after the last. */
interface Rows<T> {
  readonly rows: readonly T[];
}

/** So many tokens of one of some groups; or numbers by trace, one for each `blockTokens` of a prompt. */
export type PrefixTerms =
  | { readonly length: number; readonly groups: number }
  | (Rows<readonly number[]> & { readonly blockTokens: number });

/** A task of the scenario that several variants answer at once: each is a task here. */
export interface EnsembleSystem {
  readonly name: string;
  /** Its tasks, in the order of the variants. */
  readonly members: readonly number[];
  /** An answer of less confidence is unsure. */
  readonly minConfidence: number;
  /** The answer in place of an unsure one, and the share of requests for which it is right. */
  readonly fallback: { readonly label: string; readonly accuracy: number } | null;
  /** Labels that drawn answers are of. */
  readonly classes: number;
  /** Share of the requests for which drawn answers of all members err together. */
  readonly sharedErrors: number;
}

/** Contents of a task that is a cache by content. */
export interface ContentTerms {
  /** Answers that the cache holds. */
  readonly entries: number;
  /** Distinct contents of requests. */
  readonly keys: number;
  /** Popularity of the i-th content: in proportion to 1 / i^zipf. */
  readonly zipf: number;
}

export interface PoolSystem {
  /** The task's, or `task@model` of a variant. */
  readonly name: string;
  /** The task that it serves, by its name in the scenario. */
  readonly task: string;
  /** The model that its replicas run, by name. */
  readonly model: string;
  /** Replicas are numbered first .. first + count − 1. */
  readonly first: number;
  /** Its replicas, up or not. */
  readonly count: number;
  /** Replicas here that are one of the scenario's: places of its sequences where it serves a language model, else 1. */
  readonly places: number;
  /** Jobs of its largest batch, by its model. */
  readonly maxBatch: number;
  /** Amounts of resources that a batch takes on its node while it runs, in `RESOURCE_UNITS`. */
  readonly demand: readonly number[];
  /** The distribution of its jobs' variates. */
  readonly shape: Shape;
  /** Null: times do not depend on inputs. With it, the replicas' services are `VariableService`s. */
  readonly inputScaling: InputScaling | null;
  /** Whether a batch that runs can be taken off its replica. */
  readonly stoppable: boolean;
  /** Share of its model's answers that are right; null: not given. */
  readonly accuracy: number | null;
  /** The same of answers that are imputed; 1 where `accuracy` is null. */
  readonly imputedAccuracy: number;
}

export interface ReplicaSystem {
  /** The pool's, with its number from 1. */
  readonly name: string;
  /** Its pool, by its index in `system.pools`. */
  readonly pool: number;
  /** The machine that it runs on, by its index in `system.nodes`. */
  readonly node: number;
  /** Kind of device. */
  readonly device: string;
  /** Its place in the system's `devices`. */
  readonly slot: number;
  /** The device slots that serve its batches one after the other, each a stage of the model; null: its own alone. */
  readonly stages: readonly number[] | null;
  /** Of a batch that never waits, all stages together. */
  readonly service: ServiceModel;
}

export interface NodeSystem {
  /** The scenario's, with the machine's number where there are several. */
  readonly name: string;
  /** Slow-down when 1, 2, ... replicas are busy; null: none. */
  readonly contention: readonly number[] | null;
  /** Added to each round trip between gateway and worker, µs. */
  readonly zoneRoundTripUs: number;
  /** Microseconds that a byte takes on the node's link, in each direction. */
  readonly usPerByte: number;
  /** Amounts of resources, in `RESOURCE_UNITS`; Infinity: no limit. */
  readonly resources: readonly number[];
  /** Billed whole while the machine hosts a replica. */
  readonly costPerHour: number;
}

export type Sharing =
  | { readonly kind: "time-slice"; readonly quantumUs: number; readonly switchUs: number }
  /** Slow-down of each when 1, 2, ... replicas of the slot are busy. */
  | { readonly kind: "processor-sharing"; readonly slowdown: readonly number[] }
  /** A language model in iterations: each replica of its pool is the place of one sequence; others may run beside it. */
  | {
      readonly kind: "iterations";
      readonly pool: number;
      /** Of each when the engine and others, 1, 2, ... in all, are busy; null: each runs as if alone. */
      readonly slowdown: readonly number[] | null;
      readonly policy: string;
      readonly limits: EngineLimits;
      readonly stepTimes: StepTimes;
    };

/** One slot of a device, with one replica or, when it is shared, several. */
export interface DeviceSystem {
  /** The machine's, the kind of device and the slot's number. */
  readonly name: string;
  /** Its machine, by its index in `system.nodes`. */
  readonly node: number;
  /** null: each replica runs as if alone. */
  readonly sharing: Sharing | null;
  /** Infinity: no limit. */
  readonly memoryMb: number;
  /** Power that a busy replica on the slot adds, with the slot's share of the node, W. */
  readonly busyWatts: number;
}

interface ModelSystem {
  readonly name: string;
  readonly memoryMb: number;
  readonly residency: "always" | "on-demand" | "per-call";
  readonly loadUs: number;
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

/** The numbers of a pool's replicas. */
export const membersOf = ({ first, count }: Pick<PoolSystem, "first" | "count">): number[] =>
  Array.from({ length: count }, (_, i) => first + i);

/**
 * Room for replicas that are added during a run: each pool gets more replicas like its last one, down until
 * then; engines with all their places, each on a device slot of its own. Pools of held chains get none: their chains are
 * fixed.
 */
export function withSpareReplicas(system: System, perPool: number): System {
  if (perPool === 0) return system;
  const held = new Set(
    system.pipelines.filter((p) => p.held).flatMap(({ tasks }) => tasks.map(({ pool }) => pool)),
  );
  const replicas: System["replicas"][number][] = [];
  const devices = [...system.devices];
  const pools = system.pools.map((pool, id) => {
    const { places } = pool;
    const first = replicas.length;
    const own = system.replicas.slice(pool.first, pool.first + pool.count);
    replicas.push(...own);
    const spares = own.length === 0 || held.has(id) ? 0 : perPool;
    const wholes = own.length / places;
    for (let i = 0; i < spares; i++) {
      // Each takes the place of another of the pool's own in turn. Places of engines come in turn, too.
      const like = own.filter((_, replica) => replica % wholes === i % wholes);
      const number = wholes + i + 1;
      const slot = places === 1 ? like[0].slot : devices.push(devices[like[0].slot]) - 1;
      for (const [place, one] of like.entries()) {
        const within = places === 1 ? "" : `/${place + 1}`;
        replicas.push({ ...one, slot, name: `${pool.name}-${number}${within}` });
      }
    }
    return { ...pool, first, count: pool.count + spares * places };
  });
  return { ...system, pools, replicas, devices };
}

/** The numbers, in the larger system, of the replicas that are no spares. */
export function ownReplicas(system: System, larger: System): readonly number[] {
  const names = new Map(larger.replicas.map(({ name }, replica) => [name, replica]));
  return system.replicas.map(({ name }) => names.get(name) as number);
}
