/** The tasks of a running deployment, by its status. */
import type { GatewayStatus } from "../../library/browser.ts";
import { mean } from "./format.ts";

/** Names, in the order of the pipeline. */
export function tasksOf({ replicas, tasks }: GatewayStatus): string[] {
  return [...new Set([...tasks.map(({ name }) => name), ...replicas.map(({ task }) => task)])];
}

export function replicasOf({ replicas }: GatewayStatus, task: string): GatewayStatus["replicas"] {
  return replicas.filter((replica) => replica.task === task);
}

/** Jobs that wait, in the task's queue and in those of its replicas. */
export function queueOf(status: GatewayStatus, task: string): number {
  const shared = status.tasks.find(({ name }) => name === task)?.queue ?? 0;
  return replicasOf(status, task).reduce((sum, { queue }) => sum + (queue ?? 0), shared);
}

/** The mean of the values that are known; null without any. */
export function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value) => value !== null);
  return known.length === 0 ? null : mean(known);
}

/** Mean utilisation of the task's replicas, 0 to 1; null without any. */
export function utilisationOf(status: GatewayStatus, task: string): number | null {
  return meanOf(replicasOf(status, task).map(({ utilizationRatio }) => utilizationRatio));
}
