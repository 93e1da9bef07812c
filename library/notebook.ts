/**
 * The package's entry `./notebook`: charts and tables as a Jupyter kernel of Deno shows them.
 *
 * ```ts
 * import { chart, table } from "tandem-serving/notebook";
 * chart(charts(await sweep(loaded))[0].spec);
 * ```
 *
 * @module notebook
 */
import type { TopLevelSpec } from "vega-lite";
import { renderPng, renderSvg } from "../reports/render-chart.ts";

/** Contents by media type: a front end shows the richest that it knows. */
export type MediaBundle = Readonly<Record<string, unknown>>;

const DISPLAY: unique symbol = Symbol.for("Jupyter.display") as never;

/** The value of a cell that a kernel shows. */
export interface Shown {
  readonly [DISPLAY]: () => Promise<MediaBundle>;
}

/** A chart to zoom and hover where Vega-Lite is known, and a picture elsewhere, as on a code host. */
export function chart(spec: TopLevelSpec): Shown {
  return {
    [DISPLAY]: async () => {
      const { svg } = await renderSvg(spec);
      return {
        "application/vnd.vegalite.v5+json": spec,
        "image/png": Buffer.from(renderPng(svg)).toString("base64"),
      };
    },
  };
}

/** Rows as a table: columns are the names of the first row; numbers have four digits. */
export function table(rows: readonly Readonly<Record<string, unknown>>[]): Shown {
  const names = Object.keys(rows[0] ?? {});
  const numeric = (name: string) => rows.every((row) => typeof row[name] === "number");
  const line = (cells: readonly string[]) => `| ${cells.join(" | ")} |`;
  const text = [
    line(names),
    line(names.map((name) => (numeric(name) ? "---:" : "---"))),
    ...rows.map((row) => line(names.map((name) => cellText(row[name])))),
  ].join("\n");
  return { [DISPLAY]: async () => ({ "text/markdown": text, "text/plain": text }) };
}

function cellText(value: unknown): string {
  if (value === undefined || value === null) return "";
  if (typeof value !== "number") return String(value).replaceAll("|", "\\|");
  return Number.isInteger(value) ? String(value) : String(Number(value.toPrecision(4)));
}
