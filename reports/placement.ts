/** Where replicas run, and which machines stay idle: configurations with one placement together. */
import type { ConfigurationResult, NodePlacement, Placement } from "../core/results.ts";
import { formatNumber, plural } from "./format.ts";
import type { Table } from "./html/table.ts";
import { configurationLabel, type Swept, sweepAxes } from "./parameters.ts";
import { wrapped } from "./text-table.ts";

interface Group {
  /** Labels of its configurations by their swept clusters, each once. */
  readonly shapes: ReadonlySet<string>;
  readonly placement: Placement;
}

export const IDLE_LEGEND =
  "machines that host no replica are not billed; idle is what they would cost";

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
  const groups = new Map<string, { shapes: Set<string>; placement: Placement }>();
  for (const one of document.configurations) {
    if (one.placement === undefined) continue;
    const key = JSON.stringify(one.placement);
    const group = groups.get(key) ?? { shapes: new Set(), placement: one.placement };
    group.shapes.add(configurationLabel(one, shown));
    groups.set(key, group);
  }
  return [...groups.values()];
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

function shapesText({ shapes }: Group): string {
  const [first, ...others] = shapes;
  return others.length === 0 ? first : `${first} and ${others.length} more`;
}

/** A line for each placement that differs, and a warning of machines that nobody is billed for. */
export function placementLines(document: Placed, width: number): readonly string[] {
  const groups = groupsOf(document);
  const lines = groups.slice(0, MOST_LINES).map((group) => {
    const idle = idleCost(group.placement);
    const whose = groups.length === 1 ? TITLE : shapesText(group);
    const beside = idle === 0 ? "" : `; idle ${formatNumber(idle)} per hour`;
    return `${whose}: ${placementText(group.placement)}${beside}`;
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
        { text: groups.length === 1 ? "all" : [...group.shapes].join("; ") },
        ...kinds.map((kind) => {
          const node = group.placement[kind];
          return { text: node === undefined ? "—" : nodeText(node) };
        }),
        ...(isIdle ? [{ text: formatNumber(idle), value: idle, numeric: true }] : []),
      ];
    }),
  };
}
