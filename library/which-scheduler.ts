/** `whichScheduler`: the scheduler that the study found for cases like a scenario, and the command that checks it there. */
import { readFileSync } from "node:fs";
import { Fault } from "../engine/basics/fault.ts";
import type { System } from "../engine/system/system.ts";
import {
  type Case,
  caseOf,
  type Decision,
  type Factors,
  factorsOf,
} from "../results/which-scheduler.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { checkedSweep } from "../scenario/expand-sweep.ts";
import type { ScenarioDocument, SchedulerDocument } from "../scenario/schema/scenario.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { PRESETS } from "../schedulers/registry.ts";
import { repeatCommand } from "./provenance.ts";
import { type Scenario, schedulerChecks } from "./scenario.ts";

/** The document of `tandem schedulers --for S --json`. */
export interface WhichScheduler {
  readonly schema: "tandem/which-scheduler@1";
  readonly factors: Factors;
  /** The study's row for these. */
  readonly decision: Decision;
  /** Why the scenario does not take the row's scheduler. */
  readonly refused?: string;
  /** A preset that is not shown to be worse and that the scenario takes, in the place of a refused one. */
  readonly instead?: string;
  /** Compares the row's scheduler, or the one in its place, with fifo on the scenario itself. */
  readonly command?: string;
}

/** The rows of the decision table, as the study wrote them. */
export function decisionTable(): readonly Decision[] {
  const file = new URL("../schedulers/which-scheduler.json", import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")) as readonly Decision[];
}

/**
 * Finds the row of the study for a scenario's own configuration, without its sweep. Throws Fault("invalid-input") with
 * the issues of one that is not sound, Fault("usage") for a kind of arrivals that the study does not know.
 */
export function whichScheduler(loaded: Scenario): WhichScheduler {
  checkedSweep(loaded, schedulerChecks(loaded.own));
  const { document } = loaded;
  const system = compileSystem(document, loaded);
  const factors = factorsOf(system, document.workload, traceOf(document, loaded.traces));
  const wanted = caseOf(factors);
  const decision = decisionTable().find(({ case: of }) => isSame(of, wanted));
  if (decision === undefined) throw new Error(`the table lacks ${JSON.stringify(wanted)}`);
  const found = { schema: "tandem/which-scheduler@1", factors, decision } as const;
  if (decision.use === null) return found;
  const { beside } = decision.use;
  const refused = refusalOf(decision.use.scheduler, system);
  const isTaken = (name: string): boolean =>
    Object.hasOwn(PRESETS, name) && refusalOf(name, system) === undefined;
  const instead = refused === undefined ? undefined : beside.find(isTaken);
  if (refused !== undefined && instead === undefined) return { ...found, refused };
  const scheduler = instead ?? decision.use.scheduler;
  const sweep = `sweep=${JSON.stringify({ scheduler: ["fifo", scheduler] })}`;
  const set = [
    ...Object.entries(loaded.overrides).map(([path, value]) => assigned(path, value)),
    sweep,
  ];
  const other = instead === undefined ? {} : { refused: refused as string, instead };
  return { ...found, ...other, command: repeatCommand("simulate", loaded.file, { set }) };
}

const assigned = (path: string, value: unknown): string => `${path}=${JSON.stringify(value)}`;

function traceOf({ workload }: ScenarioDocument, traces: Scenario["traces"]): readonly number[] {
  return workload.arrivals === "trace" ? traces[workload.file] : [];
}

const isSame = (a: Case, b: Case): boolean =>
  (Object.keys(a) as (keyof Case)[]).every((factor) => a[factor] === b[factor]);

function refusalOf(scheduler: SchedulerDocument, system: System): string | undefined {
  try {
    createScheduler(scheduler, system, "1");
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
}
