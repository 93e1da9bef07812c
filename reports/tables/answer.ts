/** The report's first sentences, for a reader who has seen no other: the answer, and whether real runs agree. */
import type { ResultsDocument } from "../../results/documents.ts";
import type { ValidationDocument } from "../../results/validation.ts";
import type { Decision } from "./decision.ts";
import { formatNumber, joined } from "./format.ts";
import { goalText, price } from "./goals.ts";
import { axesText, isSameAt, parameterText, type SweepAxis, sweepAxes } from "./parameters.ts";
import { verdictSummary, verdictText } from "./validation-tables.ts";

/** "Cheapest that keeps p99 ≤ 500 ms at 29.93/s: fifo with 3 detect + 2 plate, 5/h. Measured on real workers: agrees (+0.6 %)." */
export function answerText(
  decisions: readonly Decision[],
  results: ResultsDocument,
  validation: ValidationDocument | undefined,
): string {
  const decision = mainDecision(decisions, results, validation);
  if (decision === undefined) return "";
  const { slo, slos } = results;
  const at = decision.load === "" ? "" : ` at ${decision.load.replace(/^arrival rate /, "")}`;
  const kept = slo === undefined ? "meets the SLOs" : `keeps ${goalText(slo)}`;
  const isAsked = slo !== undefined || slos !== undefined;
  if (decision.state === "bad")
    return `Nothing ${kept}${at}: ${decision.answer.replace(/^none: /, "")}.`;
  if (!isAsked && decision.state !== "good") return `Without an SLO${at}: ${decision.answer}.`;
  const { plan } = decision;
  const isGood = decision.state === "good";
  const which = isGood ? `${plan?.title ?? "cheapest"} that` : notShown(plan !== undefined);
  const evidence = plan !== undefined && isGood ? `, ${plan.evidence}` : "";
  const first = `${which[0].toUpperCase()}${which.slice(1)}`;
  return `${first} ${kept}${at}: ${shapeText(decision, results)}${evidence}. ${measuredText(decision, results, validation)}.`;
}

function notShown(isPlan: boolean): string {
  return isPlan ? "best so far, not confirmed that it" : "not shown to be the cheapest that";
}

/** That of the highest load whose decision was measured; else of the highest that has one; else the last. */
export function mainDecision(
  decisions: readonly Decision[],
  results: ResultsDocument,
  validation: ValidationDocument | undefined,
): Decision | undefined {
  const good = decisions.filter(({ state }) => state === "good");
  const isMeasured = (one: Decision) => measuredOf(one, results, validation) !== undefined;
  return good.filter(isMeasured).at(-1) ?? good.at(-1) ?? decisions.at(-1);
}

function measuredOf(
  { chosen }: Decision,
  results: ResultsDocument,
  validation: ValidationDocument | undefined,
) {
  const swept = sweepAxes(results).map(({ path }) => path);
  return validation?.configurations.find(
    (one) => chosen !== undefined && isSameAt(swept, one, chosen),
  );
}

/** "fifo with 3 detect + 2 plate, 5/h". */
function shapeText({ answer, chosen }: Decision, results: ResultsDocument): string {
  if (chosen === undefined) return answer;
  const axes = sweepAxes(results);
  const of = (isWanted: (axis: SweepAxis) => boolean) =>
    axesText(axes.filter(isWanted), chosen.parameters, ", ");
  const policy =
    of(({ kind }) => kind !== "load" && kind !== "replicas" && kind !== "shape") ||
    (chosen.parameters.scheduler === undefined ? "" : parameterText(chosen.parameters.scheduler));
  const counts = Object.entries(chosen.tasks).flatMap(([task, { replicasMean }]) =>
    replicasMean === undefined ? [] : `${formatNumber(replicasMean.mean)} ${task}`,
  );
  const shape = counts.join(" + ") || of(({ kind }) => kind === "replicas" || kind === "shape");
  const cost = price(chosen);
  const named = joined([policy, shape], " with ") || chosen.id;
  return joined([named, cost === undefined ? "" : `${formatNumber(cost.mean, 4)}/h`], ", ");
}

function measuredText(
  decision: Decision,
  results: ResultsDocument,
  validation: ValidationDocument | undefined,
): string {
  const all = validation?.configurations ?? [];
  if (validation === undefined || all.length === 0) {
    return "Not measured yet: `tandem validate` runs it on real workers";
  }
  const own = measuredOf(decision, results, validation);
  if (own !== undefined) return `Measured on real workers: ${verdictText(own, validation)}`;
  return `Measured on real workers: not this one, but ${verdictSummary(validation)}`;
}
