/** Tables of configurations, tasks and placements as text cells, for the page and for the terminal. */

import { grouped } from "../../engine/basics/iterables.ts";
import { METRICS, type MetricName } from "../../engine/metrics/figures.ts";
import type { Estimate } from "../../engine/statistics/estimate.ts";
import { sumOf } from "../../engine/statistics/estimate.ts";
import type { ConfigurationResult, ResultsDocument, SloState } from "../../results/documents.ts";
import type { ProvenanceDocument } from "../../results/provenance.ts";
import type { NodePlacement, PlacementByKind } from "../../scenario/compile/placement.ts";
import type { Parameter } from "../../scenario/sweep/parameter-columns.ts";
import {
  figureText,
  formatCount,
  formatNumber,
  isUnstable,
  metricLabel,
  metricTitle,
  OVERLOADED,
  OVERLOADED_LEGEND,
  plural,
  withUnit,
  wrapped,
} from "./format.ts";
import { goalHeading } from "./goals.ts";
import { configurationLabel, filterKey, filtersOf, loadText, sweepAxes } from "./parameters.ts";
import { type Cell, type Column, figureCell, numberCell, type Table, tableOf } from "./table.ts";

const SLO_CELLS: Readonly<Record<SloState, Cell>> = {
  meets: { text: "meets", value: 3, state: "good" },
  unclear: { text: "unclear", value: 2, state: "warn" },
  misses: { text: "misses", value: 1, state: "bad" },
};

const UNSTABLE: Cell = { text: OVERLOADED, value: 0, state: "bad" };

export function sloCell(one: ConfigurationResult): Cell {
  if (isUnstable(one)) return UNSTABLE;
  return one.slo === undefined ? { text: "unknown", value: 0 } : SLO_CELLS[one.slo];
}

const MINOR = [
  ...["latencyP90Ms", "latencyMaxMs", "makespanMs", "inSystemMean", "batchSizeMean", "goodputPerS"],
  ...["queueWaitMeanMs", "dropRatio", "timeoutRatio", "unfinishedRatio", "attemptsPerRequest"],
  ...["availabilityRatio", "recoveryMeanMs"],
];

/** One row per configuration: what was swept, whether it meets the SLO, every reported metric. */
export function configurationTable(document: ResultsDocument): Table {
  const { slo, configurations } = document;
  const axes = sweepAxes(document);
  const filters = filtersOf(document);
  const names = METRICS.filter((name) => configurations.some((one) => one.metrics[name]));
  const judged = slo !== undefined || configurations.some((one) => one.slo !== undefined);
  const unstable = configurations.some(isUnstable);
  const parameterCell = (path: string, value: Parameter): Cell => {
    const text = loadText(path, value, document.capacity);
    return typeof value === "number" ? numberCell(text, value) : { text };
  };
  const columns: readonly (Column<ConfigurationResult> | false)[] = [
    axes.length === 0 && ["configuration", ({ id }) => ({ text: id })],
    ...axes.map(({ title, path }): Column<ConfigurationResult> => {
      return [title, ({ parameters }) => parameterCell(path, parameters[path])];
    }),
    judged && [slo === undefined ? "SLO" : goalHeading(slo), sloCell],
    unstable && !judged && ["state", stateCell],
    ...names.map((name): Column<ConfigurationResult> => {
      return [metricTitle(name), (one) => figureCell(one, name, one.metrics[name])];
    }),
    ["requests", ({ requests }) => numberCell(formatCount(requests), requests)],
    ["replications", ({ replications }) => numberCell(String(replications), replications)],
  ];
  const caption =
    `${plural(configurations.length, "simulated configuration")}; ` +
    `mean over replications ± half width of the 95% confidence interval${unstable ? `; ${OVERLOADED_LEGEND}` : ""}`;
  return {
    ...tableOf(caption, configurations, columns),
    keys: configurations.map((one) => filterKey(filters, one.parameters)),
    minor: [...MINOR.map(metricTitle), "requests", "replications"],
  };
}

function stateCell(one: ConfigurationResult): Cell {
  return isUnstable(one) ? UNSTABLE : { text: one.stability ?? "unknown", value: 1 };
}

/** One row per configuration and task, or pipeline of several; undefined when no metric of one is reported. */
export function partTable(document: ResultsDocument, kind: "task" | "pipeline"): Table | undefined {
  const axes = sweepAxes(document);
  const filters = filtersOf(document);
  const parts = document.configurations.flatMap((one) =>
    Object.entries(partsOf(one, kind)).map(([part, metrics]) => ({ one, part, metrics })),
  );
  const names = [...new Set(parts.flatMap(({ metrics }) => Object.keys(metrics)))];
  if (names.length === 0) return undefined;
  const caption = `Per ${kind}; mean over replications ± half width of the 95% confidence interval`;
  return {
    ...tableOf(caption, parts, [
      ["configuration", ({ one }) => ({ text: configurationLabel(one, axes) })],
      [kind, ({ part }) => ({ text: part })],
      ...names.map((name): Column<(typeof parts)[number]> => {
        return [metricTitle(name), ({ one, metrics }) => figureCell(one, name, metrics[name])];
      }),
    ]),
    keys: parts.map(({ one }) => filterKey(filters, one.parameters)),
  };
}

function partsOf(
  { tasks, pipelines = {} }: ConfigurationResult,
  kind: "task" | "pipeline",
): NonNullable<ConfigurationResult["pipelines"]> {
  return kind === "task" ? tasks : pipelines;
}

/** Configurations whose replicas run in the same places. */
type Group = ReturnType<typeof groupsOf>[number];

const IDLE_LEGEND = "machines that host no replica are not billed; idle is what they would cost";

const TITLE = "where replicas run";

const MOST_LINES = 8;

type Placed = Pick<ResultsDocument, "configurations" | "parameterKinds">;

function groupsOf(document: Placed) {
  const axes = sweepAxes(document);
  const ofCluster = axes.filter(({ kind }) => kind === "replicas" || kind === "shape");
  const shown = ofCluster.length > 0 ? ofCluster : axes;
  const placed = document.configurations.flatMap((one) =>
    one.placement === undefined ? [] : { one, placement: one.placement },
  );
  const groups = grouped(placed, ({ placement }) => JSON.stringify(placement));
  return [...groups.values()].map((own) => {
    const [{ placement }] = own;
    /** Labels of their swept clusters, each once. */
    const shapes = [...new Set(own.map(({ one }) => configurationLabel(one, shown)))];
    /** Cost per hour of machines without a replica. */
    const idle = sumOf(Object.values(placement).map(({ idleCostPerHour }) => idleCostPerHour));
    return { shapes, placement, idle };
  });
}

/** "2 of 4 machines (detect 4, plate 2)". */
function nodeText({ machinesUsed, machines, replicas }: NodePlacement): string {
  const counts = Object.entries(replicas).map(([task, count]) => `${task} ${count}`);
  const inside = counts.length === 0 ? "" : ` (${counts.join(", ")})`;
  return `${machinesUsed} of ${plural(machines, "machine")}${inside}`;
}

/** A part for each kind of node: "gpu 2 of 4 machines (detect 4, plate 2); cpu 0 of 4 machines". */
export function placementText(placement: PlacementByKind): string {
  return Object.entries(placement)
    .map(([kind, node]) => `${kind} ${nodeText(node)}`)
    .join("; ");
}

/** A line for each distinct placement, and a warning about idle machines. */
export function placementLines(document: Placed, width: number): readonly string[] {
  const groups = groupsOf(document);
  const lines = groups.slice(0, MOST_LINES).map(({ shapes, placement, idle }) => {
    const [first, ...others] = shapes;
    const more = others.length === 0 ? "" : ` and ${others.length} more`;
    const whose = groups.length === 1 ? TITLE : `${first}${more}`;
    const beside = idle === 0 ? "" : `; idle ${formatNumber(idle)} per hour`;
    return `${whose}: ${placementText(placement)}${beside}`;
  });
  const more = groups.length - lines.length;
  const isIdle = groups.some(({ idle }) => idle > 0);
  return [
    ...(groups.length > 1 ? [`${TITLE}:`] : []),
    ...lines,
    ...(more > 0 ? [`and ${more} more placements: \`placement\` in the results`] : []),
    ...(isIdle ? [`warning: ${IDLE_LEGEND}`] : []),
  ].map((line) => wrapped(line, width));
}

/** One row per placement that differs; undefined where the scenario has no nodes. */
export function placementTable(document: Placed): Table | undefined {
  const groups = groupsOf(document);
  if (groups.length === 0) return undefined;
  const kinds = [...new Set(groups.flatMap(({ placement }) => Object.keys(placement)))];
  const isIdle = groups.some(({ idle }) => idle > 0);
  return tableOf(`Where replicas run${isIdle ? `; ${IDLE_LEGEND}` : ""}`, groups, [
    ["configurations", ({ shapes }) => ({ text: groups.length === 1 ? "all" : shapes.join("; ") })],
    ...kinds.map((kind): Column<Group> => {
      const text = (node: NodePlacement | undefined) => (node === undefined ? "—" : nodeText(node));
      return [kind, ({ placement }) => ({ text: text(placement[kind]) })];
    }),
    isIdle && ["idle, per hour", ({ idle }) => numberCell(formatNumber(idle), idle)],
  ]);
}

/**
 * The PLASTER card: the seven measures of an inference service, and which of them these results hold.
 * Source: TIRIAS Research, "PLASTER: A Framework for Deep Learning Performance", 2018.
 */
export function plasterTable(
  one: ConfigurationResult,
  provenance: ProvenanceDocument | undefined,
): Table {
  const rows: readonly (readonly [name: string, value: string | undefined, how: string])[] = [
    [
      "Programmability",
      undefined,
      "not a number: models are named in a scenario, and run on ONNX Runtime, in a command, or on another server",
    ],
    ["Latency", figures(one, ["latencyMeanMs", "latencyP99Ms"]), "from arrival to answer"],
    [
      "Accuracy",
      figures(one, ["accuracyMean"]),
      "of the models' answers, as the scenario gives it",
    ],
    ["Size of model", sizes(provenance), "growth of memory when calibration loaded it"],
    [
      "Throughput",
      figures(one, ["throughputPerS", "goodputPerS"]),
      "answers, and answers within the SLO",
    ],
    [
      "Energy efficiency",
      figures(one, ["energyJoulesPerRequest"]),
      "by the power that the scenario gives its devices",
    ],
    ["Rate of learning", undefined, "training is outside of this program"],
  ];
  return {
    caption: `PLASTER, of ${one.id}`,
    headings: ["measure", "value", "how it is known here"],
    rows: rows.map(([name, value, how]): Cell[] => [
      { text: name },
      value === undefined ? { text: "not measured", state: "warn" } : { text: value },
      { text: how },
    ]),
  };
}

function figures(one: ConfigurationResult, names: readonly MetricName[]): string | undefined {
  const known = names.flatMap((name) => {
    const estimate: Estimate | undefined = one.metrics[name];
    const { text, unit } = metricLabel(name);
    return estimate === undefined
      ? []
      : withUnit(`${text} ${figureText(one, name, estimate)}`, unit);
  });
  return known.length === 0 ? undefined : known.join(", ");
}

function sizes(provenance: ProvenanceDocument | undefined): string | undefined {
  const known = Object.values(provenance?.inputs.profiles ?? {}).flatMap(
    ({ load, provenance: of }) =>
      load === undefined ? [] : `${of.model} ${formatNumber(load.memoryMb)} MB`,
  );
  return known.length === 0 ? undefined : known.join(", ");
}
