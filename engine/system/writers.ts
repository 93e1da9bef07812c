/** The tasks of language models whose tokens reach the client, or the operator's counters. */
import type { System, TaskSystem } from "./system.ts";

/** Whether the client waits for its last token. */
export function writesLast({ tokens, continuation, isSink }: TaskSystem): boolean {
  return (tokens ?? continuation) !== null && isSink;
}

/** By pool: whether engines serve it. */
export function poolsOfEngines({ pools, devices }: System): readonly boolean[] {
  const served = new Set(
    devices.map(({ sharing }) => (sharing?.kind === "iterations" ? sharing.pool : -1)),
  );
  return pools.map((_, pool) => served.has(pool));
}
