/** The report as one HTML file: headlines, charts, the tables behind them, and provenance. */
import type { TopLevelSpec } from "vega-lite";
import type { ResultsDocument, ValidationDocument } from "../../core/results.ts";
import type { Chart } from "../charts/chart-list.ts";
import { rankingSummary, rankingTable, winnersTable } from "../tables/comparison-tables.ts";
import { plural } from "../tables/format.ts";
import { choicesOf, choiceTable } from "../tables/goals.ts";
import { headlines, MOST_LOADS } from "../tables/headlines.ts";
import { capacityText } from "../tables/parameters.ts";
import { configurationTable, placementTable, taskTable } from "../tables/result-tables.ts";
import type { Cell, Table } from "../tables/table.ts";
import { comparisonTable, healthTable } from "../tables/validation-tables.ts";
import { SCRIPT, STYLE } from "./page-assets.ts";
import { WHAT_IF_POLICY, type WhatIf, whatIfHtml } from "./what-if.ts";

export interface DrawnChart extends Chart {
  readonly svg: string;
}

interface PageContent {
  readonly title: string;
  readonly results: ResultsDocument;
  readonly validation: ValidationDocument | undefined;
  /** A plan's answer; empty where the results are of no plan. */
  readonly planHeadlines?: readonly string[];
  readonly charts: readonly DrawnChart[];
  readonly whatIf?: WhatIf | undefined;
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
    .replace(/( id="|url\(#)(clip\d+)(?=["')])/g, (_, before, id) => `${before}${name}-${id}`);
  return (
    `${opening} role="img" aria-labelledby="${titleId}" aria-describedby="${descId}">` +
    `<title id="${titleId}">${escapeHtml(title)}</title>` +
    `<desc id="${descId}">${escapeHtml(description)}</desc>${inner}`
  );
}

function figure(chart: DrawnChart): string {
  const { title, description } = chartTexts(chart.spec);
  const json = Buffer.from(JSON.stringify(chart.spec, null, 1)).toString("base64");
  const name = escapeHtml(chart.name);
  return [
    `<figure class="chart" id="${name}"><h3 class="hidden">${escapeHtml(title)}</h3>`,
    `<div class="scroll">${inlineSvg(chart.svg, chart.name, title, description)}</div>`,
    `<figcaption>${escapeHtml(description)} `,
    `<a download="${name}.vl.json" href="data:application/json;base64,${json}">`,
    "Vega-Lite specification</a></figcaption></figure>",
  ].join("\n");
}

function figures(content: PageContent, section: Chart["section"]): string {
  return content.charts
    .filter((chart) => chart.section === section)
    .map(figure)
    .join("\n");
}

function provenance({ results, validation }: PageContent): string {
  const facts: [string, string][] = [
    ["scenario", results.scenario.name],
    ["scenario digest", results.scenario.digest],
    ["seed", String(results.seed)],
    ["simulated again by", results.command],
  ];
  const load = capacityText(results.capacity);
  if (load !== "") facts.push(["arrival rates", load]);
  if (validation !== undefined) {
    facts.push(["validated again by", validation.command]);
    if (validation.scenario.digest !== results.scenario.digest) {
      facts.push(["validation's scenario digest", `${validation.scenario.digest} (differs)`]);
    }
    if (validation.seed !== results.seed)
      facts.push(["validation's seed", String(validation.seed)]);
  }
  const code = /digest|again/;
  const items = facts.map(([name, value]) => {
    const text = escapeHtml(value);
    const shown = code.test(name) ? `<code>${text}</code>` : text;
    return `<dt>${escapeHtml(name)}</dt><dd>${shown}</dd>`;
  });
  return `<dl>${items.join("\n")}</dl>`;
}

function notes(results: Pick<ResultsDocument, "notes" | "configurations">): string {
  const all = new Map<string, string[]>();
  for (const one of results.configurations) {
    for (const note of one.notes ?? []) all.set(note, [...(all.get(note) ?? []), one.id]);
  }
  const general = (results.notes ?? []).map((note) => `<li>${escapeHtml(note)}</li>`);
  if (all.size + general.length === 0) return "";
  const items = [...all].map(([note, ids]) => {
    const whose = ids.length === results.configurations.length ? "all" : ids.join(", ");
    return `<li>${escapeHtml(note)} <span class="muted">(${escapeHtml(whose)})</span></li>`;
  });
  return `<h3>Notes</h3><ul>${[...general, ...items].join("\n")}</ul>`;
}

function section(id: string, heading: string, body: string): string {
  return body.trim() === "" ? "" : `<section id="${id}"><h2>${heading}</h2>\n${body}\n</section>`;
}

function validationSection(content: PageContent): string {
  const { validation } = content;
  if (validation === undefined || validation.configurations.length === 0) return "";
  const body = [
    figures(content, "validation"),
    tableHtml(comparisonTable(validation)),
    tableHtml(healthTable(validation)),
    notes({ ...validation, configurations: [] }),
  ];
  return section("validation", "Predicted and measured", body.join("\n"));
}

/** Summaries of many loads and comparisons. */
function summaryTables(results: ResultsDocument): readonly Table[] {
  return [
    choicesOf(results).length > MOST_LOADS ? choiceTable(results) : undefined,
    rankingSummary(results),
    winnersTable(results),
  ].filter((table) => table !== undefined);
}

/** Forbids the browser to load anything, also by text from a document. */
function policyOf({ whatIf }: PageContent): string {
  const scripts = whatIf === undefined ? "script-src 'unsafe-inline'" : WHAT_IF_POLICY;
  return `default-src 'none'; style-src 'unsafe-inline'; ${scripts}`;
}

/** The whole page. It loads nothing: styles, script and charts are inside. */
export function pageHtml(content: PageContent): string {
  const { results, validation, planHeadlines = [] } = content;
  const tasks = taskTable(results);
  const ranked = rankingTable(results);
  const placed = placementTable(results);
  const facts = [
    ...planHeadlines.map((text) => `<li>${escapeHtml(text)}</li>`),
    ...headlines(results, validation).map(
      ({ text, state }) =>
        `<li${state === undefined ? "" : ` class="${state}"`}>${escapeHtml(text)}</li>`,
    ),
  ];
  const simulated = [
    figures(content, "simulation"),
    ...summaryTables(results).map(tableHtml),
    tableHtml(configurationTable(results)),
    placed === undefined ? "" : tableHtml(placed),
    ranked === undefined ? "" : tableHtml(ranked),
    notes(results),
  ];
  const detail = [figures(content, "detail"), tasks === undefined ? "" : tableHtml(tasks)];
  const count = plural(results.configurations.length, "configuration");
  const title = escapeHtml(content.title);
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="${policyOf(content)}">
<title>${title}</title>
<style>${STYLE}</style>
</head>
<body><main>
<header><h1>${title}</h1>
<p class="muted">Scenario ${escapeHtml(results.scenario.name)}, ${count} simulated</p>
${facts.length === 0 ? "" : `<ul class="facts">${facts.join("\n")}</ul>`}</header>
${validationSection(content)}
${section("simulation", "Simulated configurations", simulated.join("\n"))}
${section("detail", "In detail", detail.join("\n"))}
${content.whatIf === undefined ? "" : section("what-if-section", "What if", whatIfHtml(content.whatIf))}
${section("provenance", "Where this came from", provenance(content))}
</main>
<script>${SCRIPT}</script>
</body></html>
`;
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
function tableHtml(table: Table): string {
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

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};

/** Safe inside elements and inside quoted attributes. */
function escapeHtml(text: string): string {
  return text.replace(/[&<>"']/g, (character) => ENTITIES[character] ?? character);
}
