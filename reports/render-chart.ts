/** Vega-Lite to SVG, without a browser and in one. */

import type { LoggerInterface } from "vega";
import * as vega from "vega";
import { compile, type TopLevelSpec } from "vega-lite";
import { textWidth } from "./charts/theme.ts";

/** A logger that keeps what vega would print, so that a library never writes to the console. */
function keeper(warnings: string[]): LoggerInterface {
  const keep = (_method: string, _level: string, parts: readonly unknown[]) =>
    void warnings.push(parts.map(String).join(" "));
  return vega.logger(vega.Warn, undefined, keep) as LoggerInterface;
}

/** Clip paths are numbered through the life of the process; here they start at 1 in every chart. */
function renumbered(svg: string): string {
  const numbers = new Map<string, number>();
  return svg.replace(/( id="|url\(#)clip(\d+)(?=["')])/g, (_, before: string, number: string) => {
    if (!numbers.has(number)) numbers.set(number, numbers.size + 1);
    return `${before}clip${numbers.get(number)}`;
  });
}

/** The filter key at the end of a description becomes an attribute; screen readers skip marks without other text. */
function withKeys(svg: string): string {
  const mark =
    / aria-label="([^"]*)\u00a6([^"\u00a6]*)" role="[^"]*" aria-roledescription="([^"]*)"/g;
  return svg.replace(mark, (_, text: string, key: string, kind: string) => {
    const filter = key === "" ? "" : ` data-k="${key}"`;
    if (text === "") return ` aria-hidden="true"${filter}`;
    return ` aria-label="${text}" role="graphics-symbol" aria-roledescription="${kind}"${filter}`;
  });
}

/** Hundredths of a pixel are enough, and half the size. */
function rounded(svg: string): string {
  return svg.replace(/ (?:d|transform|x|y|x1|x2|y1|y2|width|height)="[^"]*"/g, (attribute) =>
    attribute.replace(/-?\d+\.\d{3,}(?:e-?\d+)?/g, (number) =>
      String(Number(Number(number).toFixed(2))),
    ),
  );
}

interface TextItem {
  readonly fontSize?: number;
  readonly fontWeight?: string | number;
  readonly limit?: number;
}

/**
 * Without a canvas vega takes every character for 0.8 em, which leaves wide gaps and cuts labels
 * short. `textMetrics` is its documented place for another measure, absent from its types.
 */
function measureAsDrawn(): void {
  const { textMetrics } = vega as unknown as {
    textMetrics: { width: (item: TextItem, text: unknown) => number };
  };
  textMetrics.width = (item, text) => {
    const bold = item.fontWeight === "bold" || Number(item.fontWeight) >= 600;
    const width = textWidth(String(text ?? ""), item.fontSize ?? 11, bold);
    return item.limit === undefined || item.limit <= 0 ? width : Math.min(width, item.limit);
  };
}

/** The chart as SVG text, and every warning that compiling or drawing gave (none is expected). */
export async function renderSvg(
  spec: TopLevelSpec,
): Promise<{ svg: string; warnings: readonly string[] }> {
  measureAsDrawn();
  const warnings: string[] = [];
  const logger = keeper(warnings);
  const compiled = compile(spec, { logger });
  const view = new vega.View(vega.parse(compiled.spec), { renderer: "none", logger });
  try {
    return { svg: rounded(withKeys(renumbered(await view.toSVG()))), warnings };
  } finally {
    view.finalize();
  }
}
