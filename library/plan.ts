/** `plan`: the cheapest cluster, placement and scheduler that keep the latency goals. */
import { setImmediate as turn } from "node:timers/promises";
import { Fault } from "../core/fault.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import {
  makePlans,
  PLANNERS,
  type Plan,
  type PlannerName,
  type PlanOptions,
  type Step,
} from "../planning/plan.ts";
import { PRESETS, TEXTBOOK_PRESETS } from "../schedulers/registry.ts";
import type { ReadyScenario } from "../sweep/configuration-work.ts";
import { tryOutOwn } from "./own-scheduler.ts";
import { type PlanDocument, planDocument, plannedScenario } from "./plan-results.ts";
import { commandFor } from "./repeat.ts";
import { inputsOf, type Scenario } from "./scenario.ts";
import type { Watch } from "./watch.ts";

export interface PlanSettings extends Watch {
  /** Default: race. */
  readonly planner?: PlannerName;
  /** Presets to try beside the scenario's scheduler. Default: the textbook's. */
  readonly schedulers?: readonly string[];
  /** Of each task, at most. Default: 64. */
  readonly maxReplicas?: number;
  /** Combinations to simulate, at most. Default: 100,000. */
  readonly maxTrials?: number;
}

export interface Planned {
  readonly document: PlanDocument;
  /** Runs what was planned, on requests that the search had not; null where no plan keeps the goals. */
  readonly scenario: ScenarioDocument | null;
}

/** Progress counts the loads that the scenario sweeps: there is a plan for each. */
export async function plan(loaded: Scenario, settings: PlanSettings = {}): Promise<Planned> {
  const { planner = "race", schedulers = TEXTBOOK_PRESETS } = settings;
  const { maxReplicas = 64, maxTrials = 100_000, onProgress, signal } = settings;
  const unknown = schedulers.find((name) => !Object.hasOwn(PRESETS, name));
  if (unknown !== undefined || !Object.hasOwn(PLANNERS, planner)) {
    const what = unknown === undefined ? `planner "${planner}"` : `preset "${unknown}"`;
    const known = Object.keys(unknown === undefined ? PLANNERS : PRESETS);
    throw new Fault("usage", `there is no ${what}`, { hint: `there are ${known.join(", ")}` });
  }
  const options = { planner, schedulers, mostReplicas: maxReplicas, mostTrials: maxTrials };
  const onStep = ({ done, of }: Step): void => onProgress?.({ done, total: of });
  const plans = await workedPlans(loaded, options, onStep, signal);
  const command = commandFor("plan", loaded, {
    ...{ planner, schedulers: schedulers.join(",") || "none" },
    ...{ "max-replicas": maxReplicas, "max-trials": maxTrials },
  });
  return {
    document: planDocumentOf(loaded, planner, command, plans),
    scenario: plannedScenario(plans),
  };
}

/** Works replication by replication, so that an abort is heard: it rejects with the signal's reason. */
export async function workedPlans(
  loaded: ReadyScenario,
  options: PlanOptions,
  onStep: (step: Step) => void,
  signal: AbortSignal | undefined,
): Promise<readonly Plan[]> {
  tryOutOwn(loaded, [{ id: "base", parameters: {}, document: loaded.document }]);
  const steps = makePlans(loaded, inputsOf(loaded), options);
  for (;;) {
    const { done, value } = steps.next();
    if (done === true) return value;
    onStep(value);
    await turn();
    signal?.throwIfAborted();
  }
}

/** `command` repeats the plan. */
export function planDocumentOf(
  { document, digest, capacity }: ReadyScenario,
  planner: PlannerName,
  command: string,
  plans: readonly Plan[],
): PlanDocument {
  const scenario = { name: document.name, digest };
  const shares = capacity === undefined ? {} : { capacity };
  const seed = document.run.seed;
  return planDocument(
    { schema: "tandem/plan@2", planner, scenario, seed, ...shares, command },
    plans,
  );
}
