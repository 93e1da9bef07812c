/** Encodings shared by charts over a sweep: x by level, colour and shape by another parameter. */

import type { TopLevelSpec } from "vega-lite";
import type { Field } from "vega-lite/types_unstable/channeldef.js";
import type { LayerSpec, UnitSpec } from "vega-lite/types_unstable/spec/index.js";
import { grouped } from "../../engine/basics/iterables.ts";
import type { RunEstimate } from "../../results/validation.ts";
import { filterKey, filtersOf, type SweepAxis, type Swept } from "../tables/parameters.ts";
import { CONFIG, INK, isInReach, PALETTE, panelHeader, SCHEMA, SHAPES } from "./theme.ts";

/** A chart's specification; undefined where the documents have no data for it. */
export type Drawn = TopLevelSpec | undefined;
export type Layer = LayerSpec<Field> | UnitSpec<Field>;
export type Encoding = NonNullable<UnitSpec<Field>["encoding"]>;

export function titled(
  text: string,
  subtitle: string,
): Pick<TopLevelSpec, "$schema" | "config"> & {
  readonly title: { text: string; subtitle: string };
} {
  return { $schema: SCHEMA, config: CONFIG, title: { text, subtitle } };
}

/** A panel for each of the names in field "panel". */
export function panelFacet(panels: readonly string[], width: number) {
  const header = panelHeader(panels, width);
  return { field: "panel", type: "nominal" as const, sort: [...panels], header };
}

/** Colour or shape by the names in a field, in their order, going round when they are more than `values`. */
export function byName(
  field: string,
  names: readonly string[],
  values: readonly string[] = PALETTE,
  title: string | null = null,
) {
  const range = names.map((_, i) => values[i % values.length]);
  return { field, type: "nominal" as const, title, scale: { domain: [...names], range } };
}

/** Rows by the names in a field, in their order. */
export function namesAxis(field: string, names: readonly string[], grid = true) {
  const axis = { grid, labelLimit: 460, labelColor: INK, labelOverlap: false, domain: false };
  return { field, type: "nominal" as const, title: null, sort: [...names], axis };
}

/** A mean with the ends of its interval; the lower one stays positive, for logarithmic axes. */
export function endsOf({ mean, halfWidth95 }: RunEstimate): { low: number; high: number } {
  const half = halfWidth95 !== null && Number.isFinite(halfWidth95) ? halfWidth95 : 0;
  return { low: Math.max(mean - half, mean / 20), high: mean + half };
}

/** The SLO of the rows, where an axis of these values may show it. */
export function goalToShow(
  rows: readonly { readonly sloMs: number | null }[],
  values: readonly number[],
): readonly number[] {
  const goal = rows.find(({ sloMs }) => sloMs !== null)?.sloMs ?? null;
  return goal !== null && isInReach(goal, values) ? [goal] : [];
}

/** Up to so many levels have a tick each. */
const MOST_TICKS = 12;

/** Parts a mark's description from the key of its filters; no text of a document has it at its end. */
export const KEY_MARK = "¦";

/** The description of marks that say nothing themselves: points beside them do. Filters find them. */
export const SILENT = { description: { expr: "datum.key" } } as const;

export type KeyOf = (parameters: Swept["configurations"][number]["parameters"]) => string;

/** Keys by the filters of a document. */
export function keysOf(document: Swept): KeyOf {
  const filters = filtersOf(document);
  return (parameters) => `${KEY_MARK}${filterKey(filters, parameters)}`;
}

/** Without its load: the key of a line over loads. */
export function withoutLoad(key: string): string {
  return key.replace(/ ?l\d+/, "");
}

/** Without its scheduler: the key of a line through several. */
export function withoutScheduler(key: string): string {
  return key.replace(/s\d+ ?/g, "");
}

/** The x encoding for field "x": a numeric parameter's own value. */
export function xEncoding(axis: SweepAxis): Encoding {
  const values = axis.levels.map(Number);
  // As they are: 3 replicas, not 3.0; 14.96 requests a second, not 15.
  const ticks = values.length <= MOST_TICKS ? { values, format: ".4~g" } : {};
  return {
    x: {
      field: "x",
      type: "quantitative",
      title: axis.title,
      scale: { zero: false, padding: 14, nice: false },
      axis: { grid: false, ...ticks },
    },
  };
}

/** A row of a chart with a line for each level of colour. */
interface SeriesRow {
  readonly panel: string;
  readonly colour: string;
  readonly key: string;
  readonly tip: string;
}

export interface Series<R> {
  readonly rows: readonly R[];
  /** Names of lines in order, with the number of the level that gives each its colour. */
  readonly names: readonly { readonly name: string; readonly level: number }[];
}

/** More names do not fit a legend. */
const MOST_NAMES = 8;

/** Lines nearer than this share of their values lie on each other. */
const SAME = 0.005;

/** Whether two lines have the same points, as far as a chart can show. */
function coincide<R>(
  a: readonly R[],
  b: readonly R[],
  pointOf: (row: R) => readonly [at: string, value: number],
): boolean {
  const values = new Map(b.map(pointOf));
  return (
    a.length === b.length &&
    a.every((row) => {
      const [at, value] = pointOf(row);
      const other = values.get(at);
      return other !== undefined && Math.abs(value - other) <= SAME * Math.abs(value);
    })
  );
}

/** Lines that coincide in a panel become one with all names. `pointOf`: place and value; `levels`: names in order. */
export function mergedSeries<R extends SeriesRow>(
  rows: readonly R[],
  levels: readonly string[],
  pointOf: (row: R) => readonly [at: string, value: number],
): Series<R> {
  const merged = [...grouped(rows, (row) => row.panel).values()].flatMap((panel) => {
    const lines = [...grouped(panel, (row) => row.colour)].toSorted(
      ([a], [b]) => levels.indexOf(a) - levels.indexOf(b),
    );
    const groups: (typeof lines)[] = [];
    for (const line of lines) {
      const same = groups.find(([[, first]]) => coincide(first, line[1], pointOf));
      if (same === undefined) groups.push([line]);
      else same.push(line);
    }
    return groups.flatMap(([[first, own], ...others]) => {
      if (others.length === 0) return own;
      const names = [first, ...others.map(([name]) => name)];
      const keys = others.map(([, [row]]) => row.key.match(/s\d+/)?.[0] ?? "").filter(Boolean);
      return own.map((row) => ({
        ...row,
        colour: names.join(" = "),
        key: [row.key, ...keys].join(" "),
        tip: `${row.tip}; as this: ${names.slice(1).join(", ")}`,
      }));
    });
  });
  const place = (name: string) => levels.indexOf(name.split(" = ")[0]);
  const found = [...new Set(merged.map((row) => row.colour))];
  const names = found
    .map((name) => ({ name, level: Math.max(0, place(name)) }))
    .toSorted((a, b) => a.level - b.level || a.name.length - b.name.length);
  if (names.length <= MOST_NAMES) return { rows: merged, names };
  const short = merged.map((row) => ({ ...row, colour: row.colour.split(" = ")[0] }));
  const used = new Set(short.map((row) => row.colour));
  const kept = levels.flatMap((name, level) => (used.has(name) ? [{ name, level }] : []));
  return { rows: short, names: kept };
}

/** Lines that are equal, by what `pointOf` says of each row, are one line with all their names. */
export function mergedEqual<R extends { readonly line: string }>(
  rows: readonly R[],
  pointOf: (row: R) => unknown,
): readonly R[] {
  const lines = [...grouped(rows, ({ line }) => line)];
  const equal = grouped(lines, ([, own]) => JSON.stringify(own.map(pointOf)));
  return [...equal.values()].flatMap((same) => {
    const line = same.map(([name]) => name).join(" = ");
    return same[0][1].map((row) => ({ ...row, line }));
  });
}

/** Colour and shape by the names of merged lines; the field is "colour". */
export function seriesEncoding(
  { names }: Pick<Series<unknown>, "names">,
  title: string | null,
): { readonly color: Encoding; readonly shape: Encoding } {
  if (names.length < 2 && (names[0]?.name ?? "") === "") {
    return { color: { color: { value: PALETTE[0] } }, shape: {} };
  }
  const domain = names.map(({ name }) => name);
  const ranged = (values: readonly string[]) =>
    byName(
      "colour",
      domain,
      names.map(({ level }) => values[level % values.length]),
      title,
    );
  return { color: { color: ranged(PALETTE) }, shape: { shape: ranged(SHAPES) } };
}

/** Points with the field "tip" as tooltip and description, and "key" for filters. Hollow ones stay legible on each other. */
export function points(encoding: Encoding, size = 45, filled = true): Layer {
  return {
    mark: {
      type: "point",
      filled,
      size,
      opacity: 1,
      description: { expr: "datum.tip + datum.key" },
      ...(!filled && { strokeWidth: 1.8 }),
    },
    encoding: { ...encoding, tooltip: { field: "tip" } },
  };
}

/** The data of a mark at a constant: drawn once, in each panel. */
export const ONCE = { values: [{}] };

/** An SLO's line, or another limit's. */
export const DASHED = { strokeDash: [5, 4], color: INK, strokeWidth: 1, aria: false };

/** The dashed line at the SLO, from rows with a `sloMs`; no layer when none has one. */
export function sloRule(
  rows: readonly { readonly sloMs: number | null }[],
  channel: "x" | "y",
  position: object,
): readonly Layer[] {
  if (rows.every((row) => row.sloMs === null)) return [];
  return [
    {
      transform: [{ filter: "datum.sloMs !== null" }],
      mark: { type: "rule", ...DASHED },
      encoding: { [channel]: { ...position, field: "sloMs", aggregate: "min" } },
    },
  ];
}

/** A cross over what is of an unstable configuration: no estimate. No layer when all are steady. */
export function unstableCrosses(
  rows: readonly { readonly steady: boolean }[],
  encoding: Encoding,
): readonly Layer[] {
  if (rows.every((row) => row.steady)) return [];
  return [
    {
      transform: [{ filter: "!datum.steady" }],
      mark: {
        type: "point",
        shape: "M-1,-1L1,1M1,-1L-1,1",
        size: 150,
        strokeWidth: 1.5,
        color: INK,
        ...SILENT,
      },
      encoding,
    },
  ];
}

/** How a subtitle explains the crosses; empty when all are steady. */
export function unstableNote(rows: readonly { readonly steady: boolean }[]): string {
  return rows.every((row) => row.steady) ? "" : "; crossed: overloaded, no estimate";
}

/** A decoration: drawn, but silent to assistive technology because a point says the same. */
export function errorBars(encoding: Encoding): Layer {
  return { mark: { type: "rule", strokeWidth: 1.5, ...SILENT }, encoding };
}

/** At most `count` of the values, evenly spaced, ends included. */
export function spread<T>(values: readonly T[], count: number): readonly T[] {
  if (values.length <= count) return values;
  const step = (values.length - 1) / Math.max(count - 1, 1);
  return Array.from({ length: count }, (_, i) => values[Math.round(i * step)] as T);
}

/** At most `most` of the values, in their order: chosen ones first, then some that stand for the rest. */
export function spreadAround<T>(
  values: readonly T[],
  isChosen: (value: T) => boolean,
  most: number,
): readonly T[] {
  if (values.length <= most) return values;
  const first = spread(values.filter(isChosen), most);
  const rest = spread(
    values.filter((value) => !isChosen(value)),
    most - first.length,
  );
  return values.filter((value) => first.includes(value) || rest.includes(value));
}
