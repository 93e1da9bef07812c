/** Every chart of the report, in the order of the page. Add a chart here. */
import type { TopLevelSpec } from "vega-lite";
import type { ProvenanceDocument } from "../../core/provenance.ts";
import type { ResultsDocument, ValidationDocument } from "../../core/results.ts";
import type { RunDetail } from "../../core/run-detail.ts";
import { attainmentMap } from "./attainment-map.ts";
import { costFront } from "./cost-front.ts";
import { costPer1000 } from "./cost-per-1000.ts";
import { type KeyOf, keysOf } from "./encodings.ts";
import { gantt } from "./gantt.ts";
import { latencyCdf } from "./latency-cdf.ts";
import { latencyQuantiles } from "./latency-quantiles.ts";
import { loadResponse } from "./metric-lines.ts";
import { narrowed } from "./narrow.ts";
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
  /** In place of it where the page is narrow. */
  readonly narrow: TopLevelSpec;
}

/** Everything that charts are drawn from. */
export interface ChartSources {
  readonly results: ResultsDocument;
  readonly validation?: ValidationDocument | undefined;
  readonly provenance?: ProvenanceDocument | undefined;
  /** Runs that were looked into, simulated and measured. */
  readonly details?: readonly RunDetail[];
}

/** The charts that these documents have data for. */
export function chartsOf(sources: ChartSources): readonly Chart[] {
  const narrow = drawnCharts(sources, true);
  return Object.entries(drawnCharts(sources, false)).flatMap(([section, charts]) =>
    Object.entries(charts).flatMap(([name, spec]): Chart[] => {
      const other = narrow[section as Section][name];
      if (spec === undefined || other === undefined) return [];
      return [{ name, section: section as Section, spec, narrow: narrowed(other) }];
    }),
  );
}

type Section = Chart["section"];

function drawnCharts(
  { results, validation, provenance, details = [] }: ChartSources,
  isNarrow: boolean,
): Readonly<Record<Section, Readonly<Record<string, Drawn>>>> {
  const simulated = details.find(({ side }) => side === "simulated");
  const one = results.configurations.find(({ id }) => id === simulated?.id);
  const shown = one ?? results.configurations[0];
  const timelines = details.map((detail) => [
    `timeline-${detail.side}`,
    timeline(detail, results.slo),
  ]);
  return {
    evidence: {
      "attainment-map": attainmentMap(results, isNarrow),
      "cost-front": costFront(results, isNarrow),
      "latency-quantiles": latencyQuantiles(results, isNarrow),
      "latency-cdf": latencyCdf(results, validation),
      "load-response": loadResponse(results, isNarrow),
      "cost-per-1000": costPer1000(results),
    },
    bottleneck: {
      pipeline: pipelineGraph(provenance?.scenario, shown, simulated, isNarrow),
      "slowest-requests": slowestRequests(details),
    },
    time: { ...Object.fromEntries(timelines), gantt: gantt(results, validation, isNarrow) },
    inputs: { "service-fit": serviceFit(provenance?.inputs.profiles ?? {}, details) },
    validation: validation === undefined ? {} : validationCharts(validation, keysOf(results)),
  };
}

type Drawn = TopLevelSpec | undefined;

function validationCharts(validation: ValidationDocument, keyOf: KeyOf) {
  return {
    "predicted-measured": predictedMeasured(validation, keyOf),
    "prediction-error": predictionError(validation, keyOf),
  };
}
