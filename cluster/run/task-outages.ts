/** Tasks without a replica: after `outageMs` their requests fail, and further ones are refused. */
import { performance } from "node:perf_hooks";
import { Fault } from "../../core/fault.ts";
import type { System } from "../../core/system.ts";
import type { LiveRequest } from "./live-request.ts";
import type { ReplicaLinks } from "./replica-links.ts";

const RETRY_AFTER_MS = 1000;

export type TaskOutages = ReturnType<typeof taskOutages>;

export function taskOutages({ pools, pipelines }: System, links: ReplicaLinks, outageMs: number) {
  /** By pool: since when none of its replicas has been up; null: one is. */
  const sinceMs = pools.map((): number | null => null);
  const isUp = (pool: number): boolean => {
    const { first, count } = pools[pool];
    return links.all.slice(first, first + count).some((link) => link?.up === true);
  };
  const isLasting = (pool: number): boolean => {
    const since = sinceMs[pool];
    return since !== null && performance.now() - since >= outageMs;
  };
  const errorOf = (pool: number): Fault => {
    const message = `no replica of ${pools[pool].task} has been up for ${outageMs / 1000} s`;
    const hint = "try again once one is up";
    return new Fault("unavailable", message, { hint, retryAfterMs: RETRY_AFTER_MS });
  };
  return {
    errorOf,
    /** Looks at the replicas; returns the pools that have had none for `outageMs`. Call it regularly. */
    look(): readonly number[] {
      const nowMs = performance.now();
      for (const [pool, since] of sinceMs.entries()) {
        sinceMs[pool] = isUp(pool) ? null : (since ?? nowMs);
      }
      return [...sinceMs.keys()].filter(isLasting);
    },
    /** Whether each task of a pipeline has a replica that is up. */
    isServed: (pipeline: number): boolean =>
      pipelines[pipeline].tasks.every(({ variants }) => variants.some(isUp)),
    /** Throws Fault("unavailable") when a task of the pipeline has had no replica for `outageMs`. */
    check(pipeline: number): void {
      const out = pipelines[pipeline].tasks.find(({ variants }) =>
        variants.every((pool) => isLasting(pool) && !isUp(pool)),
      );
      if (out !== undefined) throw errorOf(out.variants[0]);
    },
    /** Whether a request still needs a pool that is out, and no other variant of its task is there. */
    needs: ({ pipeline, results }: LiveRequest, pool: number): boolean =>
      pipelines[pipeline].tasks.some(
        ({ variants }, task) =>
          variants.includes(pool) && results[task] === null && variants.every(isLasting),
      ),
  };
}
