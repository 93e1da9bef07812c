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
