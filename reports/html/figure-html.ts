/** Charts as figures: the SVG inline, named and described, with its specification to download. */
import type { TopLevelSpec } from "vega-lite";
import type { Chart } from "../charts/chart-list.ts";
import { escapeHtml } from "./table-html.ts";

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
  return [
    `<figure class="chart" id="${name}"><h3 class="hidden">${escapeHtml(title)}</h3>`,
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
