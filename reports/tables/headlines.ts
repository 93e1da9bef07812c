/** The answers first: trust in the predictions, configurations that meet the goal, their price. */
import type {
  ConfigurationResult,
  ResultsDocument,
  ValidationDocument,
} from "../../core/results.ts";
import { comparisonSentences } from "./comparison-tables.ts";
import { formatCount, formatError, isUnstable, metricLabel, plural } from "./format.ts";
import {
  attainedText,
  type Choice,
  choiceLatency,
  choiceName,
  choicesOf,
  costText,
  goalText,
  nearestOf,
} from "./goals.ts";
import { configurationLabel, type SweepAxis, sweepAxes } from "./parameters.ts";
import { BACKENDS, doubts, judgedMetrics, lettered, verdictSummary } from "./validation-tables.ts";

interface Headline {
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
  if (members.every(isUnstable)) return "; all are unstable";
  const nearest = nearestOf(members, document);
  if (nearest === undefined) return "";
  const { one, attained } = nearest;
  return `; nearest: ${configurationLabel(one, axes)}: ${attainedText(one, attained)}`;
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
    const all = plural(results.configurations.length, "configuration");
    const verb = unstable.length === 1 ? "is" : "are";
    const text = `${formatCount(unstable.length)} of ${all} ${verb} unstable: overloaded, so no latency of theirs estimates a steady state`;
    lines.push({ text, state: "warn" });
  }
  const compared = comparisonSentences(results, MOST_SENTENCES).map((text) => ({ text }));
  return [...lines, ...goalHeadlines(results), ...compared];
}
