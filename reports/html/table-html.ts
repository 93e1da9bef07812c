/** Tables as HTML: in a frame that scrolls, sorted by a click, cut where they are long. */
import { formatCount, joined } from "../tables/format.ts";
import type { Cell, Table } from "../tables/table.ts";

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Safe inside elements and inside quoted attributes. */
export function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}

/** A sentence whose commands stand between backquotes. */
export function textHtml(text: string): string {
  return escapeHtml(text).replaceAll(/`([^`]+)`/g, "<code>$1</code>");
}

/** Longer texts may break into lines. */
const LONG = 38;
/** The page is to stay small: of longer tables it has the first rows. */
const MOST_ROWS = 300;
const TALL_ROWS = 30;

function cellHtml(cell: Cell, first: boolean): string {
  const long = cell.text.length > LONG ? "long" : "";
  const classes = joined([cell.numeric ? "number" : "", cell.state, long], " ");
  const style = classes === "" ? "" : ` class="${classes}"`;
  const sort =
    cell.value === undefined || !Number.isFinite(cell.value) ? "" : ` data-value="${cell.value}"`;
  const tag = first ? "th" : "td";
  return `<${tag}${first ? ' scope="row"' : ""}${style}${sort}>${escapeHtml(cell.text)}</${tag}>`;
}

function cut(table: Table): string {
  const { length } = table.rows;
  if (length <= MOST_ROWS) return table.caption;
  return `${table.caption}; the first ${formatCount(MOST_ROWS)} of ${formatCount(length)} rows: results.json and \`tandem query\` have all`;
}

/** Empty for no table. */
export function tableHtml(table: Table | undefined): string {
  if (table === undefined) return "";
  const numeric = table.headings.map((_, i) => table.rows.some((row) => row[i]?.numeric));
  const minor = table.headings.flatMap((heading, i) =>
    table.minor?.includes(heading) ? [i + 1] : [],
  );
  const headings = table.headings.map(
    (heading, i) =>
      `<th scope="col"${numeric[i] ? ' class="number"' : ""}>${escapeHtml(heading)}</th>`,
  );
  const rows = table.rows.slice(0, MOST_ROWS).map((row, r) => {
    const key = table.keys?.[r] ?? "";
    const filter = key === "" ? "" : ` data-k="${key}"`;
    return `<tr${filter}>${row.map((cell, i) => cellHtml(cell, i === 0)).join("")}</tr>`;
  });
  const caption = escapeHtml(cut(table));
  const hidden = minor.length === 0 ? "" : ` data-minor="${minor.join(" ")}"`;
  const tall = table.rows.length > TALL_ROWS ? " tall" : "";
  return [
    `<div class="scroll${tall}" tabindex="0" role="region" aria-label="${caption}">`,
    `<table class="sortable"${hidden}><caption>${caption}</caption>`,
    `<thead><tr>${headings.join("")}</tr></thead>`,
    `<tbody>${rows.join("\n")}</tbody></table></div>`,
  ].join("\n");
}

/** The same, closed until it is asked for. */
export function folded(heading: string, table: Table | undefined): string {
  if (table === undefined || table.rows.length === 0) return "";
  return `<details><summary>${escapeHtml(heading)} <span class="muted">(${formatCount(table.rows.length)} rows)</span></summary>\n${tableHtml(table)}</details>`;
}
