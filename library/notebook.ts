/**
 * The package's entry `./notebook`: charts, tables and sentences in the output of a cell, in a Jupyter kernel of Deno.
 *
 * ```ts
 * import { chart, table } from "tandem-serving/notebook";
 * await chart(charts(await sweep(loaded))[0].spec);
 * ```
 *
 * @module notebook
 */
import type { TopLevelSpec } from "vega-lite";
import { renderSvg } from "../reports/render-chart.ts";
import { renderPng } from "../reports/write-report.ts";

/** Contents by media type: a front end shows the richest that it knows. */
type MediaBundle = Readonly<Record<string, unknown>>;

/** The part of Deno's kernel that is used here. */
interface Kernel {
  readonly jupyter?: { display(bundle: MediaBundle, options: { raw: true }): Promise<void> };
}

/** A chart to zoom and hover where Vega-Lite is known, and a picture elsewhere, as on a code host. */
export async function chart(spec: TopLevelSpec): Promise<void> {
  const { svg } = await renderSvg(spec);
  await show({
    "application/vnd.vegalite.v5+json": spec,
    "image/png": Buffer.from(renderPng(svg)).toString("base64"),
    "text/plain": "a chart",
  });
}

/** Rows as a table: columns are the names of the first row; numbers have four digits. */
export async function table(rows: readonly Readonly<Record<string, unknown>>[]): Promise<void> {
  const names = Object.keys(rows[0] ?? {});
  const numeric = (name: string) => rows.every((row) => typeof row[name] === "number");
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const markdown = [
    line(names),
    line(names.map((name) => (numeric(name) ? "---:" : "---"))),
    ...rows.map((row) => line(names.map((name) => cellText(row[name])))),
  ].join("\n");
  await show({ "text/markdown": markdown, "text/plain": markdown });
}

/** Sentences in Markdown, each a paragraph. Unlike the console's last line, they are there when the cell ends. */
export async function text(...paragraphs: readonly string[]): Promise<void> {
  await show({ "text/markdown": paragraphs.join("\n\n"), "text/plain": paragraphs.join("\n") });
}

/** In the cell's output; outside a kernel, as text on the console. */
async function show(bundle: MediaBundle): Promise<void> {
  const { jupyter } = (globalThis as { readonly Deno?: Kernel }).Deno ?? {};
  // A cell's last value may come after its end, and is lost then: so the cell waits.
  if (jupyter === undefined) console.log(bundle["text/plain"]);
  else await jupyter.display(bundle, { raw: true });
}

function cellText(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "number") return String(value).replaceAll("|", "\\|");
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}
