/** A table as data, for pages and terminals. */

import type { Estimate } from "../../engine/statistics/estimate.ts";
import type { ConfigurationResult } from "../../results/documents.ts";
import type { RunEstimate } from "../../results/validation.ts";
import { figureText, formatEstimate, isEstimate, metricLabel } from "./format.ts";

export interface Cell {
  readonly text: string;
  /** Sort key of the column; default: the text. */
  readonly value?: number | undefined;
  readonly numeric?: boolean;
  /** A state that styling may show; the text must say it too. */
  readonly state?: "good" | "bad" | "warn";
}

export interface Table {
  readonly caption: string;
  readonly headings: readonly string[];
  /** The first cell of a row is its heading. */
  readonly rows: readonly (readonly Cell[])[];
  /** The filter key of each row (`filtersOf`). */
  readonly keys?: readonly string[];
  /** Headings of columns that a page hides until they are asked for. */
  readonly minor?: readonly string[];
}

/** The heading of a column, and its cell for the subject of a row. */
export type Column<R> = readonly [heading: string, cell: (row: R) => Cell];

/** A table by its columns; those that are false are left out. */
export function tableOf<R>(
  caption: string,
  subjects: readonly R[],
  columns: readonly (Column<R> | false)[],
): Table {
  const shown = columns.filter((column) => column !== false);
  return {
    caption,
    headings: shown.map(([heading]) => heading),
    rows: subjects.map((subject) => shown.map(([, cell]) => cell(subject))),
  };
}

export function numberCell(text: string, value?: number): Cell {
  return { text, value, numeric: true };
}

/** A metric's cell in its shown unit, which the heading names. */
export function estimateCell(name: string, estimate: RunEstimate | undefined): Cell {
  const { scale } = metricLabel(name);
  const value = estimate === undefined ? undefined : estimate.mean * scale;
  return numberCell(formatEstimate(estimate, scale), value);
}

/** The cell of one configuration's metric, marked where it estimates nothing. */
export function figureCell(
  one: ConfigurationResult,
  name: string,
  estimate: Estimate | undefined,
): Cell {
  const warn = estimate !== undefined && !isEstimate(one, name);
  const text = figureText(one, name, estimate);
  return { ...estimateCell(name, estimate), text, ...(warn && { state: "warn" }) };
}
