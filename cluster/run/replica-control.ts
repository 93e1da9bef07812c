/** Lists, adds, changes, removes and resets replicas while requests are in flight. */
import { z } from "zod";
import { Fault } from "../../engine/basics/fault.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
import { wholeReplicas } from "../../engine/system/whole-replicas.ts";
import {
  batchingSchema,
  type ControlledReplica,
  type ReplicaBatching,
} from "../observe/gateway-status.ts";
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
  /** One, or all places of an engine. */
  readonly replicas: readonly number[];
  /** Address of a replica to attach. */
  readonly address?: string;
}

/** Parent to gateway: the address of the started worker, or the error. */
export interface WorkerReply {
  readonly question: number;
  readonly address?: string;
  readonly error?: string;
}

/** A replica of the scenario: the system's own, or all places of an engine, which live and end together. */
interface Whole {
  readonly name: string;
  /** The system's replicas. */
  readonly places: readonly number[];
}

/** Methods reject with Fault("not-found") for an unknown name, Fault("invalid-input") for wrong values. */
export class ReplicaControl {
  readonly #gateway: Gateway;
  readonly #host = workerHost();
  readonly #wholes: readonly Whole[];
  /** Those whose process is being started, and those that leave. */
  readonly #starting = new Set<Whole>();
  readonly #leaving = new Set<Whole>();

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
    const { names, of } = wholeReplicas(gateway.system);
    const places = names.map((): number[] => []);
    for (const [replica, whole] of of.entries()) places[whole].push(replica);
    this.#wholes = names.map((name, whole) => ({ name, places: places[whole] }));
  }

  async list(): Promise<readonly ControlledReplica[]> {
    return this.#wholes.filter((whole) => this.#is(whole)).map(this.#status);
  }

  /** Resolves when the replica takes jobs. */
  async add({ task, node, batch, address }: NewReplica): Promise<ControlledReplica> {
    const whole = this.#room(task, node);
    const { places } = whole;
    this.#check(whole, batch ?? {});
    this.#starting.add(whole);
    try {
      const at = address ?? (await this.#host.start(places));
      if (address !== undefined) await this.#host.attach(places, address);
      if (batch !== undefined) this.#setBatching(whole, batch);
      this.#attach(whole, at);
      if (address !== undefined) await this.#serves(whole);
      await this.#up(whole);
    } catch (error) {
      this.#detach(whole);
      this.#setBatching(whole, null);
      await this.#host.stop(places);
      throw error;
    } finally {
      this.#starting.delete(whole);
    }
    return this.#status(whole);
  }

  async change(name: string, change: BatchingChange): Promise<ControlledReplica> {
    const whole = this.#named(name);
    this.#check(whole, change);
    const [first] = whole.places;
    const own = this.#gateway.batchingOf(first);
    // Where the scheduler decides: its largest batch, without waiting.
    const { maxBatch = own?.maxBatch ?? this.#gateway.maxBatchOf(first) } = change;
    const { waitMs = own?.waitMs ?? 0 } = change;
    this.#setBatching(whole, { maxBatch, waitMs });
    return this.#status(whole);
  }

  /** `drain`: what it runs goes on to its end first; else another replica runs it again. */
  async remove(name: string, { drain }: { readonly drain: boolean }): Promise<void> {
    const whole = this.#named(name);
    await this.#leave(whole, drain);
    await this.#host.stop(whole.places);
    this.#setBatching(whole, null);
  }

  /** Starts a fresh process and model, with the scheduler's batching. */
  async reset(name: string): Promise<ControlledReplica> {
    const whole = this.#named(name);
    await this.#leave(whole, true);
    this.#setBatching(whole, null);
    this.#starting.add(whole);
    try {
      await this.#host.stop(whole.places);
      this.#attach(whole, await this.#host.start(whole.places));
      await this.#up(whole);
    } finally {
      this.#starting.delete(whole);
    }
    return this.#status(whole);
  }

  async #leave(whole: Whole, drain: boolean): Promise<void> {
    if (this.#leaving.has(whole)) {
      throw new Fault("invalid-input", "this replica is being removed already");
    }
    this.#leaving.add(whole);
    const { places } = whole;
    try {
      if (drain) {
        for (const place of places) this.#gateway.retire(place);
        const isBusy = (place: number): boolean => this.#gateway.run.isBusy(place);
        await until(() => !places.some(isBusy), DRAIN_TIMEOUT_MS);
      }
      this.#detach(whole);
    } finally {
      this.#leaving.delete(whole);
    }
  }

  #attach({ places }: Whole, address: string): void {
    for (const place of places) this.#gateway.attach(place, address);
  }

  #detach({ places }: Whole): void {
    for (const place of places) this.#gateway.detach(place);
  }

  #setBatching({ places }: Whole, batching: ReplicaBatching | null): void {
    for (const place of places) this.#gateway.setBatching(place, batching);
  }

  /** The address may serve another replica, or none. */
  async #serves(whole: Whole): Promise<void> {
    try {
      for (const link of this.#linksOf(whole)) await link?.describe();
    } catch (error) {
      throw notUp(whole, `: ${(error as Error).message}`);
    }
  }

  #linksOf({ places }: Whole) {
    return places.map((place) => this.#gateway.links.all[place]);
  }

  async #up(whole: Whole): Promise<void> {
    const isUp = (): boolean => this.#linksOf(whole).every((link) => link?.up === true);
    if (!(await until(isUp, UP_TIMEOUT_MS))) throw notUp(whole, "");
  }

  readonly #status = (whole: Whole): ControlledReplica => {
    const { system, run } = this.#gateway;
    const { name, places } = whole;
    const { pool, node } = system.replicas[places[0]];
    const links = this.#linksOf(whole);
    const isUp = links.every((link) => link?.up === true);
    const state = isUp ? "up" : this.#starting.has(whole) ? "starting" : "down";
    return {
      name,
      task: system.pools[pool].name,
      node: system.nodes[node]?.name ?? null,
      address: links[0]?.address ?? "",
      state: this.#leaving.has(whole) ? "draining" : state,
      batch: this.#gateway.batchingOf(places[0]),
      load: sumOf(places.map((place) => run.loadOf(place))),
      losses: links[0]?.losses ?? 0,
    };
  };

  #is(whole: Whole): boolean {
    return this.#linksOf(whole)[0] !== null || this.#starting.has(whole);
  }

  #named(name: string): Whole {
    const found = this.#wholes.find((whole) => whole.name === name);
    if (found !== undefined && this.#linksOf(found)[0] !== null) return found;
    throw new Fault("not-found", `there is no replica ${JSON.stringify(name)}`);
  }

  /** A free one among the task's replicas. */
  #room(task: string, node: string | undefined): Whole {
    const { pools, replicas, nodes } = this.#gateway.system;
    const pool = pools.findIndex(({ name }) => name === task);
    if (pool < 0) {
      throw new Fault("invalid-input", `there is no task ${JSON.stringify(task)}`, {
        hint: `this deployment's are ${pools.map(({ name }) => name).join(", ")}`,
      });
    }
    const fits = this.#wholes.find((whole) => {
      const one = replicas[whole.places[0]];
      const isThere = node === undefined || nodes[one.node]?.name === node;
      return one.pool === pool && isThere && !this.#is(whole);
    });
    if (fits !== undefined) return fits;
    const where = node === undefined ? "" : ` on node ${JSON.stringify(node)}`;
    throw new Fault("invalid-input", `there is no room for another replica of ${task}${where}`, {
      hint: "start the cluster with more spare replicas, or remove one first",
    });
  }

  #check({ name, places }: Whole, { maxBatch = 1 }: BatchingChange): void {
    const { system } = this.#gateway;
    const { pool } = system.replicas[places[0]];
    if (system.pipelines.some((p) => p.held && p.tasks.some((task) => task.pool === pool))) {
      throw new Fault("invalid-input", `${name} is part of a chain that is held: it never batches`);
    }
    const { maxBatch: most } = system.pools[pool];
    if (maxBatch <= most) return;
    throw new Fault("invalid-input", `maxBatch is ${maxBatch}; ${name} takes 1 to ${most}`);
  }
}

function notUp({ name }: Whole, why: string): Fault {
  return new Fault("cluster-failure", `replica ${name} did not come up${why}`, {
    hint: "whatever serves it must know it by this name, and answer health watches",
  });
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
    start: (replicas: readonly number[]) => ask({ what: "start", replicas }),
    stop: (replicas: readonly number[]) => ask({ what: "stop", replicas }),
    attach: (replicas: readonly number[], address: string) =>
      ask({ what: "attach", replicas, address }),
  };
}
