/** Control of a running deployment's replicas, while requests are in flight. */

/** How a replica batches, in place of what the scheduler says for its task. */
export interface ReplicaBatching {
  readonly maxBatch: number;
  /** How long a batch that is not full waits for more, from its first job. */
  readonly waitMs: number;
}

export interface NewReplica {
  /** The pipeline's task that it runs. */
  readonly task: string;
  /** A node of the scenario; default: the scenario's first that has room. */
  readonly node?: string;
  readonly batch?: ReplicaBatching;
  /** host:port of a server that serves it already; default: a worker process is started. */
  readonly address?: string;
}

export interface ReplicaStatus {
  readonly name: string;
  readonly task: string;
  readonly node: string | null;
  readonly address: string;
  /** `draining` finishes its batch and takes no other; `down` is lost and tried again. */
  readonly state: "starting" | "up" | "draining" | "down";
  /** Null: as the scheduler says. */
  readonly batch: ReplicaBatching | null;
  /** Jobs that wait at it or run on it. */
  readonly load: number;
  /** How often it was lost. */
  readonly losses: number;
}

/** Rejects with Fault("not-found") for a name that there is not, Fault("invalid-input") for values. */
export interface ReplicaControl {
  list(): Promise<readonly ReplicaStatus[]>;
  /** Resolves when the replica takes jobs. */
  add(replica: NewReplica): Promise<ReplicaStatus>;
  /** What is left out stays as it is. */
  change(name: string, change: Partial<ReplicaBatching>): Promise<ReplicaStatus>;
  /** `drain`: its batch runs to its end first; else the batch is tried again elsewhere. */
  remove(name: string, options: { readonly drain: boolean }): Promise<void>;
  /** Starts it anew: a fresh process and model, the scheduler's own batching. */
  reset(name: string): Promise<ReplicaStatus>;
}
