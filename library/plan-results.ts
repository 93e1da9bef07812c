/** `tandem/plan@3`: what a plan found, as a document, as text, and as a scenario. */

import { knownRequests } from "../engine/arrivals/arrival-source.ts";
import { sumOf } from "../engine/statistics/estimate.ts";
import type { NotSearched } from "../planning/left-out.ts";
import type { Answer, Plan, PlanEntry, Point } from "../planning/plan.ts";
import type { Explored } from "../planning/standing.ts";
import type { Kept } from "../planning/trial.ts";
import {
  formatEstimate,
  formatNumber,
  formatRuns,
  formatShare,
  plural,
  wrapped,
} from "../reports/tables/format.ts";
import { capacityText } from "../reports/tables/parameters.ts";
import {
  countsText,
  evidenceText,
  isUntold,
  parametersText,
  promiseText,
  titleOf,
} from "../reports/tables/plan-decision.ts";
import { placementText } from "../reports/tables/result-tables.ts";
import type { Cell } from "../reports/tables/table.ts";
import { tableText } from "../reports/tables/table-text.ts";
import type { LoadCapacity } from "../scenario/reading/files.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import { schedulerName } from "../schedulers/create-scheduler.ts";

interface Header {
  readonly schema: "tandem/plan@3";
  readonly planner: "descent";
  readonly scenario: { readonly name: string; readonly digest: string };
  readonly seed: number;
  readonly command: string;
  /** With the scenario, what tells one question from another. */
  readonly asked: {
    readonly schedulers: readonly string[];
    readonly maxReplicas: number;
    readonly window: "peak" | "whole";
    readonly promise: "long-run" | "runs";
  };
  readonly capacity?: LoadCapacity;
}

export interface PlanDocument extends Header {
  readonly plans: readonly PlanEntry[];
  /** The answer in sentences, for a report. */
  readonly headlines: readonly string[];
}

export function planDocument(header: Header, plans: readonly Plan[]): PlanDocument {
  const entries = plans.map(({ planned: _, ...entry }) => entry);
  return { ...header, plans: entries, headlines: entries.map(headline) };
}

/**
 * A scenario that runs what was planned, on requests that the search had not: of several loads, a sweep
 * of their plans. Null where there is none for any. `given`: the scenario that was planned.
 */
export function plannedScenario(
  plans: readonly Plan[],
  given: ScenarioDocument,
): ScenarioDocument | null {
  const document = plans.find(({ planned }) => planned !== null)?.planned;
  if (document == null) return null;
  const { validation, run } = document;
  const { points: _, ...kept } = validation ?? {};
  const points = plans.flatMap(({ best }) => best?.point ?? []);
  const one = {
    ...document,
    run: { ...run, seed: run.seed + 1, replications: replicationsOf(plans, run.replications) },
    ...(validation === undefined ? {} : { validation: kept as typeof validation }),
  };
  if (points.length === 1) return one;
  // The cluster of another load may have what the first one's lacks.
  const { models, faults, cluster } = given;
  return { ...one, models, faults, cluster, sweep: { points } } as ScenarioDocument;
}

/** Of a scenario that runs plans: less than a minute. */
const MOST_REQUESTS = 5_000_000;

/** As many as confirmed the plans, so that they tell as much, where these do not take too many requests. */
function replicationsOf(plans: readonly Plan[], given: number): number {
  const perRun = plans.map(({ planned }) => {
    return planned === null ? 0 : (knownRequests(planned.workload) ?? Number.POSITIVE_INFINITY);
  });
  const asked = plans.map(({ state, best }) => (state === "confirmed" && best?.replications) || 0);
  const most = Math.floor(MOST_REQUESTS / sumOf(perRun));
  return Math.max(given, Math.min(most, Math.max(...asked)));
}

/** `simulateCommand`: the command that simulates a sweep's points, as many replications of each as confirmed them. */
export function planText(
  document: PlanDocument,
  width: number,
  simulateCommand: (points: readonly Point[], replications: number) => string,
): string {
  const several = document.plans.length > 1;
  const lines = document.plans.flatMap((plan) => [
    ...(several ? [parametersText(plan.parameters)] : []),
    wrapped(plan.goals.map(goalText).join("; "), width),
    ...(plan.best === null && plan.nearest === null
      ? []
      : [tableText({ caption: "", headings: headings(plan), rows: rows(plan) }, width)]),
    ...sentences(plan).map((line) => wrapped(line, width)),
    "",
  ]);
  const found = document.plans.flatMap(({ best }) => best ?? []);
  if (found.length > 0) {
    const points = found.map(({ point }) => point);
    const replications = Math.max(...found.map((one) => one.replications));
    const what = several ? "the plan of each load" : "the plan";
    lines.push(`to simulate ${what}: ${simulateCommand(points, replications)}`);
  }
  const load = capacityText(document.capacity);
  if (load !== "") lines.push(wrapped(load, width));
  const repeat = `repeat: ${document.command}`;
  lines.push(`seed ${document.seed} · scenario ${document.scenario.digest} · ${repeat}`);
  return lines.join("\n");
}

function goalText({ pipeline, latencyMs, percentile }: PlanEntry["goals"][number]): string {
  return `${pipeline}: ${percentile} % of requests within ${formatNumber(latencyMs)} ms`;
}

/** A preset's name; of a composition, its parts and the batch sizes of tasks. */
function schedulerText(scheduler: unknown): string {
  const name = schedulerName(scheduler as ScenarioDocument["scheduler"]);
  if (typeof scheduler !== "object" || scheduler === null || !("perTask" in scheduler)) return name;
  const batches = Object.entries(scheduler.perTask as Record<string, { batching?: unknown }>)
    .map(([task, { batching }]) => [task, (batching as { maxBatch?: number })?.maxBatch] as const)
    .filter(([, size]) => size !== undefined);
  return `${name}, batches of ${countsText(Object.fromEntries(batches as [string, number][]))}`;
}

function headings({ unit, goals }: PlanEntry): readonly string[] {
  const shown = ["scheduler", `cost, ${unit}`, "replicas", "machines"];
  return ["", ...shown, "within the SLO, %", `${percentilesOf(goals)}, ms`];
}

/** "p95", or "p95, p99" where SLOs differ. */
function percentilesOf(goals: PlanEntry["goals"]): string {
  return [...new Set(goals.map(({ percentile }) => `p${percentile}`))].join(", ");
}

const MOST_RUNNERS_UP = 4;

function rows({ best, runnersUp, nearest, state }: PlanEntry): readonly (readonly Cell[])[] {
  // Fresh requests refuse some that the search's take.
  const named = ({ cost }: Answer) => (cost < (best?.cost ?? 0) ? "not confirmed" : "runner-up");
  return [
    ...(best === null ? [] : [row(state === "confirmed" ? "plan" : "not confirmed", best)]),
    ...runnersUp.slice(0, MOST_RUNNERS_UP).map((one) => row(named(one), one)),
    ...(nearest === null ? [] : [row("nearest", nearest)]),
  ];
}

function row(what: string, answer: Answer): readonly Cell[] {
  const { scheduler, parameters, cost, replicas, machines, kept, replications } = answer;
  const { scheduler: _, ...others } = parameters;
  const name = [schedulerText(scheduler), parametersText(others)];
  const goals = Object.values(kept);
  const each = (of: (goal: Kept) => string): string => goals.map(of).join("; ");
  return [
    { text: what },
    { text: name.filter((text) => text !== "").join(", ") },
    { text: formatNumber(cost, 4), numeric: true },
    { text: countsText(replicas) },
    { text: countsText(machines ?? {}) },
    { text: each((goal) => formatShare(goal.sloAttainmentRatio, replications)), numeric: true },
    { text: each((goal) => formatRuns(goal.latencyMs ?? undefined, replications)), numeric: true },
  ];
}

/** The answer in one sentence. */
function headline(entry: PlanEntry): string {
  const { parameters, best, nearest, unit, runnersUp, goals } = entry;
  const load = Object.keys(parameters).length === 0 ? "" : `${parametersText(parameters)}: `;
  const costs = ({ cost }: Answer): string => `${formatNumber(cost, 4)} ${unit}`;
  if (best === null) {
    const near = nearest === null ? "" : `; nearest: ${schedulerText(nearest.scheduler)}`;
    return `${load}no plan keeps the SLO${near}`;
  }
  const second = runnersUp.find(({ cost }) => cost >= best.cost);
  const next =
    second === undefined ? "" : `; runner-up: ${schedulerText(second.scheduler)}, ${costs(second)}`;
  const where = best.placement === null ? countsText(best.replicas) : placementText(best.placement);
  const latencies = Object.values(best.kept).map(({ latencyMs }) =>
    formatEstimate(latencyMs ?? undefined),
  );
  const what = `${titleOf(entry)}, ${evidenceText(entry)}`;
  const at = `${percentilesOf(goals)} ${latencies.join(", ")} ms`;
  return `${load}${what}: ${costs(best)}, ${schedulerText(best.scheduler)}, ${where}; ${at}${next}`;
}

function sentences(entry: PlanEntry): readonly string[] {
  const { best, nearest, alike, notSearched, needed } = entry;
  const explored = `explored: ${exploredText(entry.explored)}`;
  const shown = notSearched.filter((name) => best === null || name !== "budget");
  const leftOut = shown.map((name) => LEFT_OUT[name]);
  const untold = needed === null ? openText(entry) : [untoldText(needed, best?.replications ?? 1)];
  if (best === null && entry.stopped) {
    return ["the search ended before it found a cluster that keeps the SLO", ...untold, explored];
  }
  if (best === null) {
    const tried = notSearched.includes("budget") ? "tried" : "allowed";
    const above = nearest === null ? "" : " (the shares above are of the nearest miss)";
    return [
      `nothing that was ${tried} keeps the SLO${above}`,
      ...untold,
      [explored, ...leftOut].join("; "),
      ...(entry.missing === null ? [] : [entry.missing]),
      "faster machines or a larger `slo.latencyMs` help where services are slow; more machines, or replicas by --max-replicas, where waits or outages make requests late",
    ];
  }
  const equals = alike.length === 0 ? "" : ` (in a pilot request for request as ${namesOf(alike)})`;
  return [
    `${titleOf(entry)}: ${schedulerText(best.scheduler)}${equals}, ${evidenceText(entry)}`,
    ...untold,
    promiseText(entry),
    ...(best.placement === null ? [] : [`replicas run on ${placementText(best.placement)}`]),
    [gapText(entry), ...leftOut].join("; "),
    explored,
  ];
}

/** Of few runs the interval may hold the SLO; what bounds rule out is no doubt. */
function openText(entry: PlanEntry): readonly string[] {
  const { best, nearest, missing } = entry;
  const shown = best ?? nearest;
  if (shown === null || missing !== null || !isUntold(shown, entry)) return [];
  const which = best === null ? "the nearest" : "it";
  return [
    `cannot tell: ${plural(shown.replications, "replication")} leave open whether ${which} keeps the SLO`,
  ];
}

/** `had`: replications that left it open. */
function untoldText(
  { replications, because, durationS }: NonNullable<PlanEntry["needed"]>,
  had: number,
): string {
  const what = "cannot tell: fresh requests neither confirm nor refute it";
  if (because === "close") {
    return `${what}, and its share is too close to the SLO for these to name a length that would probably tell: \`--replications ${4 * had}\` halves their doubt; or allow more machines, or a larger \`slo.latencyMs\``;
  }
  if (replications === null) {
    return `${what}, for the measured profiles are too uncertain: calibrate in more rounds, or give it a longer SLO`;
  }
  const length = durationS === 0 ? "" : ` of ${formatNumber(durationS)} s`;
  return `${what}; ${plural(replications, "replication")}${length} would probably tell (\`--replications ${replications}\`)`;
}

/** "58.6 per hour; nothing cheaper than 57.1 per hour can keep the SLO". */
function gapText(entry: PlanEntry): string {
  const { best, lowerBound, unit, allCheaperTried, notSearched, stopped, isIdle } = entry;
  const isCut = stopped || notSearched.includes("budget");
  const own = isIdle ? "as it found nothing cheaper any more" : "with little of its budget left";
  const why = stopped ? "early" : own;
  const ends = isCut ? `the search ended ${why} (a larger \`--budget\` goes on): ` : "";
  const tried = allCheaperTried ? "all that is cheaper was tried or ruled out" : "";
  if (allCheaperTried && (lowerBound === 0 || best === null || lowerBound >= best.cost))
    return `${ends}${tried}`;
  const cost = formatNumber(best?.cost ?? 0, 4);
  if (lowerBound === 0)
    return `${ends}${cost} ${unit}; no cost is known below which nothing can keep the SLO`;
  const below = `nothing cheaper than ${formatNumber(Math.min(lowerBound, best?.cost ?? lowerBound), 4)} ${unit} can keep the SLO`;
  if (allCheaperTried) return `${ends}${tried}; ${below}, but for an error of 5 %`;
  const gap = best === null ? 0 : (best.cost - lowerBound) / best.cost;
  const shown = gap > 0 ? ` (a gap of ${formatNumber(100 * gap, 2)} %)` : "";
  return `${ends}${cost} ${unit}; ${below}, but for an error of 5 %${shown}`;
}

function namesOf(schedulers: readonly unknown[]): string {
  return [...new Set(schedulers.map(schedulerText))].join("; ");
}

function exploredText({ combinations, ruledOut, simulated, requests, confirmations }: Explored) {
  const thousands = (count: number): string => count.toLocaleString("en-US");
  const tooFew = `${thousands(ruledOut.task)} give a task too few replicas whatever the others have`;
  // Bounds come from clusters of which each stands for all that have less.
  const many = simulated > combinations ? " (bounds for many at once too)" : "";
  const tried = simulated === 0 && requests > 0 ? "the nearest miss alone" : thousands(simulated);
  return [
    `${thousands(combinations)} combinations looked at`,
    ...(ruledOut.task > 0 ? [tooFew] : []),
    `${tried} simulated${many} with ${thousands(requests)} requests`,
    plural(confirmations, "confirmation"),
  ].join("; ");
}

const LEFT_OUT: Readonly<Record<NotSearched, string>> = {
  budget: "the search ended early, a larger --budget goes on",
  batches: "without different batch sizes of the tasks",
  replicas: "without more replicas of a task than --max-replicas allows",
  colocation: "without choosing which replicas share a machine",
  sharing: "without more than one replica a slot",
  scaling: "without more machines that scaling switches off for longer",
  variants: "without leaving a variant out",
};
