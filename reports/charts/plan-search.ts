/** The search of a plan: each cluster that was tried, its cost against the share within the SLO, and how far it is ruled out. */

import type { ResultsDocument } from "../../results/documents.ts";
import type { PlanEntry, PlanView } from "../tables/documents.ts";
import { formatNumber, joined, plural } from "../tables/format.ts";
import { countsText, loadText, schedulerText } from "../tables/plan-decision.ts";
import {
  byName,
  DASHED,
  type Drawn,
  type Encoding,
  errorBars,
  panelFacet,
  points,
  SILENT,
  spreadAround,
  titled,
} from "./encodings.ts";
import { INK, PALETTE, panelWidth } from "./theme.ts";

/** Panels, and points in each. */
const WIDE = { panels: 9, points: 120 } as const;
const NARROW = { panels: 4, points: 50 } as const;
/** Shares from here down, in shares of what may be late, are drawn as this one: the subtitle names it. */
const LOWEST = 8;

const STATES = ["confirmed", "not confirmed", "ruled out"];
const COLOURS = [PALETTE[2], PALETTE[0], PALETTE[7]];

/** Undefined without a plan, or one of a single cluster. */
export function planSearch(
  plan: PlanView | undefined,
  results: ResultsDocument,
  isNarrow = false,
): Drawn {
  const most = isNarrow ? NARROW : WIDE;
  const all = (plan?.plans ?? []).flatMap((entry) =>
    entry.goals.map((goal) => panelRows(entry, goal, loadText(entry.parameters, results))),
  );
  const drawn = all.filter((rows) => rows.length > 1).slice(0, most.panels);
  const isChosen = ({ isPlan, state }: Row) => isPlan || state !== "ruled out";
  const rows = drawn.flatMap((panel) => stacked(spreadAround(panel, isChosen, most.points)));
  if (rows.length === 0) return undefined;
  const panels = [...new Set(rows.map(({ panel }) => panel))];
  const width = panelWidth(Math.min(panels.length, 3));
  const lowest = new Set(
    rows.flatMap(({ mean, at }) => (at > mean ? `${formatNumber(at)} %` : [])),
  );
  const cut = lowest.size === 0 ? "" : `; at ${[...lowest].join(" and ")}: that or less`;
  const unit = plan?.plans[0].unit ?? "";
  return {
    ...titled(
      "Every cluster that the plan tried",
      `dashed: the SLO, and the cost below which nothing can keep it; ringed: the plan; bars: 95 % intervals${cut}`,
    ),
    description: `Share within the SLO against cost of ${plural(rows.length, "cluster")} that the plan tried.`,
    data: { values: rows },
    facet: panelFacet(panels, width),
    columns: Math.min(panels.length, 3),
    // As of `costFront`.
    resolve: { axis: { x: "independent" } },
    spec: { width, height: 260, layer: layers(unit) },
  };
}

type Row = ReturnType<typeof panelRows>[number];

function panelRows(entry: PlanEntry, goal: PlanEntry["goals"][number], load: string) {
  const { tried = [], best, goals, lowerBound, unit } = entry;
  const { pipeline, percentile, latencyMs } = goal;
  const bottom = Math.max(0, 100 - LOWEST * (100 - percentile));
  const panel = joined([load, goals.length === 1 ? "" : pipeline], "; ");
  return tried.flatMap((one) => {
    const own = one.kept[pipeline];
    if (own === undefined) return [];
    const [mean, low, high] = [own.mean, own.low, own.high].map((share) => 100 * share);
    const isPlan =
      best !== null &&
      JSON.stringify([one.scheduler, one.parameters, one.replicas, one.cost]) ===
        JSON.stringify([best.scheduler, best.parameters, best.replicas, best.cost]);
    const name = joined([schedulerText(one.scheduler), countsText(one.replicas)], ", ");
    const share = `${formatNumber(mean, 4)} % [${formatNumber(low, 4)}, ${formatNumber(high, 4)}]`;
    const tip = `${name}; ${formatNumber(one.cost, 4)} ${unit}; ${share} within ${formatNumber(latencyMs)} ms; ${one.state}`;
    const [at, from, to] = [mean, low, high].map((value) => Math.max(bottom, value));
    const rules = { goal: percentile, bound: lowerBound };
    const { cost, state } = one;
    return [{ panel, cost, state, mean, at, from, to, isPlan, tip, key: "", ...rules }];
  });
}

/** Of clusters of one cost, the plan, or else the best, is drawn last: on top. */
function stacked(rows: readonly Row[]): readonly Row[] {
  return rows.toSorted(
    (a, b) => a.cost - b.cost || Number(a.isPlan) - Number(b.isPlan) || a.mean - b.mean,
  );
}

function layers(unit: string) {
  const x = {
    type: "quantitative",
    title: `cost, ${unit}`,
    scale: { zero: false, padding: 18 },
    axis: { tickCount: 8 },
  };
  const scale = { zero: false, padding: 8 };
  const y = { type: "quantitative", title: "within the SLO (%)", scale, axis: { tickCount: 6 } };
  const cost = { x: { ...x, field: "cost" } } as Encoding;
  const at = { ...cost, y: { ...y, field: "at" } } as Encoding;
  const color = byName("state", STATES, COLOURS);
  const rule = (encoding: object) => ({
    mark: { type: "rule" as const, ...DASHED },
    encoding: encoding as Encoding,
  });
  return [
    rule({ x: { ...x, field: "bound", aggregate: "min" } }),
    rule({ y: { ...y, field: "goal", aggregate: "min" } }),
    errorBars({ ...cost, color, y: { ...y, field: "from" }, y2: { field: "to" } } as Encoding),
    points({
      ...at,
      color,
      shape: byName("state", STATES, ["circle", "square", "cross"]),
      opacity: { value: 0.6 },
    }),
    {
      transform: [{ filter: "datum.isPlan" }],
      mark: { type: "point" as const, size: 260, strokeWidth: 1.8, color: INK, ...SILENT },
      encoding: at,
    },
  ];
}
