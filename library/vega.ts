/**
 * The package's entry `./vega`: the report's charts as Vega-Lite specifications, and drawn as SVG.
 *
 * ```ts
 * import { charts, svg } from "tandem-serving/vega";
 * for (const { name, spec } of charts(await sweep(loaded))) writeFileSync(`${name}.svg`, await svg(spec));
 * ```
 *
 * @module vega
 */
import type { TopLevelSpec } from "vega-lite";
import type { ResultsDocument, ValidationDocument } from "../core/results.ts";
import { type Chart, chartsOf } from "../reports/charts/chart-list.ts";
import { renderSvg } from "../reports/render-chart.ts";

export type { Chart } from "../reports/charts/chart-list.ts";

/** Every chart that the documents have data for, in the order of the report. */
export function charts(
  results: ResultsDocument,
  validation?: ValidationDocument,
): readonly Chart[] {
  return chartsOf({ results, ...(validation === undefined ? {} : { validation }) });
}

/** A specification drawn without a browser. */
export async function svg(spec: TopLevelSpec): Promise<string> {
  return (await renderSvg(spec)).svg;
}
