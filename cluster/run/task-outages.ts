/**
 * Tasks without a replica. Their requests wait for a replica that comes back; after `outageMs` the
 * gateway answers them with an error, and refuses further requests.
 */
import { performance } from "node:perf_hooks";
import { Fault } from "../../core/fault.ts";
import type { System } from "../../core/system.ts";
import type { LiveRequest, RequestError } from "./live-request.ts";
import type { ReplicaLinks } from "./replica-links.ts";

const RETRY_AFTER_MS = 1000;

export class TaskOutages {
  readonly #system: System;
  readonly #links: ReplicaLinks;
  readonly #outageMs: number;
  /** By pool: since when none of its replicas has been up; null: one is. */
  readonly #sinceMs: (number | null)[];
  /** By pipeline and task: the pools that can serve it. */
  readonly #tasks: readonly (readonly (readonly number[])[])[];

  constructor(system: System, links: ReplicaLinks, outageMs: number) {
    this.#system = system;
    this.#links = links;
    this.#outageMs = outageMs;
    this.#sinceMs = system.pools.map(() => null);
    this.#tasks = system.pipelines.map(({ tasks }) => tasks.map(({ variants }) => variants));
  }

  /** Looks at the replicas; returns the pools that have had none for `outageMs`. Call it regularly. */
  look(): readonly number[] {
    const nowMs = performance.now();
    this.#sinceMs.forEach((sinceMs, pool) => {
      this.#sinceMs[pool] = this.#isUp(pool) ? null : (sinceMs ?? nowMs);
    });
    return [...this.#sinceMs.keys()].filter((pool) => this.#isLasting(pool));
  }

  /** Whether each task of a pipeline has a replica that is up. */
  isServed(pipeline: number): boolean {
    return this.#tasks[pipeline].every((pools) => pools.some((pool) => this.#isUp(pool)));
  }

  /** Throws Fault("unavailable") when a task of the pipeline has had no replica for `outageMs`. */
  check(pipeline: number): void {
    const out = this.#tasks[pipeline].find((pools) =>
      pools.every((pool) => this.#isLasting(pool) && !this.#isUp(pool)),
    );
    if (out === undefined) return;
    const { message, retryAfterMs } = this.errorOf(out[0]);
    const hint = "try again once one is up";
    throw new Fault("unavailable", message, { hint, retryAfterMs });
  }

  /** Whether a request still needs a pool that is out, and no other variant of its task is there. */
  needs({ pipeline, results }: LiveRequest, pool: number): boolean {
    return this.#tasks[pipeline].some(
      (pools, task) =>
        pools.includes(pool) &&
        results[task] === null &&
        pools.every((one) => this.#isLasting(one)),
    );
  }

  errorOf(pool: number): RequestError & { readonly retryAfterMs: number } {
    const { task: name } = this.#system.pools[pool];
    const message = `no replica of ${name} has been up for ${this.#outageMs / 1000} s`;
    return { code: "unavailable", message, retryAfterMs: RETRY_AFTER_MS };
  }

  #isLasting(pool: number): boolean {
    const sinceMs = this.#sinceMs[pool];
    return sinceMs !== null && performance.now() - sinceMs >= this.#outageMs;
  }

  #isUp(pool: number): boolean {
    const { first, count } = this.#system.pools[pool];
    for (let replica = first; replica < first + count; replica++) {
      if (this.#links.get(replica)?.up === true) return true;
    }
    return false;
  }
}
