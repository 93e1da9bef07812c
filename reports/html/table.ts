/** One table for all: a caption, sortable headings, and cells that sort by value, not by text. */

import { escapeHtml } from "./escape.ts";

export interface Cell {
  readonly text: string;
  /** What the column sorts by; the text when absent. */
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
}

/** Longer texts may break into lines. */
const LONG = 38;

function cellHtml(cell: Cell, first: boolean): string {
  const long = cell.text.length > LONG ? "long" : "";
  const names = [cell.numeric ? "number" : "", cell.state ?? "", long];
  const classes = names.filter((name) => name !== "").join(" ");
  const style = classes === "" ? "" : ` class="${classes}"`;
  const sort =
    cell.value === undefined || !Number.isFinite(cell.value) ? "" : ` data-value="${cell.value}"`;
  const tag = first ? "th" : "td";
  return `<${tag}${first ? ' scope="row"' : ""}${style}${sort}>${escapeHtml(cell.text)}</${tag}>`;
}

/** A table in a frame that scrolls sideways on narrow screens. */
export function tableHtml(table: Table): string {
  const numeric = table.headings.map((_, i) => table.rows.some((row) => row[i]?.numeric));
  const headings = table.headings.map(
    (heading, i) =>
      `<th scope="col"${numeric[i] ? ' class="number"' : ""}>${escapeHtml(heading)}</th>`,
  );
  const rows = table.rows.map(
    (row) => `<tr>${row.map((cell, i) => cellHtml(cell, i === 0)).join("")}</tr>`,
  );
  return [
    `<div class="scroll" tabindex="0" role="region" aria-label="${escapeHtml(table.caption)}">`,
    `<table class="sortable"><caption>${escapeHtml(table.caption)}</caption>`,
    `<thead><tr>${headings.join("")}</tr></thead>`,
    `<tbody>${rows.join("\n")}</tbody></table></div>`,
  ].join("\n");
}
