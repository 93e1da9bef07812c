/**
 * Tasks that nobody can run at the moment. Their requests wait for a replica that comes back; once
 * none has been up for `outageMs`, those that wait are answered with an error, and so is who comes.
 */
import { performance } from "node:perf_hooks";
import { Fault } from "../../core/fault.ts";
import type { Gateway } from "./gateway.ts";

const LOOK_MS = 250;
const RETRY_AFTER_MS = 1000;

export class TaskOutages {
  readonly #gateway: Gateway;
  /** By pool: since when none of its replicas has been up; null: one is. */
  readonly #sinceMs: (number | null)[];
  readonly #listeners: (() => void)[] = [];
  #lasting = 0;

  constructor(gateway: Gateway) {
    this.#gateway = gateway;
    this.#sinceMs = gateway.system.pools.map(() => null);
    setInterval(() => this.#look(performance.now()), LOOK_MS).unref();
  }

  /** `listener` is called each time that replicas have been looked at. */
  onLook(listener: () => void): void {
    this.#listeners.push(listener);
  }

  /** Whether each task of a pipeline has a replica that is up. */
  isServed(pipeline: number): boolean {
    return this.#poolsOf(pipeline).every((pool) => this.#isUp(pool));
  }

  /** Throws Fault("unavailable") when a task of the pipeline has had no replica for long. */
  check(pipeline: number): void {
    if (this.#lasting === 0) return;
    const nowMs = performance.now();
    const pool = this.#poolsOf(pipeline).find((one) => this.#isLasting(one, nowMs));
    if (pool === undefined || this.#isUp(pool)) return;
    this.#gateway.counts.turnedAway(pipeline);
    const retryAfterMs = RETRY_AFTER_MS;
    throw new Fault("unavailable", this.#told(pool), {
      hint: "try again once one is up",
      retryAfterMs,
    });
  }

  #look(nowMs: number): void {
    this.#lasting = 0;
    this.#sinceMs.forEach((sinceMs, pool) => {
      this.#sinceMs[pool] = this.#isUp(pool) ? null : (sinceMs ?? nowMs);
      if (!this.#isLasting(pool, nowMs)) return;
      this.#lasting++;
      this.#answerThoseOf(pool);
    });
    for (const listener of this.#listeners) listener();
  }

  #answerThoseOf(pool: number): void {
    const { run } = this.#gateway;
    if (run.inSystem === 0) return;
    const error = { message: this.#told(pool), retryAfterMs: RETRY_AFTER_MS };
    run.fail(
      ({ pipeline, results }) =>
        this.#poolsOf(pipeline).some((one, task) => one === pool && results[task] === null),
      { code: "unavailable", ...error },
    );
  }

  /** A run that measures waits for as long as its scenario says. */
  #isLasting(pool: number, nowMs: number): boolean {
    const { run, bounds } = this.#gateway;
    const sinceMs = this.#sinceMs[pool];
    return run.options.boundQueue && sinceMs !== null && nowMs - sinceMs >= bounds.outageMs;
  }

  #isUp(pool: number): boolean {
    const { system, links } = this.#gateway;
    const { first, count } = system.pools[pool];
    for (let replica = first; replica < first + count; replica++) {
      if (links.get(replica)?.up === true) return true;
    }
    return false;
  }

  /** By task. */
  #poolsOf(pipeline: number): readonly number[] {
    return this.#gateway.system.pipelines[pipeline].tasks.map(({ pool }) => pool);
  }

  #told(pool: number): string {
    const { system, bounds } = this.#gateway;
    const name = system.pools[pool].name;
    return `no replica of ${name} has been up for ${bounds.outageMs / 1000} s`;
  }
}
