/** Tables of configurations, tasks and placements as text cells, for the page and for the terminal. */
import {
  type ConfigurationResult,
  METRICS,
  type NodePlacement,
  type Placement,
  type ResultsDocument,
  type SloState,
} from "../../core/results.ts";
import {
  formatCount,
  formatNumber,
  isUnstable,
  metricTitle,
  plural,
  UNSTABLE_LEGEND,
  wrapped,
} from "./format.ts";
import { goalText } from "./goals.ts";
import {
  configurationLabel,
  filterKey,
  filtersOf,
  grouped,
  loadText,
  type Swept,
  sweepAxes,
} from "./parameters.ts";
import { type Cell, figureCell, type Table } from "./table.ts";

const SLO_CELLS: Readonly<Record<SloState, Cell>> = {
  meets: { text: "meets", value: 3, state: "good" },
  unclear: { text: "unclear", value: 2, state: "warn" },
  misses: { text: "misses", value: 1, state: "bad" },
};

const UNSTABLE: Cell = { text: "unstable", value: 0, state: "bad" };

export function sloCell(one: ConfigurationResult): Cell {
  if (isUnstable(one)) return UNSTABLE;
  return one.slo === undefined ? { text: "unknown", value: 0 } : SLO_CELLS[one.slo];
}

/** On a page they are shown when asked for. */
const MINOR = [
  ...["latencyP90Ms", "latencyMaxMs", "makespanMs", "inSystemMean", "batchSizeMean", "goodputPerS"],
  ...["queueWaitMeanMs", "dropRatio", "timeoutRatio", "unfinishedRatio", "attemptsPerRequest"],
  ...["availabilityRatio", "recoveryMeanMs"],
];

/** One row per configuration: what was swept, whether it meets the goal, every reported metric. */
export function configurationTable(document: ResultsDocument): Table {
  const axes = sweepAxes(document);
  const names = METRICS.filter((name) => document.configurations.some((one) => one.metrics[name]));
  const { slo } = document;
  const judged = slo !== undefined || document.configurations.some((one) => one.slo !== undefined);
  const unstable = document.configurations.some(isUnstable);
  const swept = axes.length === 0 ? ["configuration"] : axes.map((axis) => axis.title);
  const rows = document.configurations.map((one) => [
    ...(axes.length === 0
      ? [{ text: one.id }]
      : axes.map((axis) => {
          const value = one.parameters[axis.path];
          const numeric = typeof value === "number";
          const text = loadText(axis.path, value, document.capacity);
          return { text, numeric, ...(numeric && { value }) };
        })),
    ...(judged ? [sloCell(one)] : []),
    ...(unstable && !judged
      ? [isUnstable(one) ? UNSTABLE : { text: one.stability ?? "unknown", value: 1 }]
      : []),
    ...names.map((name) => figureCell(one, name, one.metrics[name])),
    { text: formatCount(one.requests), value: one.requests, numeric: true },
    { text: String(one.replications), value: one.replications, numeric: true },
  ]);
  const filters = filtersOf(document);
  const goal = judged ? [slo === undefined ? "SLO" : `SLO ${goalText(slo)}`] : [];
  const state = unstable && !judged ? ["state"] : [];
  return {
    caption:
      `${plural(document.configurations.length, "simulated configuration")}; ` +
      `mean over replications ± half width of the 95% confidence interval${unstable ? `; ${UNSTABLE_LEGEND}` : ""}`,
    headings: [...swept, ...goal, ...state, ...names.map(metricTitle), "requests", "replications"],
    rows,
    keys: document.configurations.map((one) => filterKey(filters, one.parameters)),
    minor: [...MINOR.map(metricTitle), "requests", "replications"],
  };
}

/** One row per configuration and task, or pipeline of several; undefined when no metric of one is reported. */
export function partTable(document: ResultsDocument, kind: "task" | "pipeline"): Table | undefined {
  const axes = sweepAxes(document);
  const filters = filtersOf(document);
  const names = new Set<string>();
  for (const one of document.configurations) {
    for (const metrics of Object.values(partsOf(one, kind))) {
      for (const name of Object.keys(metrics)) names.add(name);
    }
  }
  if (names.size === 0) return undefined;
  const rows = document.configurations.flatMap((one) =>
    Object.entries(partsOf(one, kind)).map(([part, metrics]) => [
      { text: configurationLabel(one, axes) },
      { text: part },
      ...[...names].map((name) => figureCell(one, name, metrics[name])),
    ]),
  );
  return {
    caption: `Per ${kind}; mean over replications ± half width of the 95% confidence interval`,
    headings: ["configuration", kind, ...[...names].map(metricTitle)],
    rows,
    keys: document.configurations.flatMap((one) =>
      Object.keys(partsOf(one, kind)).map(() => filterKey(filters, one.parameters)),
    ),
  };
}

function partsOf(
  { tasks, pipelines = {} }: ConfigurationResult,
  kind: "task" | "pipeline",
): NonNullable<ConfigurationResult["pipelines"]> {
  return kind === "task" ? tasks : pipelines;
}

/** Configurations whose replicas run in the same places. */
interface Group {
  /** Labels of their swept clusters, each once. */
  readonly shapes: readonly string[];
  readonly placement: Placement;
}

const IDLE_LEGEND = "machines that host no replica are not billed; idle is what they would cost";

const TITLE = "where replicas run";

/** On the terminal, at most. */
const MOST_LINES = 8;

/** Results as far as placements are shown. */
interface Placed extends Swept {
  readonly configurations: readonly ConfigurationResult[];
}

function groupsOf(document: Placed): readonly Group[] {
  const axes = sweepAxes(document);
  const ofCluster = axes.filter(({ kind }) => kind === "replicas" || kind === "shape");
  const shown = ofCluster.length > 0 ? ofCluster : axes;
  const placed = document.configurations.flatMap((one) =>
    one.placement === undefined ? [] : { one, placement: one.placement },
  );
  const groups = grouped(placed, ({ placement }) => JSON.stringify(placement));
  return [...groups.values()].map((own) => ({
    shapes: [...new Set(own.map(({ one }) => configurationLabel(one, shown)))],
    placement: own[0].placement,
  }));
}

function idleCost(placement: Placement): number {
  return Object.values(placement).reduce((sum, { idleCostPerHour }) => sum + idleCostPerHour, 0);
}

/** "2 of 4 machines (detect 4, plate 2)". */
function nodeText({ machinesUsed, machines, replicas }: NodePlacement): string {
  const counts = Object.entries(replicas).map(([task, count]) => `${task} ${count}`);
  const inside = counts.length === 0 ? "" : ` (${counts.join(", ")})`;
  return `${machinesUsed} of ${plural(machines, "machine")}${inside}`;
}

/** A part for each kind of node: "gpu 2 of 4 machines (detect 4, plate 2); cpu 0 of 4 machines". */
export function placementText(placement: Placement): string {
  return Object.entries(placement)
    .map(([kind, node]) => `${kind} ${nodeText(node)}`)
    .join("; ");
}

/** A line for each distinct placement, and a warning about idle machines. */
export function placementLines(document: Placed, width: number): readonly string[] {
  const groups = groupsOf(document);
  const lines = groups.slice(0, MOST_LINES).map(({ shapes: [first, ...others], placement }) => {
    const idle = idleCost(placement);
    const more = others.length === 0 ? "" : ` and ${others.length} more`;
    const whose = groups.length === 1 ? TITLE : `${first}${more}`;
    const beside = idle === 0 ? "" : `; idle ${formatNumber(idle)} per hour`;
    return `${whose}: ${placementText(placement)}${beside}`;
  });
  const more = groups.length - lines.length;
  const isIdle = groups.some(({ placement }) => idleCost(placement) > 0);
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
  const isIdle = groups.some(({ placement }) => idleCost(placement) > 0);
  return {
    caption: `Where replicas run${isIdle ? `; ${IDLE_LEGEND}` : ""}`,
    headings: ["configurations", ...kinds, ...(isIdle ? ["idle, per hour"] : [])],
    rows: groups.map((group) => {
      const idle = idleCost(group.placement);
      return [
        { text: groups.length === 1 ? "all" : group.shapes.join("; ") },
        ...kinds.map((kind) => {
          const node = group.placement[kind];
          return { text: node === undefined ? "—" : nodeText(node) };
        }),
        ...(isIdle ? [{ text: formatNumber(idle), value: idle, numeric: true }] : []),
      ];
    }),
  };
}
