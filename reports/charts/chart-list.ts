/** Every chart of the report, in the order of the page. Add a chart here. */

import type { TopLevelSpec } from "vega-lite";
import type { ProvenanceDocument } from "../../core/provenance.ts";
import type { ResultsDocument, ValidationDocument } from "../../core/results.ts";
import type { RunDetail } from "../../core/run-detail.ts";
import { attainmentMap } from "./attainment-map.ts";
import { costFront } from "./cost-front.ts";
import { costPer1000 } from "./cost-per-1000.ts";
import { keysOf } from "./encodings.ts";
import { gantt } from "./gantt.ts";
import { latencyCdf } from "./latency-cdf.ts";
import { latencyQuantiles } from "./latency-quantiles.ts";
import { loadResponse } from "./load-response.ts";
import { pipelineGraph } from "./pipeline-graph.ts";
import { predictedMeasured } from "./predicted-measured.ts";
import { predictionError } from "./prediction-error.ts";
import { serviceFit } from "./service-fit.ts";
import { slowestRequests } from "./slowest-requests.ts";
import { timeline } from "./timeline.ts";

export interface Chart {
  /** File name without ending. */
  readonly name: string;
  readonly section: "evidence" | "bottleneck" | "time" | "validation" | "inputs";
  readonly spec: TopLevelSpec;
}

/** Everything that charts are drawn from. */
export interface ChartSources {
  readonly results: ResultsDocument;
  readonly validation?: ValidationDocument | undefined;
  readonly provenance?: ProvenanceDocument | undefined;
  /** Runs that were looked into, simulated and measured. */
  readonly details?: readonly RunDetail[];
}

type Optional = Omit<Chart, "spec"> & { readonly spec: TopLevelSpec | undefined };

/** The charts that these documents have data for. */
export function chartsOf(sources: ChartSources): readonly Chart[] {
  const { results, validation } = sources;
  const all: readonly Optional[] = [
    ...sweepCharts(results, validation),
    ...runCharts(sources),
    ...validationCharts(results, validation),
  ];
  return all.flatMap(({ spec, ...rest }) => (spec === undefined ? [] : [{ ...rest, spec }]));
}

function sweepCharts(
  results: ResultsDocument,
  validation: ValidationDocument | undefined,
): readonly Optional[] {
  const section = "evidence" as const;
  return [
    { name: "attainment-map", section, spec: attainmentMap(results) },
    { name: "cost-front", section, spec: costFront(results) },
    { name: "latency-quantiles", section, spec: latencyQuantiles(results) },
    { name: "latency-cdf", section, spec: latencyCdf(results, validation) },
    { name: "load-response", section, spec: loadResponse(results) },
    { name: "cost-per-1000", section, spec: costPer1000(results) },
  ];
}

function runCharts({
  results,
  validation,
  provenance,
  details = [],
}: ChartSources): readonly Optional[] {
  const simulated = details.find(({ side }) => side === "simulated");
  const one = results.configurations.find(({ id }) => id === simulated?.id);
  const graph = pipelineGraph(provenance?.scenario, one ?? results.configurations[0], simulated);
  return [
    { name: "pipeline", section: "bottleneck", spec: graph },
    { name: "slowest-requests", section: "bottleneck", spec: slowestRequests(details) },
    ...details.map((detail) => ({
      name: `timeline-${detail.side}`,
      section: "time" as const,
      spec: timeline(detail, results.slo),
    })),
    { name: "gantt", section: "time", spec: gantt(results, validation) },
    {
      name: "service-fit",
      section: "inputs",
      spec: serviceFit(provenance?.inputs.profiles ?? {}, details),
    },
  ];
}

function validationCharts(
  results: ResultsDocument,
  validation: ValidationDocument | undefined,
): readonly Optional[] {
  if (validation === undefined || validation.configurations.length === 0) return [];
  const keyOf = keysOf(results);
  const section = "validation" as const;
  return [
    { name: "predicted-measured", section, spec: predictedMeasured(validation, keyOf) },
    { name: "prediction-error", section, spec: predictionError(validation, keyOf) },
  ];
}
