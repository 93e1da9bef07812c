/**
 * Tables and charts as HTML. A table stands in a frame that scrolls, and is cut where it is long; a chart is a figure
 * with its SVG inline, its description, and its specification to download.
 */

import type { TopLevelSpec } from "vega-lite";
import type { Chart } from "../charts/chart-list.ts";
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

/** Characters from which a cell has lines of its own width, and more of it. */
const LONG = 38;
const LONGER = 120;
/** The page is to stay small: of longer tables it has the first rows. */
const MOST_ROWS = 300;
const TALL_ROWS = 30;

function cellHtml(cell: Cell, first: boolean): string {
  const { length } = cell.text;
  const long = length > LONGER ? "longer" : length > LONG ? "long" : "";
  const classes = joined([cell.numeric ? "number" : "", cell.state, long], " ");
  const style = classes === "" ? "" : ` class="${classes}"`;
  const sort =
    cell.value === undefined || !Number.isFinite(cell.value) ? "" : ` data-value="${cell.value}"`;
  const tag = first ? "th" : "td";
  return `<${tag}${first ? ' scope="row"' : ""}${style}${sort}>${textHtml(cell.text)}</${tag}>`;
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
  const caption = cut(table);
  const hidden = minor.length === 0 ? "" : ` data-minor="${minor.join(" ")}"`;
  const tall = table.rows.length > TALL_ROWS ? " tall" : "";
  return [
    `<div class="scroll${tall}" tabindex="0" role="region" aria-label="${escapeHtml(caption)}">`,
    `<table class="sortable"${hidden}><caption><span>${textHtml(caption)}</span></caption>`,
    `<thead><tr>${headings.join("")}</tr></thead>`,
    `<tbody>${rows.join("\n")}</tbody></table></div>`,
  ].join("\n");
}

/** The same, closed until it is asked for. */
export function folded(heading: string, table: Table | undefined): string {
  if (table === undefined || table.rows.length === 0) return "";
  return `<details><summary>${escapeHtml(heading)} <span class="muted">(${formatCount(table.rows.length)} rows)</span></summary>\n${tableHtml(table)}</details>`;
}

export interface DrawnChart extends Chart {
  readonly svg: string;
  readonly narrowSvg: string;
}

/** The chart's own title and alternative text, from its specification. */
function chartTexts(spec: TopLevelSpec): { title: string; description: string } {
  const title = typeof spec.title === "object" && "text" in spec.title ? spec.title.text : "";
  return { title: String(title), description: spec.description ?? "" };
}

/** Makes a stand-alone SVG fit to stand inside HTML: named, described, without namespaces. */
function inlineSvg(svg: string, name: string, title: string, description: string): string {
  const [titleId, descId] = [`${name}-title`, `${name}-desc`];
  const start = svg.indexOf(">") + 1;
  const opening = svg
    .slice(0, start - 1)
    .replace(/ xmlns(:\w+)?="[^"]*"/g, "")
    .replace(/ (role|aria-[\w]+)="[^"]*"/g, "");
  const inner = svg
    .slice(start)
    .replace(/( id="|url\(#)(clip\d+)(?=["')])/g, (_, before, id) => `${before}${name}-${id}`)
    // Marks are most of a large page.
    .replaceAll(' role="graphics-symbol"', ' role="img"')
    .replaceAll(' opacity="1"', "");
  return (
    `${opening} role="img" aria-labelledby="${titleId}" aria-describedby="${descId}">` +
    `<title id="${titleId}">${escapeHtml(title)}</title>` +
    `<desc id="${descId}">${escapeHtml(description)}</desc>${inner}`
  );
}

/** Larger specifications lie beside the page: it is to stay small. */
const MOST_INLINE = 60_000;

/** The page alone has the specification; of large ones, the folder beside it. */
function specLink({ name, spec }: DrawnChart): string {
  const file = `${escapeHtml(name)}.vl.json`;
  const json = JSON.stringify(spec);
  if (json.length > MOST_INLINE) return `<a href="charts/${file}">Vega-Lite specification</a>`;
  const data = Buffer.from(json).toString("base64");
  return `<a download="${file}" href="data:application/json;base64,${data}">Vega-Lite specification</a>`;
}

function figure(chart: DrawnChart): string {
  const { title, description } = chartTexts(chart.spec);
  const name = escapeHtml(chart.name);
  // Headings have no gap in their levels: the first chart stands above all sections.
  const level = chart.section === "decision" ? "h2" : "h3";
  return [
    `<figure class="chart" id="${name}"><${level} class="hidden">${escapeHtml(title)}</${level}>`,
    `<div class="wide">${inlineSvg(chart.svg, chart.name, title, description)}</div>`,
    `<div class="narrow">${inlineSvg(chart.narrowSvg, `${chart.name}-narrow`, title, description)}</div>`,
    `<figcaption>${escapeHtml(description)} ${specLink(chart)}</figcaption></figure>`,
  ].join("\n");
}

export function figures(charts: readonly DrawnChart[], section: Chart["section"]): string {
  return charts
    .filter((chart) => chart.section === section)
    .map(figure)
    .join("\n");
}
