/** The tasks of language models whose tokens reach the client, or the operator's counters. */
import type { System, TaskSystem } from "./system.ts";

/** Whether an engine serves it. */
export function writes({ tokens, continuation }: TaskSystem): boolean {
  return (tokens ?? continuation) !== null;
}

/** Whether every request's client waits for its last token. */
export function writesLast(task: TaskSystem): boolean {
  return writes(task) && task.isSink;
}

type Tasks = readonly TaskSystem[];

/** Tasks that wait for its end, directly or by way of others: a client reads its text where all of them are skipped. */
export function followersOf(tasks: Tasks, task: number): readonly number[] {
  const found = new Set(awaitingEnd(tasks, task));
  for (const one of found) for (const next of tasks[one].successors) found.add(next);
  return [...found];
}

function awaitingEnd(tasks: Tasks, task: number): readonly number[] {
  return tasks[task].successors.filter((next) => !tasks[next].afterFirstToken.includes(task));
}

/** Whether the client of some request reads its text. */
export function mayWriteLast(tasks: Tasks, task: number): boolean {
  return writes(tasks[task]) && awaitingEnd(tasks, task).every((next) => maySkip(tasks[next]));
}

function maySkip({ whenProbability, whenRows, whenContains, skippedBy }: TaskSystem): boolean {
  const isSure = whenProbability === 1 && whenRows === null && whenContains === null;
  return !isSure || skippedBy.length > 0;
}

/** By pool: whether engines serve it. */
export function poolsOfEngines({ pools, devices }: System): readonly boolean[] {
  const served = new Set(
    devices.map(({ sharing }) => (sharing?.kind === "iterations" ? sharing.pool : -1)),
  );
  return pools.map((_, pool) => served.has(pool));
}
