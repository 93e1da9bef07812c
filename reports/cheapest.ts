/** For each load the cheapest configurations that meet the goal, with those that tie. */
import { compareGroup, DEFAULT_MARGIN } from "../core/comparison/compare.ts";
import type { ConfigurationResult, MetricName, ResultsDocument } from "../core/results.ts";
import { costText, leastCostly } from "./cost.ts";
import { formatEstimate, formatNumber } from "./format.ts";
import type { Table } from "./html/table.ts";
import { metricLabel } from "./metric-labels.ts";
import {
  axisText,
  byAxes,
  bySimplicity,
  grouped,
  type SweepAxis,
  sweepAxes,
} from "./parameters.ts";
import { sloMetric } from "./slo.ts";

export interface Choice {
  /** "arrival rate 20/s"; empty where no load is swept. */
  readonly load: string;
  /** All configurations of this load. */
  readonly members: readonly ConfigurationResult[];
  /**
   * Of those that meet the goal at the least cost the ones that none of them is shown to beat; the
   * simplest first. Empty where none meets it.
   */
  readonly best: readonly ConfigurationResult[];
}

/** More are not compared with one another: every pair counts. */
const MOST_COMPARED = 500;
/** Ties that are named; of more, so many. */
const MOST_NAMED = 4;

/** One a load, the lowest first. */
export function choicesOf(document: ResultsDocument): readonly Choice[] {
  const loads = sweepAxes(document).filter((axis) => axis.kind === "load");
  const groups = grouped(document.configurations.toSorted(byAxes(loads)), ({ parameters }) =>
    loads.map((axis) => axisText(axis, parameters)).join(", "),
  );
  return [...groups].map(([load, members]) => ({ load, members, best: bestOf(members, document) }));
}

function bestOf(members: readonly ConfigurationResult[], document: ResultsDocument) {
  const meeting = members.filter((one) => one.slo === "meets");
  return unbeaten(leastCostly(meeting), document).toSorted(bySimplicity(document));
}

/** The metric that tells ties apart: the goal's own quantile, or the next best that was kept. */
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
  return [shown.slice(0, -1).join(", "), ...shown.slice(-1)]
    .filter((text) => text !== "")
    .join(" or ");
}

/** "fifo or edf (not distinguishable), detect replicas 2": the load apart, equals once. */
export function choiceName({ best }: Choice, axes: readonly SweepAxis[]): string {
  const shown = axes.filter((axis) => axis.kind !== "load");
  const text = (axis: SweepAxis, one: ConfigurationResult) => axisText(axis, one.parameters);
  const equal = shown.filter((axis) =>
    best.every((one) => text(axis, one) === text(axis, best[0])),
  );
  const apart = shown.filter((axis) => !equal.includes(axis));
  const names = best.map((one) => apart.map((axis) => text(axis, one)).join(" · ") || one.id);
  const common = equal.map((axis) => text(axis, best[0]));
  if (best.length > 1) return [`${either(names)} (not distinguishable)`, ...common].join(", ");
  return common.join(", ") || best[0].id;
}

/** "p99 latency 248 ± 9 ms", or "p99 latency 248 to 251 ms" of several. */
export function choiceLatency({ best }: Choice, { slo }: ResultsDocument): string {
  const name = sloMetric(slo) ?? "latencyP99Ms";
  const all = best.flatMap((one) => one.metrics[name] ?? []);
  if (all.length === 0) return "";
  const means = all.map(({ mean }) => mean);
  const [low, high] = [Math.min(...means), Math.max(...means)].map((mean) => formatNumber(mean));
  const figure = low === high ? formatEstimate(all[0]) : `${low} to ${high}`;
  return `${metricLabel(name).text} ${figure} ms`;
}

/** One row a load: where sentences would be too many. */
export function choiceTable(document: ResultsDocument): Table {
  const axes = sweepAxes(document);
  return {
    caption: "For each load the cheapest that meets the SLO",
    headings: ["load", "cheapest that meets the SLO", "cost", "latency"],
    rows: choicesOf(document).map((choice) => [
      { text: choice.load },
      ...(choice.best.length === 0
        ? [{ text: "none", state: "bad" as const }, { text: "—" }, { text: "—" }]
        : [
            { text: choiceName(choice, axes), state: "good" as const },
            { text: costText(choice.best[0]) },
            { text: choiceLatency(choice, document) },
          ]),
    ]),
  };
}
