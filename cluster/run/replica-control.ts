/** Lists, adds, changes, removes and resets replicas while requests are in flight. */
import { z } from "zod";
import { Fault } from "../../engine/basics/fault.ts";
import { batchingSchema, type ControlledReplica } from "../observe/gateway-status.ts";
import { onParentMessage, reportProgress } from "../processes/child-side.ts";
import { until } from "../time/clock.ts";
import type { Gateway } from "./gateway.ts";

const UP_TIMEOUT_MS = 60_000;
/** A batch of a removed replica that takes longer runs again on another. */
const DRAIN_TIMEOUT_MS = 60_000;

export const newReplicaSchema = z
  .strictObject({
    task: z.string().min(1).describe("the pipeline's task that it runs"),
    node: z.string().min(1).optional().describe("a node of the scenario; default: one with room"),
    batch: batchingSchema.optional().describe("default: as the scheduler says"),
    address: z
      .string()
      .regex(/^[^\s/]+:\d{1,5}$/)
      .optional()
      .describe("host:port of a server that serves it already; default: a worker is started"),
  })
  .meta({ examples: [{ task: "detect", batch: { maxBatch: 4, waitMs: 5 } }] });

export const changeSchema = batchingSchema
  .partial()
  .refine((given) => given.maxBatch !== undefined || given.waitMs !== undefined, {
    message: "give maxBatch, waitMs, or both",
  })
  .meta({ examples: [{ maxBatch: 8, waitMs: 20 }] });

type NewReplica = z.output<typeof newReplicaSchema>;
type BatchingChange = z.output<typeof changeSchema>;

/** Gateway to parent. */
export interface WorkerQuestion {
  readonly question: number;
  readonly what: "start" | "stop" | "attach";
  readonly replica: number;
  /** Address of a replica to attach. */
  readonly address?: string;
}

/** Parent to gateway: the address of the started worker, or the error. */
export interface WorkerReply {
  readonly question: number;
  readonly address?: string;
  readonly error?: string;
}

/** Methods reject with Fault("not-found") for an unknown name, Fault("invalid-input") for wrong values. */
export class ReplicaControl {
  readonly #gateway: Gateway;
  readonly #host = workerHost();
  /** Replicas whose process is being started, and those that leave. */
  readonly #starting = new Set<number>();
  readonly #leaving = new Set<number>();

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
  }

  async list(): Promise<readonly ControlledReplica[]> {
    const { system } = this.#gateway;
    return [...system.replicas.keys()].filter((replica) => this.#is(replica)).map(this.#status);
  }

  /** Resolves when the replica takes jobs. */
  async add({ task, node, batch, address }: NewReplica): Promise<ControlledReplica> {
    const replica = this.#room(task, node);
    this.#check(replica, batch ?? {});
    this.#starting.add(replica);
    try {
      const at = address ?? (await this.#host.start(replica));
      if (address !== undefined) await this.#host.attach(replica, address);
      if (batch !== undefined) this.#gateway.setBatching(replica, batch);
      this.#gateway.attach(replica, at);
      if (address !== undefined) await this.#serves(replica);
      await this.#up(replica);
    } catch (error) {
      this.#gateway.detach(replica);
      this.#gateway.setBatching(replica, null);
      await this.#host.stop(replica);
      throw error;
    } finally {
      this.#starting.delete(replica);
    }
    return this.#status(replica);
  }

  async change(name: string, change: BatchingChange): Promise<ControlledReplica> {
    const replica = this.#named(name);
    this.#check(replica, change);
    const own = this.#gateway.batchingOf(replica);
    // Where the scheduler decides: its largest batch, without waiting.
    const { maxBatch = own?.maxBatch ?? this.#gateway.maxBatchOf(replica) } = change;
    const { waitMs = own?.waitMs ?? 0 } = change;
    this.#gateway.setBatching(replica, { maxBatch, waitMs });
    return this.#status(replica);
  }

  /** `drain`: its batch runs to its end first; else another replica runs it again. */
  async remove(name: string, { drain }: { readonly drain: boolean }): Promise<void> {
    const replica = this.#named(name);
    await this.#leave(replica, drain);
    await this.#host.stop(replica);
    this.#gateway.setBatching(replica, null);
  }

  /** Starts a fresh process and model, with the scheduler's batching. */
  async reset(name: string): Promise<ControlledReplica> {
    const replica = this.#named(name);
    await this.#leave(replica, true);
    this.#gateway.setBatching(replica, null);
    this.#starting.add(replica);
    try {
      await this.#host.stop(replica);
      this.#gateway.attach(replica, await this.#host.start(replica));
      await this.#up(replica);
    } finally {
      this.#starting.delete(replica);
    }
    return this.#status(replica);
  }

  async #leave(replica: number, drain: boolean): Promise<void> {
    if (this.#leaving.has(replica)) {
      throw new Fault("invalid-input", "this replica is being removed already");
    }
    this.#leaving.add(replica);
    try {
      if (drain) {
        this.#gateway.retire(replica);
        await until(() => !this.#gateway.run.isBusy(replica), DRAIN_TIMEOUT_MS);
      }
      this.#gateway.detach(replica);
    } finally {
      this.#leaving.delete(replica);
    }
  }

  /** The address may serve another replica, or none. */
  async #serves(replica: number): Promise<void> {
    try {
      await this.#gateway.links.all[replica]?.describe();
    } catch (error) {
      throw this.#notUp(replica, `: ${(error as Error).message}`);
    }
  }

  async #up(replica: number): Promise<void> {
    const isUp = (): boolean => this.#gateway.links.all[replica]?.up === true;
    if (!(await until(isUp, UP_TIMEOUT_MS))) throw this.#notUp(replica, "");
  }

  #notUp(replica: number, why: string): Fault {
    const { name } = this.#gateway.system.replicas[replica];
    return new Fault("cluster-failure", `replica ${name} did not come up${why}`, {
      hint: "whatever serves it must know it by this name, and answer health watches",
    });
  }

  readonly #status = (replica: number): ControlledReplica => {
    const { system, links, run } = this.#gateway;
    const { name, pool, node } = system.replicas[replica];
    const link = links.all[replica];
    const up = link?.up === true ? "up" : this.#starting.has(replica) ? "starting" : "down";
    return {
      name,
      task: system.pools[pool].name,
      node: system.nodes[node]?.name ?? null,
      address: link?.address ?? "",
      state: this.#leaving.has(replica) ? "draining" : up,
      batch: this.#gateway.batchingOf(replica),
      load: run.loadOf(replica),
      losses: link?.losses ?? 0,
    };
  };

  #is(replica: number): boolean {
    return this.#gateway.links.all[replica] !== null || this.#starting.has(replica);
  }

  #named(name: string): number {
    const { replicas } = this.#gateway.system;
    const found = replicas.findIndex((replica) => replica.name === name);
    if (found >= 0 && this.#gateway.links.all[found] !== null) return found;
    throw new Fault("not-found", `there is no replica ${JSON.stringify(name)}`);
  }

  /** A free number among the task's replicas. */
  #room(task: string, node: string | undefined): number {
    const { pools, replicas, nodes } = this.#gateway.system;
    const pool = pools.findIndex(({ name }) => name === task);
    if (pool < 0) {
      throw new Fault("invalid-input", `there is no task ${JSON.stringify(task)}`, {
        hint: `this deployment's are ${pools.map(({ name }) => name).join(", ")}`,
      });
    }
    const free = [...replicas.keys()].filter((r) => replicas[r].pool === pool && !this.#is(r));
    const fits = free.find((r) => node === undefined || nodes[replicas[r].node]?.name === node);
    if (fits !== undefined) return fits;
    const where = node === undefined ? "" : ` on node ${JSON.stringify(node)}`;
    throw new Fault("invalid-input", `there is no room for another replica of ${task}${where}`, {
      hint: "start the cluster with more spare replicas, or remove one first",
    });
  }

  #check(replica: number, { maxBatch = 1 }: BatchingChange): void {
    const { system } = this.#gateway;
    const { pool, name } = system.replicas[replica];
    if (system.pipelines.some((p) => p.held && p.tasks.some((task) => task.pool === pool))) {
      throw new Fault("invalid-input", `${name} is part of a chain that is held: it never batches`);
    }
    const { maxBatch: most } = system.pools[pool];
    if (maxBatch <= most) return;
    throw new Fault("invalid-input", `maxBatch is ${maxBatch}; ${name} takes 1 to ${most}`);
  }
}

/** Worker processes belong to the deployment: a gateway asks its parent to start and stop them. */
function workerHost() {
  const waiting = new Map<number, (reply: WorkerReply) => void>();
  let questions = 0;
  onParentMessage((message) => {
    const reply = message as WorkerReply;
    waiting.get(reply.question)?.(reply);
    waiting.delete(reply.question);
  });
  const ask = (asked: Omit<WorkerQuestion, "question">): Promise<string> => {
    const question = ++questions;
    return new Promise((resolve, reject) => {
      waiting.set(question, ({ address, error }) => {
        if (error === undefined) resolve(address ?? "");
        else reject(new Fault("cluster-failure", error));
      });
      reportProgress({ question, ...asked } satisfies WorkerQuestion);
    });
  };
  return {
    /** Resolves with the address when the model is loaded. Rejects with Fault("cluster-failure"). */
    start: (replica: number) => ask({ what: "start", replica }),
    stop: (replica: number) => ask({ what: "stop", replica }),
    attach: (replica: number, address: string) => ask({ what: "attach", replica, address }),
  };
}
