/** Messages between the page and the simulator's thread. */
import type {
  ConfigurationResult,
  Issue,
  KeptScenario,
  ScenarioSource,
  SchedulerForm,
} from "../../library/browser.ts";
import type { Batch, Choices, Effort, LoadAxis } from "./choices.ts";

/** The scenario as its controls need it. */
export interface Description {
  readonly name: string;
  readonly seed: number;
  readonly axis: LoadAxis;
  readonly replicas: Readonly<Record<string, number>>;
  /** Whether the scenario says where they run, as a plan's does. */
  readonly isPlaced: boolean;
  readonly machines: readonly Machine[];
  readonly goals: readonly Goal[];
  /** The scheduler in words. */
  readonly scheduler: string;
  /** Batching that the scenario writes out; null: as its scheduler does by itself. */
  readonly batch: Batch | null;
}

interface Machine {
  readonly name: string;
  readonly count: number;
  readonly costPerHour: number;
}

interface Goal {
  readonly pipeline: string;
  readonly latencyMs: number;
  readonly ttftMs?: number | undefined;
  readonly tpotMs?: number | undefined;
  readonly percentile: number;
}

/** A result without its curve over shares of requests. */
export type PointResult = Omit<ConfigurationResult, "latencyCurve">;

export interface CurvePoint {
  readonly key: string;
  readonly load: number;
  readonly result: PointResult;
}

export interface CurveRequest {
  /** Names the curve in answers; one key, one set of choices. */
  readonly key: string;
  readonly choices: Choices;
}

/** With the scenario's own seed. */
export interface FirstCurves {
  readonly curves: readonly CurveRequest[];
  readonly effort: Omit<Effort, "seed">;
}

export type ToSimulator =
  /** The first curves start at once: the page need not hear of the scenario to ask for them. */
  | {
      readonly kind: "open";
      readonly source: ScenarioSource | KeptScenario;
      readonly first?: FirstCurves;
    }
  /** All curves that are wanted from now on, over the same loads. Those that run already go on. */
  | { readonly kind: "draw"; readonly curves: readonly CurveRequest[]; readonly effort: Effort }
  /** Asks for the text of a scenario that gives the points of the last drawn loads. */
  | { readonly kind: "write"; readonly choices: Choices; readonly effort: Effort }
  | { readonly kind: "close" };

/** A Fault in parts, for it loses its class between threads. */
export interface Failure {
  readonly message: string;
  readonly hint?: string;
  readonly issues: readonly Issue[];
}

export type FromSimulator =
  | { readonly kind: "opened"; readonly description: Description }
  | { readonly kind: "refused"; readonly failure: Failure }
  /** Once, when each curve has its first points: to list them takes long. */
  | { readonly kind: "schedulers"; readonly schedulers: readonly SchedulerForm[] }
  /** The loads of all points from now on, ascending; points of other loads are void. */
  | { readonly kind: "loads"; readonly loads: readonly number[] }
  /** A request for curves has been taken: the page may send its next. */
  | { readonly kind: "taken" }
  /** A curve starts, anew or for the first time. */
  | { readonly kind: "started"; readonly key: string; readonly capacityPerS: number | null }
  | { readonly kind: "points"; readonly points: readonly CurvePoint[] }
  | { readonly kind: "finished"; readonly key: string }
  | { readonly kind: "failed"; readonly key: string; readonly failure: Failure }
  | { readonly kind: "written"; readonly text: string };
