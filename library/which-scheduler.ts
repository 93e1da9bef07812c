/** `whichScheduler`: the scheduler that the study found for cases like a scenario, and the command that checks it there. */
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { Fault } from "../engine/basics/fault.ts";
import type { System } from "../engine/system/system.ts";
import {
  type AnyCase,
  caseOf,
  type Decision,
  type EngineFactors,
  engineFactorsOf,
  type Factors,
  factorsOf,
} from "../results/which-scheduler.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { checkedSweep } from "../scenario/expand-sweep.ts";
import type { ScenarioDocument, SchedulerDocument } from "../scenario/schema/scenario.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { ITERATIONS } from "../schedulers/iterations/registry.ts";
import { PRESETS } from "../schedulers/registry.ts";
import { repeatCommand } from "./provenance.ts";
import { type Scenario, schedulerChecks } from "./scenario.ts";

/** The document of `tandem schedulers --for S --json`. */
export interface WhichScheduler {
  readonly schema: "tandem/which-scheduler@1";
  readonly factors: Factors | EngineFactors;
  /** The study's row for these. */
  readonly decision: Decision;
  /** Values by path with which the scenario has the row's scheduler; none where that is a cluster of another shape. */
  readonly values?: Readonly<Record<string, unknown>>;
  /** Why the scenario does not take the row's scheduler. */
  readonly refused?: string;
  /** A preset that is not shown to be worse and that the scenario takes, in the place of a refused one. */
  readonly instead?: string;
  /**
   * Compares the row's scheduler, or the one in its place, with fifo (of language models with vllm) on the scenario
   * itself; where it is that one, with another that is as good in the study. Where the row did not hold with other models,
   * the scheduler that did better there is compared too.
   */
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
  const factors =
    engineFactorsOf(system) ??
    factorsOf(system, document.workload, traceOf(document, loaded.traces));
  const wanted: AnyCase = caseOf<AnyCase>(factors);
  const decision = decisionTable().find(({ case: of }) => isSame(of, wanted));
  if (decision === undefined) throw new Error(`the table lacks ${JSON.stringify(wanted)}`);
  const found = { schema: "tandem/which-scheduler@1", factors, decision } as const;
  if (decision.use === null) return found;
  const { beside, scheduler, policy } = decision.use;
  if (policy === APART) return found;
  const values = valuesOf(document, scheduler, policy);
  const refused = refusalOf(scheduler, system);
  const isTaken = (name: string): boolean =>
    Object.hasOwn(PRESETS, name) && refusalOf(name, system) === undefined;
  const instead = refused === undefined ? undefined : beside.find(isTaken);
  if (refused !== undefined && instead === undefined) return { ...found, values, refused };
  const baseline = valuesOf(document, "fifo", policy && "vllm");
  const answer = instead === undefined ? values : valuesOf(document, instead);
  // An answer that is the baseline itself is compared with another that is as good in the study.
  const rival = beside.find(policy === undefined ? isTaken : ordersIterations);
  const other =
    rival === undefined || !isDeepStrictEqual(answer, baseline)
      ? answer
      : valuesOf(document, policy === undefined ? rival : "fifo", policy && rival);
  const points = [baseline, other];
  const { elsewhere } = decision.use;
  if (elsewhere?.holds === false && isTaken(elsewhere.best)) {
    const better = valuesOf(document, elsewhere.best);
    if (!points.some((point) => isDeepStrictEqual(point, better))) points.push(better);
  }
  const sweep = assigned("sweep", { points });
  const set = [
    ...Object.entries(loaded.overrides).map(([path, value]) => assigned(path, value)),
    sweep,
  ];
  const refusal = instead === undefined ? {} : { refused: refused as string, instead };
  return { ...found, values, ...refusal, command: repeatCommand("simulate", loaded.file, { set }) };
}

const ordersIterations = (name: string): boolean => ITERATIONS.some((one) => one.name === name);

/** The policy of engines for prompts and others for tokens, which is no value of a scenario. */
const APART = "distserve";

/** `policy`: of the iterations of all language models. */
function valuesOf(
  { models }: ScenarioDocument,
  scheduler: SchedulerDocument,
  policy?: string,
): Readonly<Record<string, unknown>> {
  const engines = Object.keys(models).filter((name) => models[name].tokens !== undefined);
  const own = engines.map((name) => [`models.${name}.tokens.policy`, policy]);
  return { scheduler, ...(policy !== undefined && Object.fromEntries(own)) };
}

const assigned = (path: string, value: unknown): string => `${path}=${JSON.stringify(value)}`;

function traceOf({ workload }: ScenarioDocument, traces: Scenario["traces"]): readonly number[] {
  return workload.arrivals === "trace" ? traces[workload.file] : [];
}

/** The factors of `b` are all there, and alike. */
const isSame = (a: AnyCase, b: AnyCase): boolean =>
  Object.entries(b).every(([factor, level]) =>
    Object.entries(a).some(([own, its]) => own === factor && its === level),
  );

function refusalOf(scheduler: SchedulerDocument, system: System): string | undefined {
  try {
    createScheduler(scheduler, system, "1");
    return undefined;
  } catch (error) {
    if (error instanceof Fault) return error.message;
    throw error;
  }
}
