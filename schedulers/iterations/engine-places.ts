/** The engines of a pool, as routing rules see them: each replica is the place of one sequence on the engine of its slot. */
import type { JobView } from "../../engine/dispatch/controller.ts";
import type { PoolView } from "../../engine/dispatch/policies.ts";
import { contentsOf } from "../../engine/requests/token-lengths.ts";
import type { System } from "../../engine/system/system.ts";

export interface EnginePlaces {
  readonly slot: number;
  /** The weights of the jobs on it. */
  load: number;
  /** A place without a job; −1: there is none. */
  free: number;
}

/** Those with a replica that is up, in order. `weightOf` is asked for replicas with a job. */
export function enginesOf(
  pool: PoolView,
  { replicas }: System,
  weightOf: (replica: number) => number,
): readonly EnginePlaces[] {
  const engines = new Map<number, EnginePlaces>();
  for (let i = 0; i < pool.upCount; i++) {
    const replica = pool.upAt(i);
    const { slot } = replicas[replica];
    const engine = engines.get(slot) ?? { slot, load: 0, free: -1 };
    engines.set(slot, engine);
    if (pool.load(replica) > 0) engine.load += weightOf(replica);
    else if (engine.free < 0) engine.free = replica;
  }
  return [...engines.values()];
}

/** The memory of the engine on a slot; a device without one holds nothing. */
export function memoryOf(
  { devices }: System,
  slot: number,
): { blocks: number; blockTokens: number } {
  const { sharing } = devices[slot];
  return sharing?.kind === "iterations" ? sharing.limits : { blocks: 0, blockTokens: 1 };
}

/** Contents of the first blocks of a job's prompt, as far as others may have them as well. */
export function sharedContents(
  { pipelines }: System,
  { pipeline, task, prompt }: JobView,
  blockTokens: number,
): readonly number[] {
  const prefix = pipelines[pipeline].tasks[task].tokens?.prefix ?? null;
  if (prompt === null || prompt.beginning < 0 || prefix === null) return [];
  const { tokens, beginning } = prompt;
  const contentOf = contentsOf(prefix, 0, { prompt: tokens, beginning, blockTokens });
  const contents: number[] = [];
  // Contents of its own are numbered from 0.
  for (let block = 0; contentOf(block) < 0; block++) contents.push(contentOf(block));
  return contents;
}
