/** Which configurations meet the latency goal, the cheapest of them, and the nearest where none does. */

import type { ConfigurationResult, ResultsDocument } from "../core/results.ts";
import { type Choice, choiceLatency, choiceName, choicesOf } from "./cheapest.ts";
import { costText } from "./cost.ts";
import { formatCount, formatNumber, plural } from "./format.ts";
import { bySimplicity, configurationLabel, type SweepAxis, sweepAxes } from "./parameters.ts";
import { type Attained, goalText, marginOf, worstAttained } from "./slo.ts";
import { figureText, isUnstable } from "./steady-estimates.ts";

export interface Headline {
  readonly text: string;
  readonly state?: "good" | "bad" | "warn";
}

/** Loads beyond so many are for a table. */
export const MOST_LOADS = 6;

/** How many meet the goal, then the cheapest of each load; nothing where no goal is known. */
export function goalHeadlines(document: ResultsDocument): readonly Headline[] {
  const judged = document.configurations.filter((one) => one.slo !== undefined);
  if (judged.length === 0) return [];
  const count = (state: ConfigurationResult["slo"]) =>
    judged.filter((one) => one.slo === state).length;
  const [meets, misses, unclear] = [count("meets"), count("misses"), count("unclear")];
  const goal = document.slo === undefined ? "" : ` (${goalText(document.slo)})`;
  const open =
    unclear === 0 ? "" : `, ${formatCount(unclear)} unclear: more replications or longer runs tell`;
  if (meets === 0) {
    const axes = sweepAxes(document);
    const text = `none of ${plural(judged.length, "configuration")} is shown to meet the SLO${goal}`;
    return [{ text: `${text}${open}${nearestText(judged, document, axes)}`, state: "bad" }];
  }
  const missed =
    misses === 0 ? "" : `, ${formatCount(misses)} ${misses === 1 ? "misses" : "miss"} it`;
  const all = plural(judged.length, "configuration");
  const summary = `${formatCount(meets)} of ${all} ${meets === 1 ? "meets" : "meet"} the SLO${goal}${missed}${open}`;
  return [{ text: summary }, ...choiceHeadlines(document)];
}

function choiceHeadlines(document: ResultsDocument): readonly Headline[] {
  const choices = choicesOf(document);
  const isChoice = choices.some(({ members }) => members.length > 1);
  if (!isChoice || choices.length > MOST_LOADS) return [];
  return choices.map((choice) => choiceHeadline(choice, document));
}

function choiceHeadline(choice: Choice, document: ResultsDocument): Headline {
  const axes = sweepAxes(document);
  const where = choice.load === "" ? "" : `At ${choice.load}: `;
  if (choice.best.length === 0) {
    const nearest = nearestText(
      choice.members,
      document,
      axes.filter(({ kind }) => kind !== "load"),
    );
    return { text: `${where}none is shown to meet the SLO${nearest}`, state: "bad" };
  }
  const name = choiceName(choice, axes);
  const cost = costText(choice.best[0]);
  const latency = choiceLatency(choice, document);
  const facts = [name, cost, latency].filter((text) => text !== "").join(", ");
  return { text: `${where}cheapest that meets the SLO: ${facts}`, state: "good" };
}

/** "; nearest: …", the stable configuration that misses its goal by the least. */
function nearestText(
  members: readonly ConfigurationResult[],
  document: ResultsDocument,
  axes: readonly SweepAxis[],
): string {
  const stable = members.filter((one) => !isUnstable(one));
  if (stable.length === 0) return "; all are unstable";
  const all = stable.flatMap((one) => {
    const attained = worstAttained(one, document);
    return attained === undefined ? [] : [{ ...one, attained }];
  });
  const [nearest] = all.toSorted(
    (a, b) => marginOf(b.attained) - marginOf(a.attained) || bySimplicity(document)(a, b),
  );
  if (nearest === undefined) return "";
  return `; nearest: ${configurationLabel(nearest, axes)}: ${attainedText(nearest, nearest.attained)}`;
}

/** "97.3 ± 0.4 % within 500 ms (99 % wanted), p99 612 ± 20 ms". */
function attainedText(
  one: ConfigurationResult,
  { pipeline, goal, share, quantile }: Attained,
): string {
  const of = pipeline === undefined ? "" : ` of ${pipeline}`;
  const percentile = formatNumber(goal.percentile, 4);
  const reached = figureText(one, "sloAttainmentRatio", share);
  const latency =
    quantile === undefined
      ? ""
      : `, p${percentile} ${figureText(one, `latencyP${percentile}Ms`, quantile)} ms`;
  return `${reached} %${of} within ${formatNumber(goal.latencyMs, 4)} ms (${percentile} % wanted)${latency}`;
}
