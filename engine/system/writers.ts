/** The tasks of language models whose tokens reach the client, or the operator's counters. */
import type { System, TaskSystem } from "./system.ts";

/** Whether an engine serves it. */
export function writes({ tokens, continuation }: TaskSystem): boolean {
  return (tokens ?? continuation) !== null;
}

/** Whether the client waits for its last token. */
export function writesLast(task: TaskSystem): boolean {
  return writes(task) && task.isSink;
}

/** By pool: whether engines serve it. */
export function poolsOfEngines({ pools, devices }: System): readonly boolean[] {
  const served = new Set(
    devices.map(({ sharing }) => (sharing?.kind === "iterations" ? sharing.pool : -1)),
  );
  return pools.map((_, pool) => served.has(pool));
}
