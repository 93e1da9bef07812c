/** Encodings shared by charts over a sweep: x by level, colour and shape by another parameter. */

import type { Field } from "vega-lite/types_unstable/channeldef.js";
import type { LayerSpec, UnitSpec } from "vega-lite/types_unstable/spec/index.js";
import type { ConfigurationResult } from "../../core/results.ts";
import { levelKey, parameterText, type SweepAxis } from "../tables/parameters.ts";
import { cycle, INK, PALETTE, type PositiveAxis, SHAPES } from "./theme.ts";

export type Layer = LayerSpec<Field> | UnitSpec<Field>;
export type Encoding = NonNullable<UnitSpec<Field>["encoding"]>;

const MOST_STEPS = 12;
/** Share of a step over which colours are spread. */
const DODGE = 0.4;

/**
 * Where a configuration stands on x: equal steps for up to twelve levels, side by side per colour
 * so that error bars do not cover each other; else the value itself.
 */
export function xPosition(
  parameters: ConfigurationResult["parameters"],
  axis: SweepAxis,
  colour: SweepAxis | undefined,
): number {
  const value = parameters[axis.path];
  if (axis.levels.length > MOST_STEPS) return Number(value);
  const at = axis.levels.findIndex((level) => levelKey(level) === levelKey(value));
  if (colour === undefined || colour.levels.length < 2) return at;
  const key = levelKey(parameters[colour.path]);
  const order = colour.levels.findIndex((level) => levelKey(level) === key);
  return at + DODGE * (order / (colour.levels.length - 1) - 0.5);
}

/** The x encoding for field "x" as `xPosition` gives it. */
export function xEncoding(axis: SweepAxis): Encoding {
  const shared = { field: "x", type: "quantitative" as const, title: axis.title };
  const steps = axis.levels.length;
  if (steps > MOST_STEPS) return { x: { ...shared, scale: { zero: false, padding: 8 } } };
  return {
    x: {
      ...shared,
      scale: { domain: [-0.5, steps - 0.5], nice: false },
      axis: {
        values: axis.levels.map((_, i) => i),
        labelExpr: `${JSON.stringify(axis.levels.map(parameterText))}[datum.value]`,
        grid: false,
        labelOverlap: false,
      },
    },
  };
}

/** Colour by the levels of `axis`, in their order; field "colour". */
export function colourEncoding(axis: SweepAxis | undefined): Encoding {
  if (axis === undefined) return { color: { value: PALETTE[0] } };
  const domain = axis.levels.map(parameterText);
  const range = cycle(PALETTE, domain.length);
  return {
    color: { field: "colour", type: "nominal", title: axis.title, scale: { domain, range } },
  };
}

/** Shape by the same levels, so that colour is never the only sign. */
export function shapeEncoding(axis: SweepAxis | undefined): Encoding {
  if (axis === undefined) return {};
  const domain = axis.levels.map(parameterText);
  const range = cycle(SHAPES, domain.length);
  return {
    shape: { field: "colour", type: "nominal", title: axis.title, scale: { domain, range } },
  };
}

/**
 * Points that carry a tooltip and a description, both from field "tip". Hollow ones stay legible
 * where several have the same place.
 */
export function points(encoding: Encoding, size = 45, filled = true): Layer {
  return {
    mark: { type: "point", filled, size, opacity: 1, ...(!filled && { strokeWidth: 1.8 }) },
    encoding: { ...encoding, tooltip: { field: "tip" }, description: { field: "tip" } },
  };
}

/** The dashed line at the latency goal, from rows with a `sloMs`; no layer when none has one. */
export function sloRule(
  rows: readonly { readonly sloMs: number | null }[],
  channel: "x" | "y",
  position: PositiveAxis,
): readonly Layer[] {
  if (rows.every((row) => row.sloMs === null)) return [];
  return [
    {
      transform: [{ filter: "datum.sloMs !== null" }],
      mark: { type: "rule", strokeDash: [5, 4], color: INK, aria: false },
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
        aria: false,
      },
      encoding,
    },
  ];
}

/** How a subtitle explains the crosses; empty when all are steady. */
export function unstableNote(rows: readonly { readonly steady: boolean }[]): string {
  return rows.every((row) => row.steady) ? "" : "; crossed: unstable, no estimate";
}

/** A decoration: drawn, but silent to assistive technology because a point says the same. */
export function errorBars(encoding: Encoding): Layer {
  return { mark: { type: "rule", strokeWidth: 1.5, aria: false }, encoding };
}

/** At most `count` of the values, evenly spaced, ends included. */
export function spread<T>(values: readonly T[], count: number): readonly T[] {
  if (values.length <= count) return values;
  const step = (values.length - 1) / Math.max(count - 1, 1);
  return Array.from({ length: count }, (_, i) => values[Math.round(i * step)] as T);
}
