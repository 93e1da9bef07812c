/** The server's answers, as far as the page reads them; `docs/serving.md` describes the routes. */
import type { KeptScenario } from "../../library/browser.ts";

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

export interface Batching {
  readonly maxBatch: number;
  readonly waitMs: number;
}

/** `GET /v1/replicas`. */
export interface Replica {
  readonly name: string;
  readonly task: string;
  readonly node: string | null;
  readonly state: "starting" | "up" | "draining" | "down";
  readonly batch: Batching | null;
}

/** `GET /v1/scenario`. */
export interface Deployed extends Pick<KeptScenario, "document" | "profiles" | "overheadProfile"> {
  /** How many replicas each task can have. */
  readonly room: Readonly<Record<string, number>>;
}

export interface ParameterSchema {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly string[];
  readonly minimum?: number;
  readonly maximum?: number;
}

export interface Policy {
  readonly decision: string;
  readonly name: string;
  readonly summary: string;
  readonly failsWhen: string;
  readonly parameters: {
    readonly properties?: Readonly<Record<string, ParameterSchema>>;
    readonly required?: readonly string[];
  };
}

type Choice = string | ({ readonly policy: string } & Readonly<Record<string, unknown>>);

export interface Preset {
  readonly name: string;
  readonly summary: string;
  readonly composition: Readonly<Record<string, Choice>>;
}

/** `GET /v1/schedulers`. */
export interface Catalogue {
  readonly presets: readonly Preset[];
  readonly policies: readonly Policy[];
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
