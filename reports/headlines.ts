/** What a reader wants first: does anything meet the goal, at what price, and can it be trusted. */

import type { ConfigurationResult, ResultsDocument, ValidationDocument } from "../core/results.ts";
import { paretoFront } from "./charts/pareto.ts";
import { comparisonSentences } from "./comparison-tables.ts";
import { costOf } from "./cost.ts";
import { formatCount, formatError, formatNumber, plural } from "./format.ts";
import { metricLabel } from "./metric-labels.ts";
import { axisText, isLoad, sweepAxes } from "./parameters.ts";
import { meetsSlo } from "./slo.ts";
import { isUnstable } from "./steady-estimates.ts";
import { BACKENDS, doubts, judgedMetrics, lettered, verdictSummary } from "./validation-rows.ts";

export interface Headline {
  readonly text: string;
  readonly state?: "good" | "bad" | "warn";
}

/** The cheapest configuration that meets the goal, for each load. */
function cheapest(document: ResultsDocument): readonly Headline[] {
  const axes = sweepAxes(document.configurations);
  const measure = costOf(document);
  const groups = new Map<string, ConfigurationResult[]>();
  for (const one of document.configurations) {
    const loads = axes.filter((axis) => isLoad(axis.path));
    const load = loads.map((axis) => axisText(axis, one.parameters)).join(", ");
    groups.set(load, [...(groups.get(load) ?? []), one]);
  }
  if (document.configurations.length < 2 || groups.size > 6) return [];
  return [...groups].flatMap(([load, members]): Headline[] => {
    const where = load === "" ? "" : `At ${load}: `;
    const points = members.flatMap((one) => {
      const cost = measure.of(one);
      const latencyMs = one.metrics.latencyP99Ms?.mean ?? one.metrics.latencyMeanMs?.mean ?? 0;
      if (cost === undefined || meetsSlo(one, document.slo) !== true) return [];
      return [{ cost, latencyMs, one }];
    });
    const best = paretoFront(points)[0];
    const known = members.some((one) => meetsSlo(one, document.slo) !== undefined);
    if (best === undefined) {
      return known && points.length === 0 && members.every((one) => !meetsSlo(one, document.slo))
        ? [{ text: `${where}no configuration meets the SLO`, state: "bad" }]
        : [];
    }
    const shown = axes.filter((axis) => !isLoad(axis.path));
    const name = shown.map((axis) => axisText(axis, best.one.parameters)).join(", ");
    const text =
      `${where}cheapest that meets the SLO is ${name || best.one.id} ` +
      `(${formatNumber(best.cost)} ${measure.unit}, p99 ${formatNumber(best.latencyMs)} ms)`;
    return [{ text, state: "good" }];
  });
}

function worst(document: ValidationDocument): string {
  const errors = lettered(document).flatMap(({ letter, result }) =>
    judgedMetrics(document).map((name) => ({ letter, name, error: result.error[name] ?? 0 })),
  );
  const largest = errors.toSorted((a, b) => Math.abs(b.error) - Math.abs(a.error))[0];
  if (largest === undefined) return "";
  const { letter, name, error } = largest;
  return `; largest error ${formatError(error)} (${metricLabel(name).text}, ${letter})`;
}

/** Reasons beyond so many are for the table alone. */
const MOST_DOUBTS = 4;

/** Comparisons beyond so many are for the table alone. */
const MOST_SENTENCES = 6;

/** Headlines in order of weight: trust first, then the goal, then the choice. */
export function headlines(
  results: ResultsDocument,
  validation: ValidationDocument | undefined,
): readonly Headline[] {
  const lines: Headline[] = [];
  if (validation !== undefined && validation.configurations.length > 0) {
    const all = validation.configurations;
    const fine = all.every((one) => one.verdict === "agrees");
    const wrong = all.some((one) => one.verdict === "disagrees");
    const state = fine ? "good" : wrong ? "bad" : "warn";
    lines.push({ text: `${verdictSummary(validation)}${worst(validation)}`, state });
    for (const text of doubts(validation).slice(0, MOST_DOUBTS))
      lines.push({ text, state: "warn" });
    if (all.some((one) => one.measured.backend === "replay")) {
      const replayed = all.filter((one) => one.measured.backend === "replay").length;
      lines.push({
        text: `${plural(replayed, "validated configuration")} on replay: ${BACKENDS.replay}`,
        state: "warn",
      });
    }
  }
  const unstable = results.configurations.filter(isUnstable);
  if (unstable.length > 0) {
    const count = plural(unstable.length, "configuration");
    const text = `${count} of ${formatCount(results.configurations.length)} unstable: overloaded, no figure of theirs estimates a steady state`;
    lines.push({ text, state: "warn" });
  }
  const judged = results.configurations.map((one) => meetsSlo(one, results.slo));
  const slo = results.slo;
  if (slo !== undefined && judged.some((one) => one !== undefined)) {
    const met = judged.filter((one) => one === true).length;
    const goal = `p${formatNumber(slo.percentile)} ≤ ${formatNumber(slo.latencyMs, 4)} ms`;
    lines.push({
      text: `${formatCount(met)} of ${plural(judged.length, "configuration")} meet the SLO (${goal})`,
    });
  }
  const compared = comparisonSentences(results, MOST_SENTENCES).map((text) => ({ text }));
  return [...lines, ...cheapest(results), ...compared];
}
