/** The answers first: trust in the predictions, configurations that meet the SLO, their price. */
import type { ConfigurationResult, ResultsDocument } from "../../results/documents.ts";
import type { ValidationDocument } from "../../results/validation.ts";
import { formatCount, formatError, isUnstable, joined, metricLabel, plural } from "./format.ts";
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
import { comparisonSentences } from "./rankings.ts";
import { BACKENDS, doubts, judgedMetrics, lettered, verdictSummary } from "./validation-tables.ts";

interface Headline {
  readonly text: string;
  readonly state?: "good" | "bad" | "warn";
}

/** Loads beyond so many are for a page's table. */
const MOST_LOADS = 6;

/** How many meet the SLO, then the cheapest of each of at most `most` loads; nothing where no SLO is known. */
export function goalHeadlines(document: ResultsDocument, most = MOST_LOADS): readonly Headline[] {
  const judged = document.configurations.filter((one) => one.slo !== undefined);
  if (judged.length === 0) return [];
  const count = (state: ConfigurationResult["slo"]) =>
    judged.filter((one) => one.slo === state).length;
  const [meets, misses, unclear] = [count("meets"), count("misses"), count("unclear")];
  const goal = document.slo === undefined ? "" : ` (${goalText(document.slo)})`;
  const open =
    unclear === 0 ? "" : `, ${formatCount(unclear)} unclear: more replications or longer runs tell`;
  const all = plural(judged.length, "configuration");
  if (meets === 0) {
    const text = `none of ${all} is shown to meet the SLO${goal}${open}`;
    return [{ text: `${text}${nearestText(judged, document, sweepAxes(document))}`, state: "bad" }];
  }
  const missed =
    misses === 0 ? "" : `, ${formatCount(misses)} ${misses === 1 ? "misses" : "miss"} it`;
  const summary = `${formatCount(meets)} of ${all} ${meets === 1 ? "meets" : "meet"} the SLO${goal}${missed}${open}`;
  const choices = choicesOf(document);
  const isChoice = choices.length <= most && choices.some(({ members }) => members.length > 1);
  return [{ text: summary }, ...(isChoice ? choices.map(choiceHeadline) : [])];
}

function choiceHeadline(choice: Choice): Headline {
  const { load, members, best, axes, document } = choice;
  const where = load === "" ? "" : `At ${load}: `;
  if (best.length === 0) {
    const nearest = nearestText(members, document, axes);
    return { text: `${where}none is shown to meet the SLO${nearest}`, state: "bad" };
  }
  const facts = joined([choiceName(choice), costText(best[0]), choiceLatency(choice)], ", ");
  return { text: `${where}cheapest that meets the SLO: ${facts}`, state: "good" };
}

/** "; nearest: …", the stable configuration that misses its SLO by the least. */
function nearestText(
  members: readonly ConfigurationResult[],
  document: ResultsDocument,
  axes: readonly SweepAxis[],
): string {
  if (members.every(isUnstable)) return "; all are overloaded";
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

/** Headlines in order of weight: trust first, then the SLO, then the choice. */
export function headlines(
  results: ResultsDocument,
  validation: ValidationDocument | undefined,
): readonly Headline[] {
  const unstable = results.configurations.filter(isUnstable).length;
  const all = plural(results.configurations.length, "configuration");
  const verb = unstable === 1 ? "is" : "are";
  const overload = `${formatCount(unstable)} of ${all} ${verb} overloaded: no latency of theirs estimates a steady state`;
  return [
    ...(validation === undefined ? [] : trustHeadlines(validation)),
    ...(unstable === 0 ? [] : [{ text: overload, state: "warn" as const }]),
    ...goalHeadlines(results),
    ...comparisonSentences(results, MOST_SENTENCES).map((text) => ({ text })),
  ];
}

function trustHeadlines(validation: ValidationDocument): readonly Headline[] {
  const { configurations } = validation;
  if (configurations.length === 0) return [];
  const fine = configurations.every((one) => one.verdict === "agrees");
  const wrong = configurations.some((one) => one.verdict === "disagrees");
  const replayed = configurations.filter((one) => one.measured.backend === "replay").length;
  const warnings = [
    ...doubts(validation).slice(0, MOST_DOUBTS),
    ...(replayed === 0
      ? []
      : [`${plural(replayed, "validated configuration")} on replay: ${BACKENDS.replay}`]),
  ];
  return [
    {
      text: `${verdictSummary(validation)}${worst(validation)}`,
      state: fine ? "good" : wrong ? "bad" : "warn",
    },
    ...warnings.map((text) => ({ text, state: "warn" as const })),
  ];
}
