/**
 * Service times, quantile against quantile: measured runs against simulated ones, and measured profiles
 * against the lognormal distribution of the same mean and deviation. On the diagonal both are the same.
 */
import * as vega from "vega";
import type { TopLevelSpec } from "vega-lite";
import type { Profile } from "../../core/profile.ts";
import type { RunDetail } from "../../core/run-detail.ts";
import { formatNumber } from "../tables/format.ts";
import { KEY_MARK, type Layer, panelFacet, points, titled } from "./encodings.ts";
import { MUTED, PALETTE, panelWidth } from "./theme.ts";

/** Exported, but absent from the types. */
const { quantileLogNormal } = vega as unknown as {
  quantileLogNormal: (share: number, mean: number, deviation: number) => number;
};

const MOST_PANELS = 12;
const MOST_POINTS = 50;

interface Pair {
  readonly panel: string;
  readonly names: readonly [x: string, y: string];
  /** Mid-point quantiles, ms, equally many. */
  readonly x: readonly number[];
  readonly y: readonly number[];
}

function runPairs(details: readonly RunDetail[]): readonly Pair[] {
  const [simulated, measured] = ["simulated", "measured"].map((side) =>
    details.find((one) => one.side === side),
  );
  if (simulated === undefined || measured === undefined) return [];
  return Object.entries(measured.services).flatMap(([pool, y]) => {
    const x = simulated.services[pool];
    return x === undefined
      ? []
      : { panel: `${pool}: run`, names: ["simulated", "measured"] as const, x, y };
  });
}

/** Pairs of the smallest batch. */
function profilePairs(profiles: Readonly<Record<string, Profile>>): readonly Pair[] {
  return Object.values(profiles).flatMap(({ batches, provenance }): Pair[] => {
    const [first] = batches.toSorted((a, b) => a.batch - b.batch);
    const y = first.quantilesUs.map((us) => us / 1000).filter((ms) => ms > 0);
    if (y.length < 5) return [];
    const logs = y.map(Math.log);
    const mean = logs.reduce((sum, value) => sum + value, 0) / logs.length;
    const variance = logs.reduce((sum, value) => sum + (value - mean) ** 2, 0) / (logs.length - 1);
    const deviation = Math.sqrt(variance);
    if (deviation === 0) return [];
    const x = y.map((_, i) => quantileLogNormal((i + 0.5) / y.length, mean, deviation));
    const panel = `${provenance.model}: profile, batch of ${first.batch}`;
    return [{ panel, names: ["lognormal", "measured"] as const, x, y }];
  });
}

function rowsOf({ panel, names, x, y }: Pair) {
  const step = Math.max(1, y.length / MOST_POINTS);
  const count = Math.min(y.length, MOST_POINTS);
  return Array.from({ length: count }, (_, i) => {
    const at = Math.min(y.length - 1, Math.floor((i + 0.5) * step));
    const share = (100 * (at + 0.5)) / y.length;
    const text = (value: number) => `${formatNumber(value, 4)} ms`;
    return {
      ...{ panel, x: x[at], y: y[at], key: KEY_MARK },
      tip: `${panel}; ${formatNumber(share)} % quantile; ${names[0]}: ${text(x[at])}; ${names[1]}: ${text(y[at])}`,
    };
  });
}

/** Undefined without profiles and without a measured run. */
export function serviceFit(
  profiles: Readonly<Record<string, Profile>>,
  details: readonly RunDetail[],
): TopLevelSpec | undefined {
  const pairs = [...runPairs(details), ...profilePairs(profiles)].slice(0, MOST_PANELS);
  if (pairs.length === 0) return undefined;
  const rows = pairs.flatMap(rowsOf);
  const panels = pairs.map(({ panel }) => panel);
  const columns = Math.min(4, panels.length);
  const width = panelWidth(columns, 180, 300);
  const axis = (title: string) => ({
    type: "quantitative" as const,
    title,
    scale: { zero: false },
    axis: { tickCount: 5 },
  });
  const x = axis("simulated, or lognormal (ms)");
  const y = axis("measured (ms)");
  const layer: Layer[] = [
    {
      transform: [
        {
          aggregate: [
            { op: "min", field: "x", as: "least" },
            { op: "max", field: "x", as: "most" },
          ],
          groupby: ["panel"],
        },
      ],
      mark: { type: "rule", color: MUTED, aria: false },
      encoding: {
        x: { ...x, field: "least" },
        x2: { field: "most" },
        y: { ...y, field: "least" },
        y2: { field: "most" },
      },
    },
    points({ x: { ...x, field: "x" }, y: { ...y, field: "y" }, color: { value: PALETTE[0] } }, 22),
  ];
  return {
    ...titled(
      "Service times, quantile against quantile",
      "on the line both sides are the same; above it real times are longer",
    ),
    description: `Quantiles of service times of ${panels.join(", ")}.`,
    data: { values: rows },
    facet: panelFacet(panels, width),
    columns,
    spec: { width, height: width * 0.8, layer },
    resolve: { scale: { x: "independent", y: "independent" } },
  };
}
