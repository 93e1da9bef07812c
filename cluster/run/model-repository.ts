/**
 * Unloads and loads the models of tasks on all replicas, while other tasks serve:
 *
 *   READY ─unload─> UNLOADING (refuses requests, answers those it has) ─> UNAVAILABLE
 *   UNAVAILABLE ─load─> LOADING ─> READY, or UNAVAILABLE with the reason
 *
 * A worker that starts again loads its models; here they stay unloaded until an administrator loads them.
 */
import { existsSync, readFileSync } from "node:fs";
import { Fault } from "../../engine/basics/fault.ts";
import type { System } from "../../engine/system/system.ts";
import type { SchedulerDocument } from "../../scenario/schema/scenario.ts";
import type { GatewayCounts } from "../observe/gateway-counts.ts";
import type { ReplicaBatching } from "../observe/gateway-status.ts";
import type { ModelState, ModelStateName } from "../protocol/hosted-models.ts";
import { replaceFile } from "../security/tls.ts";
import { until } from "../time/clock.ts";
import type { ReplicaLinks } from "./replica-links.ts";

/** Time of one replica's load, measured by its worker; null where it does not tell. */
export interface ReplicaLoad {
  readonly replica: string;
  readonly loadMs: number | null;
}

const UP_TIMEOUT_MS = 60_000;
const DOWN_TIMEOUT_MS = 10_000;

/** The parts of a gateway that its models depend on. */
interface RepositoryParts {
  readonly system: System;
  readonly links: ReplicaLinks;
  readonly counts: GatewayCounts;
  readonly controls: ControlRecord;
  /** Longest wait for the answers of requests in the system, when a model is unloaded. */
  readonly drainMs: number;
}

export class ModelRepository {
  readonly #parts: RepositoryParts;
  /** By pool; a pool without a state is READY. */
  readonly #states = new Map<number, ModelState>();
  #changes: Promise<unknown> = Promise.resolve();

  constructor(parts: RepositoryParts) {
    this.#parts = parts;
    const { system, controls } = parts;
    system.pools.forEach(({ name }, pool) => {
      if (!controls.unloaded.includes(name)) return;
      this.#become([pool], "UNAVAILABLE", "unloaded");
      this.#notMissed([pool]);
    });
  }

  /** Null: all models are loaded. */
  stateOf(pipeline: number): ModelState | null {
    for (const { name, variants } of this.#parts.system.pipelines[pipeline].tasks) {
      const state = this.#states.get(variants.find((pool) => this.#states.has(pool)) ?? -1);
      if (state !== undefined) return { ...state, reason: `${name}: ${state.reason}` };
    }
    return null;
  }

  /** Throws Fault("unavailable") unless all models of a pipeline are loaded. */
  check(pipeline: number): void {
    if (this.#states.size === 0) return;
    const state = this.stateOf(pipeline);
    if (state === null) return;
    const { name } = this.#parts.system.pipelines[pipeline];
    const hint = "an administrator can load it";
    throw new Fault("unavailable", `${name} is ${state.state}: ${state.reason}`, { hint });
  }

  /** Without a task: all models that no other pipeline uses. Rejects with a Fault. */
  unload(pipeline: number, task?: string): Promise<readonly ReplicaLoad[]> {
    return this.#afterOthers(async () => {
      const pools = this.#poolsOf(pipeline, task);
      const own =
        task === undefined ? pools.filter((pool) => this.#usersOf([pool]).length === 1) : pools;
      if (own.length > 0) return this.#unload(own);
      throw new Fault("invalid-input", "other pipelines use all of its models", {
        hint: "name the task whose model is to be unloaded for all of them",
      });
    });
  }

  /** Resolves when every replica is up that has a process. Rejects with a Fault. */
  load(pipeline: number, task?: string): Promise<readonly ReplicaLoad[]> {
    return this.#afterOthers(async () => {
      const pools = this.#poolsOf(pipeline, task).filter((pool) => this.#states.has(pool));
      this.#become(pools, "LOADING", "");
      try {
        const links = this.#linksOf(pools);
        const loads = await Promise.all(
          links.map(async (link) => ({ replica: link.name, loadMs: await link.loadModel() })),
        );
        if (!(await until(() => links.every(({ up }) => up), UP_TIMEOUT_MS))) {
          throw new Fault("cluster-failure", "not every replica came up with its model");
        }
        for (const pool of pools) this.#states.delete(pool);
        this.#keep();
        return loads;
      } catch (error) {
        this.#become(pools, "UNAVAILABLE", `did not load: ${(error as Error).message}`);
        throw error;
      }
    });
  }

  async #unload(pools: readonly number[]): Promise<readonly ReplicaLoad[]> {
    const { counts, drainMs } = this.#parts;
    const before = [...this.#states];
    this.#become(pools, "UNLOADING", "what it has is answered first");
    const users = this.#usersOf(pools).map((pipeline) => counts.pipelines[pipeline]);
    await until(() => users.every(({ inFlight }) => inFlight === 0), drainMs);
    const links = this.#linksOf(pools);
    try {
      await Promise.all(links.map((link) => link.unloadModel()));
    } catch (error) {
      this.#states.clear();
      for (const [pool, state] of before) this.#states.set(pool, state);
      throw error;
    }
    await until(() => links.every(({ up }) => !up), DOWN_TIMEOUT_MS);
    this.#notMissed(pools);
    this.#become(pools, "UNAVAILABLE", "unloaded");
    this.#keep();
    return [];
  }

  #afterOthers<T>(change: () => Promise<T>): Promise<T> {
    const done = this.#changes.then(change);
    this.#changes = done.catch(() => undefined);
    return done;
  }

  #poolsOf(pipeline: number, task: string | undefined): readonly number[] {
    const { name, tasks } = this.#parts.system.pipelines[pipeline];
    const found = tasks.filter((one) => task === undefined || one.name === task);
    if (found.length > 0) return [...new Set(found.flatMap(({ variants }) => variants))];
    throw new Fault("not-found", `${name} has no task ${JSON.stringify(task)}`, {
      hint: `it has ${tasks.map((one) => one.name).join(", ")}`,
    });
  }

  /** The pipelines that use one of the pools. */
  #usersOf(pools: readonly number[]): readonly number[] {
    return this.#parts.system.pipelines.flatMap(({ tasks }, pipeline) =>
      tasks.some(({ variants }) => variants.some((pool) => pools.includes(pool))) ? [pipeline] : [],
    );
  }

  #linksOf(pools: readonly number[]) {
    const { system, links } = this.#parts;
    return links.all.flatMap((link, replica) =>
      link !== null && pools.includes(system.replicas[replica].pool) ? [link] : [],
    );
  }

  #notMissed(pools: readonly number[]): void {
    const { system, links } = this.#parts;
    system.replicas.forEach(({ pool }, replica) => {
      if (pools.includes(pool)) links.notMissed(replica);
    });
  }

  #become(pools: readonly number[], state: ModelStateName, reason: string): void {
    for (const pool of pools) this.#states.set(pool, { state, reason });
  }

  #keep(): void {
    const { system, controls } = this.#parts;
    controls.setUnloaded([...this.#states.keys()].map((pool) => system.pools[pool].name));
  }
}

interface Controls {
  /** By the replica's name. */
  readonly batching: Readonly<Record<string, ReplicaBatching>>;
  readonly unloaded: readonly string[];
  /** Set at run time; absent: the scenario's. */
  readonly scheduler?: SchedulerDocument;
}

/** Batching of replicas, unloaded tasks and the scheduler, which a file keeps for a gateway that is started again. */
export class ControlRecord {
  readonly #file: string | null;
  #controls: Controls = { batching: {}, unloaded: [] };

  /** Null: no file. Ignores an unreadable file, with a line on stderr. */
  constructor(file: string | null) {
    this.#file = file;
    if (file === null || !existsSync(file)) return;
    try {
      this.#controls = JSON.parse(readFileSync(file, "utf8")) as Controls;
    } catch (error) {
      process.stderr.write(`settings from before are lost: ${(error as Error).message}\n`);
    }
  }

  /** Names of tasks. */
  get unloaded(): readonly string[] {
    return this.#controls.unloaded;
  }

  /** Null: as the scheduler says. */
  batchingOf(replica: string): ReplicaBatching | null {
    return this.#controls.batching[replica] ?? null;
  }

  setBatching(replica: string, own: ReplicaBatching | null): void {
    const { [replica]: _, ...others } = this.#controls.batching;
    const batching = own === null ? others : { ...others, [replica]: own };
    this.#keep({ ...this.#controls, batching });
  }

  get scheduler(): SchedulerDocument | undefined {
    return this.#controls.scheduler;
  }

  setScheduler(scheduler: SchedulerDocument): void {
    this.#keep({ ...this.#controls, scheduler });
  }

  setUnloaded(unloaded: readonly string[]): void {
    this.#keep({ ...this.#controls, unloaded });
  }

  #keep(controls: Controls): void {
    if (JSON.stringify(controls) === JSON.stringify(this.#controls)) return;
    this.#controls = controls;
    if (this.#file === null) return;
    try {
      replaceFile(this.#file, JSON.stringify(controls));
    } catch (error) {
      process.stderr.write(`settings are not kept: ${(error as Error).message}\n`);
    }
  }
}
