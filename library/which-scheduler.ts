/** `whichScheduler`: the scheduler that the study found for cases like a scenario, tried there. */
import { readFileSync } from "node:fs";
import { isDeepStrictEqual } from "node:util";
import { Fault } from "../engine/basics/fault.ts";
import { DEFAULT_MARGIN } from "../results/compare.ts";
import type { SloState } from "../results/documents.ts";
import {
  type AnyCase,
  caseOf,
  type Decision,
  type EngineFactors,
  engineFactorsOf,
  type Factors,
  factorsOf,
  fittedTo,
} from "../results/which-scheduler.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { checkedSweep } from "../scenario/expand-sweep.ts";
import type { ScenarioDocument, SchedulerDocument } from "../scenario/schema/scenario.ts";
import { sweptValues } from "../scenario/sweep/axes.ts";
import { ITERATIONS } from "../schedulers/iterations/registry.ts";
import { PRESETS } from "../schedulers/registry.ts";
import { repeatCommand } from "./provenance.ts";
import { type Scenario, schedulerChecks } from "./scenario.ts";
import { mostToTry, type TriedScheduler, trySchedulers } from "./try-schedulers.ts";

/** The document of `tandem schedulers --for S --json`. */
export interface WhichScheduler {
  readonly schema: "tandem/which-scheduler@1";
  readonly factors: Factors | EngineFactors;
  /** The study's row for these. */
  readonly decision: Decision;
  /** Why the scenario does not take the row's scheduler. */
  readonly refused?: string;
  /** This scheduler is as good in the study, and the scenario takes it in the place of the refused one. */
  readonly instead?: string;
  /** Schedulers that are as good in the study, by name, and why the scenario does not take them. */
  readonly leftOut?: Readonly<Record<string, string>>;
  /**
   * On the scenario itself, for seconds: fifo (of language models vllm), the row's scheduler or the one in its place, those
   * that the scenario names, and others that are as good in the study, better with other models, or best in other cases;
   * or the reason why they were not tried.
   */
  readonly tried?: readonly TriedScheduler[] | string;
  /**
   * The scheduler to use. One that keeps the scenario's SLOs goes before one that does not. Of equals it is the first of
   * those tried where it does as well; else that of the row, unless another is shown to keep more requests in time.
   */
  readonly answer?: string;
  /** Values by path with which the scenario has it; none where that is a cluster of another shape. */
  readonly values?: Readonly<Record<string, unknown>>;
  /** Compares all that were tried, by their requests in time. */
  readonly command?: string;
  /** Parts of the scenario that the answer leaves out or changes. */
  readonly notes?: readonly string[];
}

/** The rows of the decision table, as the study wrote them. */
export function decisionTable(): readonly Decision[] {
  const file = new URL("../schedulers/which-scheduler.json", import.meta.url);
  return JSON.parse(readFileSync(file, "utf8")) as readonly Decision[];
}

/**
 * Finds the row of the study for a scenario's own configuration, without its sweep, and tries its scheduler there.
 * Throws Fault("invalid-input") with the issues of one that is not sound or has no SLO, Fault("usage") for a kind of
 * arrivals that the study does not know.
 */
export async function whichScheduler(
  loaded: Scenario,
  { signal }: { readonly signal?: AbortSignal | undefined } = {},
): Promise<WhichScheduler> {
  checkedSweep(loaded, schedulerChecks(loaded.own));
  const { document } = loaded;
  if (Object.values(document.pipelines).every(({ slo }) => slo === undefined)) {
    const [name] = Object.keys(document.pipelines);
    throw new Fault("invalid-input", "no pipeline has an SLO, by which schedulers are told apart", {
      hint: `--set pipelines.${name}.slo.latencyMs=500, or what its clients wait for`,
    });
  }
  const system = compileSystem(document, loaded);
  const factors =
    engineFactorsOf(system) ??
    factorsOf(system, document.workload, traceOf(document, loaded.traces));
  const wanted: AnyCase = caseOf<AnyCase>(factors);
  const table = decisionTable();
  const decision = table.find(({ case: of }) => isSame(of, wanted));
  if (decision === undefined) throw new Error(`the table lacks ${JSON.stringify(wanted)}`);
  const shortestMs = Math.min(...system.pipelines.map(({ sloUs }) => sloUs)) / 1000;
  const notes = notesOn(document, decision, shortestMs);
  const found = { schema: "tandem/which-scheduler@1", factors, decision, notes } as const;
  if (decision.use === null) return found;
  const { use } = decision;
  if (use.policy === APART) return { ...found, answer: use.name };
  const field = fieldOf(loaded, use, fittedTo(shortestMs, use), winnersOf(table));
  // Where all would take too long, the first are tried; where even two would, none are, and the command has all.
  const affordable = mostToTry(loaded);
  const most = affordable < 2 ? MOST_TRIED : Math.min(affordable, MOST_TRIED);
  const candidates = field.candidates.slice(0, most);
  const tried = await trySchedulers(loaded, candidates, signal);
  const { own, ...rest } = field.found;
  const answer = answerOf(own, tried);
  const values = candidates.find((one) => one.name === answer)?.values;
  const given = answer === undefined || values === undefined ? {} : { answer, values };
  const command = commandOf(loaded, candidates);
  return { ...found, ...rest, tried, ...given, command };
}

type Use = NonNullable<Decision["use"]>;

/** All that may be tried for a row, in order, and what the scenario does not take. */
function fieldOf(
  loaded: Scenario,
  use: Use,
  scheduler: SchedulerDocument,
  winners: readonly string[],
): {
  readonly candidates: readonly Candidate[];
  /** `own`: the row's scheduler, or the one in its place. */
  readonly found: Pick<WhichScheduler, "refused" | "instead" | "leftOut"> & {
    readonly own: string | undefined;
  };
} {
  const { document } = loaded;
  const { name, beside, policy, elsewhere } = use;
  const leftOut: Record<string, string> = {};
  const made = (one: string, values: Candidate["values"]): readonly Candidate[] => {
    const candidate = candidateOf(loaded, one, values);
    if (typeof candidate !== "string") return [candidate];
    if (beside.includes(one)) leftOut[one] = candidate;
    return [];
  };
  const byName = (one: string): readonly Candidate[] => {
    if (policy === undefined) {
      return Object.hasOwn(PRESETS, one) ? made(one, { scheduler: one }) : [];
    }
    // A policy of iterations, alone or with a router.
    const [order, routing] = one.split(", ");
    if (!ITERATIONS.some((known) => known.name === order)) return [];
    const routed = routing === undefined ? "fifo" : { routing };
    return made(one, { scheduler: routed, ...policies(document, () => order) });
  };
  const ofRow = policy === undefined ? {} : policies(document, () => policy);
  const row = candidateOf(loaded, name, { scheduler, ...ofRow });
  const ties = beside.flatMap(byName);
  const [own] = typeof row === "string" ? ties : [row];
  const better = elsewhere?.holds === false ? byName(elsewhere.best) : [];
  const others = winners.flatMap(byName).sort((a, b) => placeIn(beside, a) - placeIn(beside, b));
  const simple = byName(policy === undefined ? "fifo" : "vllm");
  const named = namedBy(loaded);
  const chosen = own === undefined ? [] : [own];
  // Where prompts and tokens have engines of their own, one policy for both is no simpler choice.
  const first = apartOf(document).length > 0 ? [...named, ...simple] : simple;
  const all = [...first, ...chosen, ...better, ...named, ...others, ...ties];
  const candidates = all.filter(
    ({ values }, i) => all.findIndex((one) => isDeepStrictEqual(one.values, values)) === i,
  );
  const found = {
    own: own?.name,
    ...(typeof row === "string" ? { refused: row } : {}),
    ...(typeof row === "string" && own !== undefined ? { instead: own.name } : {}),
    ...(Object.keys(leftOut).length > 0 ? { leftOut } : {}),
  };
  return { candidates, found };
}

/** Schedulers of all rows, without their settings. */
const winnersOf = (table: readonly Decision[]): readonly string[] => [
  ...new Set(table.flatMap(({ use }) => use?.name.replace(TUNED, "") ?? [])),
];

/** Compares candidates by their requests in time. */
function commandOf(loaded: Scenario, candidates: readonly Candidate[]): string {
  const compare = assigned("run.compare.metrics", ["sloAttainmentRatio"]);
  // A share of capacity is that of the sweep's smallest shape, and the command has another sweep.
  const { workload } = loaded.document;
  const isShare = loaded.capacity !== undefined && "ratePerS" in workload;
  const rate = isShare ? [assigned("workload.ratePerS", workload.ratePerS)] : [];
  const sweep = assigned("sweep", { points: candidates.map((one) => one.values) });
  const before = Object.entries(loaded.overrides).map(([path, value]) => assigned(path, value));
  return repeatCommand("simulate", loaded.file, { set: [...before, ...rate, compare, sweep] });
}

interface Candidate {
  readonly name: string;
  /** Values by path with which the scenario has it. */
  readonly values: Readonly<Record<string, unknown>>;
  /** The scenario's own configuration with these. */
  readonly document: ScenarioDocument;
}

/** The text says why the scenario is not sound with these values. */
function candidateOf(
  loaded: Scenario,
  name: string,
  values: Candidate["values"],
): Candidate | string {
  const document = { ...loaded.document, sweep: { points: [values] } };
  try {
    const sweep = checkedSweep({ ...loaded, document }, schedulerChecks(loaded.own));
    return { name, values, document: sweep.at(0).document };
  } catch (error) {
    if (!(error instanceof Fault)) throw error;
    return error.issues.map(({ message }) => message).join("; ") || error.message;
  }
}

const kept = (made: Candidate | string): readonly Candidate[] =>
  typeof made === "string" ? [] : [made];

/** Values by path: the policy of the iterations of each language model. */
function policies(
  { models }: ScenarioDocument,
  policyOf: (own: string) => string,
): Readonly<Record<string, string>> {
  const all = Object.entries(models).flatMap(([model, { tokens }]) =>
    tokens === undefined ? [] : [[`models.${model}.tokens.policy`, policyOf(tokens.policy)]],
  );
  return Object.fromEntries(all);
}

/** Schedulers that the scenario or its sweep names, its user's own among them. */
function namedBy(loaded: Scenario): readonly Candidate[] {
  const { document } = loaded;
  const swept = (sweptValues(document.sweep).get("scheduler") ?? []) as SchedulerDocument[];
  const ofEngines = policies(document, (own) => own);
  const engines = [...new Set(Object.values(ofEngines))].join(" + ");
  return [document.scheduler, ...swept].flatMap((scheduler) => {
    const text = typeof scheduler === "string" ? scheduler : textOf(scheduler);
    const name = [engines, ...(engines !== "" && text === "fifo" ? [] : [text])];
    const words = name.filter((word) => word !== "").join(", ");
    return kept(candidateOf(loaded, words, { scheduler, ...ofEngines }));
  });
}

function textOf(scheduler: Exclude<SchedulerDocument, string>): string {
  const { file, ...more } = scheduler;
  if (file === undefined) return JSON.stringify(scheduler);
  return Object.keys(more).length === 0 ? file : `${file} ${JSON.stringify(more)}`;
}

/** Policies of engines for prompts, and of others for tokens. */
const apartOf = (document: ScenarioDocument): readonly string[] =>
  Object.values(policies(document, (own) => own)).filter((policy) => policy.startsWith(APART));

/** The sweep, if there is one, is left out. */
export function noteOnSweep({ sweep }: ScenarioDocument): readonly string[] {
  const swept = [...sweptValues(sweep).keys()];
  if (swept.length === 0) return [];
  const paths = swept.join(", ");
  const own = "this is of the scenario's own values, and --set takes others";
  return [`the sweep of ${paths} is left out: ${own}`];
}

/** Parts of the scenario that an answer leaves out or changes. */
function notesOn(document: ScenarioDocument, { use }: Decision, shortestMs: number): string[] {
  const apart = apartOf(document);
  const priorities = new Set(Object.values(document.pipelines).map(({ priority }) => priority));
  return [
    ...noteOnSweep(document),
    ...(apart.length === 0
      ? []
      : [
          `engines for prompts and others for tokens (${apart.join(", ")}) are compared as they are, and with one policy for both; one pool for both is another cluster`,
        ]),
    ...(use?.policy === BY_PRIORITY && priorities.size === 1
      ? [
          `all pipelines have one priority, so ${BY_PRIORITY} does as vllm here: a lower pipelines.NAME.priority tells it whose requests can wait`,
        ]
      : []),
    ...(use?.sloMs === undefined
      ? []
      : [
          `times of ${use.name} were found for an SLO of ${use.sloMs} ms, and are fitted to ${shortestMs} ms; those of other schedulers are as published`,
        ]),
  ];
}

/** A scheduler that is shown to keep the SLOs goes before one that may, and that before one that is shown to miss them. */
const BY_SLO: readonly SloState[] = ["meets", "unclear", "misses"];

/**
 * Of those that keep the SLOs as well as any: the first of those tried, which is the simplest, where it is among the best
 * here; else the row's own, unless others are shown to be better: then the first of the best.
 */
export function answerOf(
  own: string | undefined,
  tried: readonly TriedScheduler[] | string,
): string | undefined {
  if (typeof tried === "string") return own;
  const state = BY_SLO.find((one) => tried.some(({ slo }) => slo === one));
  const equals = tried.filter(({ slo }) => slo === state);
  const most = equals.filter(({ isBest }) => isBest);
  const best = most.length > 0 ? most : equals;
  const least = (1 - DEFAULT_MARGIN) * Math.max(...best.map(({ inTime }) => inTime.mean));
  const first = best.find(({ inTime }) => inTime.mean >= least)?.name;
  if (first === tried[0].name || !best.some(({ name }) => name === own)) return first;
  return own;
}

/** Fifo, the row's, and others: first those that the row has beside it and that are best in other cases. */
const MOST_TRIED = 9;
const TUNED = /, tuned$/;

const placeIn = (beside: readonly string[], { name }: Candidate): number =>
  beside.includes(name) ? 0 : 1;

/** The policy of engines for prompts and others for tokens, which is no value of a scenario. */
const APART = "distserve";
const BY_PRIORITY = "vllm-priority";

const assigned = (path: string, value: unknown): string => `${path}=${JSON.stringify(value)}`;

function traceOf({ workload }: ScenarioDocument, traces: Scenario["traces"]): readonly number[] {
  return workload.arrivals === "trace" ? traces[workload.file] : [];
}

/** The factors of `b` are all there, and alike. */
const isSame = (a: AnyCase, b: AnyCase): boolean =>
  Object.entries(b).every(([factor, level]) =>
    Object.entries(a).some(([own, its]) => own === factor && its === level),
  );
