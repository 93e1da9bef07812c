/** SLOs: how far configurations attain them, their costs, and the cheapest that meet them. */

import { grouped } from "../../engine/basics/iterables.ts";
import type { MetricName } from "../../engine/metrics/figures.ts";
import type { Estimate } from "../../engine/statistics/estimate.ts";
import { compareGroup, DEFAULT_MARGIN } from "../../results/compare.ts";
import type { ConfigurationResult, ResultsDocument, SloGoal } from "../../results/documents.ts";
import { figureText, formatNumber, isUnstable, joined, metricLabel, withUnit } from "./format.ts";
import {
  axesText,
  axisText,
  byAxes,
  bySimplicity,
  configurationLabel,
  type SweepAxis,
  sweepAxes,
} from "./parameters.ts";

const QUANTILES: Readonly<Record<number, MetricName>> = {
  50: "latencyP50Ms",
  90: "latencyP90Ms",
  95: "latencyP95Ms",
  99: "latencyP99Ms",
};

/** The latency metric that the SLO bounds, when it is one of the reported quantiles. */
export function sloMetric(slo: SloGoal | undefined): MetricName | undefined {
  return slo === undefined ? undefined : QUANTILES[slo.percentile];
}

/** The latency that configurations are ordered by: the SLO's own quantile, else p99. */
export function latencyOf({ slo }: Pick<ResultsDocument, "slo">): MetricName {
  return sloMetric(slo) ?? "latencyP99Ms";
}

/** "p99 ≤ 500 ms". */
export function goalText(goal: SloGoal): string {
  return `p${formatNumber(goal.percentile, 4)} ≤ ${boundsText(goal)}`;
}

/** "500 ms", or "500 ms, first token ≤ 100 ms, ≤ 50 ms a token". */
function boundsText({ latencyMs, ttftMs, tpotMs }: SloGoal): string {
  const first = ttftMs === undefined ? "" : `, first token ≤ ${formatNumber(ttftMs, 4)} ms`;
  const each = tpotMs === undefined ? "" : `, ≤ ${formatNumber(tpotMs, 4)} ms a token`;
  return `${formatNumber(latencyMs, 4)} ms${first}${each}`;
}

/** The heading of a column: the sentence below a table has all bounds of an SLO that has several. */
export function goalHeading(slo: SloGoal): string {
  const isLong = slo.ttftMs !== undefined || slo.tpotMs !== undefined;
  return `SLO ${isLong ? `p${formatNumber(slo.percentile, 4)}` : goalText(slo)}`;
}

/** "; dashed: SLO 500 ms at p99": how a chart's subtitle explains the line; empty without an SLO. */
export function sloNote(slo: SloGoal | undefined): string {
  if (slo === undefined) return "";
  return `; dashed: SLO ${formatNumber(slo.latencyMs, 4)} ms at p${formatNumber(slo.percentile, 4)}`;
}

/** How far a configuration attains one SLO. */
export interface Attained {
  readonly pipeline?: string;
  readonly goal: SloGoal;
  readonly share: Estimate;
  /** The quantile that the SLO bounds, where it is reported. */
  readonly quantile: Estimate | undefined;
}

/** The attainment of each SLO, the one that is missed most or met least first; empty without SLOs. */
export function attainedBy(
  { metrics, pipelines }: ConfigurationResult,
  { slo, slos }: Pick<ResultsDocument, "slo" | "slos">,
): readonly Attained[] {
  const parts = Object.entries(pipelines ?? {}).map(([pipeline, own]) => ({
    pipeline,
    goal: slo ?? slos?.[pipeline],
    figures: own as ConfigurationResult["metrics"],
  }));
  const all = parts.length > 0 ? parts : [{ goal: slo, figures: metrics }];
  const attained = all.flatMap(({ goal, figures, ...of }): Attained[] => {
    const share = figures.sloAttainmentRatio;
    if (goal === undefined || share === undefined) return [];
    const name = sloMetric(goal);
    return [{ ...of, goal, share, quantile: name === undefined ? undefined : figures[name] }];
  });
  return attained.toSorted((a, b) => marginOf(a) - marginOf(b));
}

/** By how much the SLO is met: below 0 where it is missed. */
export function marginOf({ goal, share }: Attained): number {
  return share.mean - goal.percentile / 100;
}

/** The stable configuration that misses its SLO by the least, or meets it most; of equals the simplest. */
export function nearestOf(
  members: readonly ConfigurationResult[],
  document: ResultsDocument,
): { readonly one: ConfigurationResult; readonly attained: Attained } | undefined {
  const all = members
    .filter((one) => !isUnstable(one))
    .flatMap((one) => {
      const [attained] = attainedBy(one, document);
      return attained === undefined ? [] : [{ one, attained }];
    });
  const simplest = bySimplicity(document);
  return all.toSorted(
    (a, b) => marginOf(b.attained) - marginOf(a.attained) || simplest(a.one, b.one),
  )[0];
}

/** "97.3 ± 0.4 % within 500 ms (99 % wanted), p99 612 ± 20 ms". */
export function attainedText(one: ConfigurationResult, attained: Attained): string {
  const name = `p${formatNumber(attained.goal.percentile, 4)}`;
  const figure = figureText(one, `latency${name.toUpperCase()}Ms`, attained.quantile);
  const latency = attained.quantile === undefined ? "" : `, ${name} ${withUnit(figure, "ms")}`;
  return `${shareText(one, attained)}${latency}`;
}

/** "97.3 ± 0.4 % within 500 ms (99 % wanted)". */
export function shareText(one: ConfigurationResult, { pipeline, goal, share }: Attained): string {
  const of = pipeline === undefined ? "" : ` of ${pipeline}`;
  const reached = figureText(one, "sloAttainmentRatio", share);
  return `${withUnit(reached, "%")}${of} within ${boundsText(goal)} (${formatNumber(goal.percentile, 4)} % wanted)`;
}

type Figure = (one: ConfigurationResult) => Estimate | undefined;

/** Costs whose relative difference is at most this are equal. */
const ROUNDING = 1e-9;

export const price: Figure = ({ metrics }) => metrics.costPerHour;

/** Replicas of all tasks; a mean under scaling. Undefined if a task has no count. */
export const replicas: Figure = ({ tasks }) => {
  let [mean, halfWidth95] = [0, 0];
  for (const { replicasMean } of Object.values(tasks)) {
    if (replicasMean === undefined) return undefined;
    mean += replicasMean.mean;
    halfWidth95 += replicasMean.halfWidth95;
  }
  return mean === 0 ? undefined : { mean, halfWidth95 };
};

/** "6 replicas, 13/h": all replicas, and the price where there is one. */
export function costText(one: ConfigurationResult): string {
  const [count, charged] = [replicas(one)?.mean, price(one)?.mean];
  const noun = count === 1 ? "replica" : "replicas";
  const counted = count === undefined ? "" : `${formatNumber(count, 6)} ${noun}`;
  return joined([counted, charged === undefined ? "" : `${formatNumber(charged, 5)}/h`], ", ");
}

/** The cheaper first; of equal prices, the one with fewer replicas. */
export function byCost(a: ConfigurationResult, b: ConfigurationResult): number {
  const of = (one: ConfigurationResult, figure: Figure) => figure(one)?.mean ?? 0;
  const [byPrice, byCount] = [of(a, price) - of(b, price), of(a, replicas) - of(b, replicas)];
  return Math.abs(byPrice) > ROUNDING * Math.abs(of(a, price)) ? byPrice : byCount;
}

/** Those at the least price with the fewest replicas; costs whose intervals overlap are equal. */
function leastCostly(ones: readonly ConfigurationResult[]): readonly ConfigurationResult[] {
  return leastBy(leastBy(ones, price), replicas);
}

function leastBy(ones: readonly ConfigurationResult[], figure: Figure) {
  const all = ones.map((one) => figure(one) ?? { mean: 0, halfWidth95: 0 });
  const least = all.toSorted((a, b) => a.mean - b.mean)[0];
  return ones.filter((_, i) => {
    const widths = all[i].halfWidth95 + least.halfWidth95;
    return all[i].mean - least.mean <= Math.max(widths, ROUNDING * least.mean);
  });
}

export interface CostAxis {
  readonly title: "cost per hour" | "replicas";
  readonly of: (one: ConfigurationResult) => number | undefined;
}

/** The price where it tells configurations apart, or replicas do not. */
export function costAxis({ configurations }: ResultsDocument): CostAxis {
  const distinct = (figure: Figure) =>
    new Set(configurations.flatMap((one) => figure(one)?.mean ?? [])).size;
  const prices = distinct(price);
  return prices > 1 || (prices === 1 && distinct(replicas) < 2)
    ? { title: "cost per hour", of: (one) => price(one)?.mean }
    : { title: "replicas", of: (one) => replicas(one)?.mean };
}

export interface Choice {
  readonly document: ResultsDocument;
  /** Swept parameters besides the load. */
  readonly axes: readonly SweepAxis[];
  /** "arrival rate 20/s"; empty where no load is swept. */
  readonly load: string;
  readonly members: readonly ConfigurationResult[];
  /** Those that meet the SLO at the least cost and are not shown to be worse than another, the simplest first. */
  readonly best: readonly ConfigurationResult[];
}

/** More are not compared with one another: every pair counts. */
const MOST_COMPARED = 500;
/** Ties that are named; of more, so many. */
const MOST_NAMED = 4;

/** A choice for each load, the lowest first. */
export function choicesOf(document: ResultsDocument): readonly Choice[] {
  const all = sweepAxes(document);
  const loads = all.filter(({ kind }) => kind === "load");
  const axes = all.filter(({ kind }) => kind !== "load");
  const groups = grouped(document.configurations.toSorted(byAxes(loads)), ({ parameters }) =>
    axesText(loads, parameters, ", "),
  );
  return [...groups].map(([load, members]) => {
    return { document, axes, load, members, best: bestOf(members, document) };
  });
}

function bestOf(members: readonly ConfigurationResult[], document: ResultsDocument) {
  const meeting = members.filter((one) => one.slo === "meets");
  return unbeaten(leastCostly(meeting), document).toSorted(bySimplicity(document));
}

/** The configuration to run under the highest load that has one; without any, the first of all. */
export function decisionOf(document: ResultsDocument): ConfigurationResult {
  const met = choicesOf(document).filter(({ best }) => best.length > 0);
  return met[met.length - 1]?.best[0] ?? document.configurations[0];
}

/** The metric that tells ties apart: the SLO's own quantile, or the next best that was kept. */
function rankedBy(ones: readonly ConfigurationResult[], { slo }: ResultsDocument) {
  const kept = Object.keys(ones[0].samples ?? {}) as MetricName[];
  const wanted = [sloMetric(slo), "latencyP99Ms" as const, "latencyMeanMs" as const];
  return wanted.find((name) => name !== undefined && kept.includes(name)) ?? kept[0];
}

function unbeaten(ones: readonly ConfigurationResult[], document: ResultsDocument) {
  if (ones.length < 2 || ones.length > MOST_COMPARED) return ones;
  const metric = rankedBy(ones, document);
  if (metric === undefined) return ones;
  const compared = compareGroup(ones, [], metric, document.margin ?? DEFAULT_MARGIN);
  return ones.filter((_, i) => compared?.members[i].verdict !== "worse");
}

/** "a", "a or b", "a, b or c", "a, b, c, d or 5 more". */
export function either(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMED);
  if (names.length > shown.length)
    return `${shown.join(", ")} or ${names.length - shown.length} more`;
  return joined([shown.slice(0, -1).join(", "), ...shown.slice(-1)], " or ");
}

/** "fifo or edf (not distinguishable), detect replicas 2": the load apart, equals once; `tie` is the remark. */
export function choiceName({ best, axes }: Choice, tie = " (not distinguishable)"): string {
  const [{ id, parameters }] = best;
  const isEqual = (axis: SweepAxis) =>
    best.every((one) => axisText(axis, one.parameters) === axisText(axis, parameters));
  const common = axesText(axes.filter(isEqual), parameters, ", ");
  if (best.length === 1) return common || id;
  const apart = axes.filter((axis) => !isEqual(axis));
  return joined(
    [`${either(best.map((one) => configurationLabel(one, apart)))}${tie}`, common],
    ", ",
  );
}

/** "p99 latency 248 ± 9 ms", or "p99 latency 248 to 251 ms" of several. */
export function choiceLatency({ best, document }: Choice): string {
  const name = latencyOf(document);
  const all = best.flatMap((one) => one.metrics[name] ?? []);
  if (all.length === 0) return "";
  const means = all.map(({ mean }) => mean);
  const [low, high] = [Math.min(...means), Math.max(...means)].map((mean) => formatNumber(mean));
  const figure = low === high ? figureText(best[0], name, all[0]) : `${low} to ${high}`;
  return `${metricLabel(name).text} ${figure} ms`;
}
