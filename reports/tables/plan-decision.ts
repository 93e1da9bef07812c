/** A plan's answer for each load, in the form of the other decisions. */

import type { ResultsDocument } from "../../results/documents.ts";
import type { ValidationDocument } from "../../results/validation.ts";
import type { Parameter } from "../../scenario/sweep/parameter-columns.ts";
import { boundText, type Decision, decisionsOf, type Fact, told, trust } from "./decision.ts";
import type { PlanAnswer, PlanEntry, PlanView } from "./documents.ts";
import { formatEstimate, formatNumber, formatShare, joined, plural } from "./format.ts";
import { axesText, isSameAt, parameterText, sweepAxes } from "./parameters.ts";
import { placementText } from "./result-tables.ts";

export function planDecisions(
  { plans }: PlanView,
  results: ResultsDocument,
  validation: ValidationDocument | undefined,
): readonly Decision[] {
  return plans.map((entry) => {
    const load = loadText(entry.parameters, results);
    if (entry.best === null) return unsolved(entry, load);
    const paths = plans.length === 1 ? [] : Object.keys(entry.parameters);
    const chosen = results.configurations.find((one) => isSameAt(paths, one, entry));
    const { best, alike, allCheaperTried, lowerBound, state, unit } = entry;
    const bound = `${formatNumber(lowerBound, 4)} ${unit}`;
    const cheaper = allCheaperTried
      ? "none: all that is cheaper was tried or ruled out"
      : lowerBound === 0
        ? "no cost is known below which nothing can keep the SLO"
        : `nothing below ${bound} can keep the SLO; between that and the plan the search was limited`;
    const plan = { title: titleOf(entry), evidence: evidenceText(entry) };
    const facts = told([
      ["plan", `${plan.title}, ${plan.evidence}`],
      ...answerFacts(best, entry),
      ["same in a pilot", alike.map(schedulerText).join("; ")],
      ...(chosen === undefined ? [] : [trust(chosen, results, validation)]),
      ["next cheaper", cheaper],
      [
        "nearest others",
        entry.runnersUp
          .slice(0, 2)
          .map((one) => `${answerText(one, unit)}${one.cost < best.cost ? ", not confirmed" : ""}`)
          .join("; "),
      ],
      ["headroom", chosen === undefined ? "" : boundText(chosen)],
    ]);
    return {
      load,
      answer: `${nameOf(best)}: ${countsText(best.replicas)}`,
      state: state === "confirmed" ? "good" : "warn",
      facts,
      chosen,
      plan,
    };
  });
}

/** Of a cost, what leaves the bound as good as met. */
const CLOSE = 0.02;

type Judged = Pick<PlanEntry, "state" | "allCheaperTried" | "lowerBound"> & {
  readonly best: Pick<PlanAnswer, "cost" | "replications"> | null;
};

/** "cheapest" where hardly anything cheaper is left, "cheapest found" where more may be, "best so far" where none is confirmed. */
export function titleOf({ state, allCheaperTried, lowerBound, best }: Judged): string {
  if (state !== "confirmed") return "best so far";
  const isMet = allCheaperTried || lowerBound >= (1 - CLOSE) * (best?.cost ?? 0);
  return isMet ? "cheapest" : "cheapest found";
}

export function evidenceText({ state, best }: Judged): string {
  return state === "confirmed"
    ? `confirmed on ${plural(best?.replications ?? 0, "fresh replication")}`
    : "not confirmed on fresh requests";
}

/** The plan's decisions where the folder has one, else those of the sweep. */
export function decisionsIn({
  plan,
  results,
  validation,
}: {
  readonly plan?: PlanView | undefined;
  readonly results: ResultsDocument;
  readonly validation?: ValidationDocument | undefined;
}): readonly Decision[] {
  if (plan !== undefined) return planDecisions(plan, results, validation);
  return decisionsOf(results, validation);
}

type Promised = Pick<PlanEntry, "promise" | "settlesS" | "window" | "state">;

/** What is promised, and for which part of the load; a line for each load where these differ. None for plans of earlier versions. */
export function promiseLines({ plans }: PlanView, results: ResultsDocument): readonly string[] {
  const known = plans.filter(({ best, promise }) => best !== null && promise !== undefined);
  const texts = known.map(promiseText);
  if (new Set(texts).size < 2) return texts.slice(0, 1);
  return known.map((one, i) => `at ${loadText(one.parameters, results)}: ${texts[i]}`);
}

/** For which requests the SLO is promised. */
export function promiseText({ promise, settlesS, window, state }: Promised): string {
  const what = state === "confirmed" ? "the SLO is kept" : "not confirmed: that the SLO is kept";
  const runs = "for runs of all of the scenario's load that begin on an empty, whole cluster";
  const over = promise === "long-run" ? "in the long run" : runs;
  if (settlesS)
    return `${what} ${runs}: close to full, a queue takes ${formatNumber(settlesS, 2)} s to settle, so that only runs of many times that (\`workload.durationS\`) show the long run`;
  if (!window) return `${what} ${over}`;
  const { fromS, toS, mostPerS, meanPerS } = window;
  const rates = `up to ${formatNumber(mostPerS)}/s, of ${formatNumber(meanPerS)}/s in the mean`;
  return `${what} at the peak of the load (${formatNumber(fromS, 4)} to ${formatNumber(toS, 4)} s: ${rates}); \`--window whole\` plans for all of it`;
}

function unsolved(entry: PlanEntry, load: string): Decision {
  const { nearest, unit, missing } = entry;
  const near = nearest === null ? "" : `; nearest: ${answerText(nearest, unit)}`;
  return {
    load,
    answer: `no plan meets the SLO${near}`,
    state: "bad",
    facts: [
      ...(nearest === null ? [] : answerFacts(nearest, entry)),
      ...told([["missing", missing ?? ""]]),
      [
        "would help",
        "a faster model or device, or a larger `slo.latencyMs`, where services are slow; more machines, or replicas (`--max-replicas`), where waits or outages make requests late",
      ],
    ],
    chosen: undefined,
  };
}

type Share = PlanAnswer["kept"][string]["sloAttainmentRatio"];
interface Shown {
  readonly kept: Readonly<Record<string, { readonly sloAttainmentRatio: Share }>>;
}
interface Wanted extends Pick<PlanEntry, "state"> {
  readonly goals: readonly { readonly pipeline: string; readonly percentile: number }[];
}

/** Whether runs leave open, by their interval, that an answer that is not confirmed keeps the SLO. */
export function isUntold({ kept }: Shown, { goals, state }: Wanted): boolean {
  const ranges = goals.map(({ pipeline, percentile }) => {
    const { mean = 0, halfWidth95 = 0 } = kept[pipeline]?.sloAttainmentRatio ?? {};
    return {
      low: mean - halfWidth95 - percentile / 100,
      high: mean + halfWidth95 - percentile / 100,
    };
  });
  const mayKeep = ranges.every(({ high }) => high >= 0);
  return state !== "confirmed" && mayKeep && ranges.some(({ low }) => low < 0);
}

function answerFacts(
  answer: PlanAnswer,
  { goals, unit, state, missing }: PlanEntry,
): readonly Fact[] {
  const { replicas, placement, cost, kept, replications } = answer;
  const within = goals.map(({ pipeline, latencyMs, percentile }) => {
    const own = kept[pipeline];
    const share = formatShare(own?.sloAttainmentRatio, replications);
    const whose = goals.length === 1 ? "" : `${pipeline}: `;
    return `${whose}${share} % within ${formatNumber(latencyMs, 4)} ms (${formatNumber(percentile, 4)} % wanted)`;
  });
  const latencies = Object.entries(kept).map(([pipeline, { latencyMs }]) => {
    const at = goals.find((goal) => goal.pipeline === pipeline)?.percentile;
    const whose = goals.length === 1 ? "" : `${pipeline} `;
    return `${whose}p${at} ${formatEstimate(latencyMs ?? undefined)} ms`;
  });
  const isOpen = missing == null && isUntold(answer, { goals, state });
  const runs = plural(replications, state === "confirmed" ? "fresh replication" : "replication");
  return told([
    ["replicas", countsText(replicas)],
    ["runs on", placement === null ? "" : placementText(placement)],
    ["cost", `${formatNumber(cost, 4)} ${unit}`],
    ["latency", latencies.join(", ")],
    ["within the SLO", `${within.join("; ")}, on ${runs}${isOpen ? ": cannot tell" : ""}`],
  ]);
}

function nameOf({ scheduler, parameters }: PlanAnswer): string {
  const { scheduler: _, ...others } = parameters;
  return joined([schedulerText(scheduler), parametersText(others)], ", ");
}

function answerText(answer: PlanAnswer, unit: string): string {
  return `${nameOf(answer)}, ${countsText(answer.replicas)} (${formatNumber(answer.cost, 4)} ${unit})`;
}

export function schedulerText(scheduler: unknown): string {
  return parameterText(typeof scheduler === "string" ? scheduler : JSON.stringify(scheduler));
}

/** "arrival rate 20/s", by the names that the other decisions give. */
export function loadText(parameters: PlanEntry["parameters"], results: ResultsDocument): string {
  const axes = sweepAxes(results).filter(({ path }) => path in parameters);
  const known = axes.length === Object.keys(parameters).length;
  return known ? axesText(axes, parameters, ", ") : parametersText(parameters);
}

export function parametersText(parameters: Readonly<Record<string, Parameter>>): string {
  return Object.entries(parameters)
    .map(([path, value]) => `${path} ${parameterText(value)}`)
    .join(", ");
}

/** "detect 3, plate 2". */
export function countsText(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");
}
