/** Every chart of the report, in the order of the page. Add a chart here. */

import type { TopLevelSpec } from "vega-lite";
import type { ResultsDocument, ValidationDocument } from "../../core/results.ts";
import { costFront } from "./cost-front.ts";
import { gantt } from "./gantt.ts";
import { latencyCdf } from "./latency-cdf.ts";
import { latencyQuantiles } from "./latency-quantiles.ts";
import { loadResponse } from "./load-response.ts";
import { predictedMeasured } from "./predicted-measured.ts";
import { predictionError } from "./prediction-error.ts";

export interface Chart {
  /** File name without ending. */
  readonly name: string;
  readonly section: "simulation" | "validation" | "detail";
  readonly spec: TopLevelSpec;
}

/** The charts that these documents have data for. */
export function chartsOf(
  results: ResultsDocument,
  validation: ValidationDocument | undefined,
): readonly Chart[] {
  const judged = validation !== undefined && validation.configurations.length > 0;
  const all: readonly (Omit<Chart, "spec"> & { spec: TopLevelSpec | undefined })[] = [
    {
      name: "predicted-measured",
      section: "validation",
      spec: judged ? predictedMeasured(validation) : undefined,
    },
    {
      name: "prediction-error",
      section: "validation",
      spec: judged ? predictionError(validation) : undefined,
    },
    { name: "latency-quantiles", section: "simulation", spec: latencyQuantiles(results) },
    { name: "cost-front", section: "simulation", spec: costFront(results) },
    { name: "load-response", section: "simulation", spec: loadResponse(results) },
    { name: "latency-cdf", section: "detail", spec: latencyCdf(results, validation) },
    { name: "gantt", section: "detail", spec: gantt(results, validation) },
  ];
  return all.flatMap(({ spec, ...rest }) => (spec === undefined ? [] : [{ ...rest, spec }]));
}
