/** The server's answers, as far as the page reads them; `docs/serving.md` describes the routes. */
import type { GatewayStatus, KeptScenario } from "../../library/browser.ts";
import { mean } from "./format.ts";

export interface ServerMetadata {
  readonly name: string;
  readonly version?: string;
  /** Ours only: tells one deployment from another. */
  readonly deployment?: string;
}

export interface TensorMetadata {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly (number | string)[];
}

export interface ModelMetadata {
  readonly name: string;
  readonly platform?: string;
  readonly inputs: readonly TensorMetadata[];
}

/** `GET /v1/scenario`. */
export interface Deployed extends Pick<KeptScenario, "document" | "profiles" | "overheadProfile"> {
  /** How many replicas each task can have. */
  readonly room: Readonly<Record<string, number>>;
}

/** A preset's name, or a preset and what replaces parts of it. */
export type SchedulerDocument = string | Readonly<Record<string, unknown>>;

/** `GET /v1/scenes`: drawn pictures whose truth is known. */
export interface Scene {
  /** In base64. */
  readonly png: string;
  readonly car: boolean;
  readonly plate: string | null;
}

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
