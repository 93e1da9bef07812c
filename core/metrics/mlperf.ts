/**
 * The figure that MLPerf Inference reports for each of its scenarios, of one run. Percentiles are of the run
 * itself; `mlperf-rules.ts` has early stopping. Source: MLPerf Inference Rules, "Scenarios".
 */
import type { MetricName } from "../results.ts";
import type { WorkloadDocument } from "../scenario/schema.ts";
import type { LatencyStore } from "./latency-store.ts";

type Figures = Readonly<Partial<Record<MetricName, number>>>;

/** Empty for other workloads. `queries` are the latencies of a stream of queries. */
export function mlperfMetrics(
  workload: WorkloadDocument,
  metrics: Figures,
  queries: LatencyStore | null,
): Figures {
  if (queries !== null && queries.count === 0) return {};
  const atMs = (share: number): number => (queries?.quantilesUs([share])[0] ?? Number.NaN) / 1000;
  switch (workload.arrivals) {
    case "mlperf-single-stream":
      return { queryLatencyP90Ms: atMs(0.9) };
    case "mlperf-multi-stream":
      return { queryLatencyP99Ms: atMs(0.99) };
    case "mlperf-server":
      return {
        validQueriesPerS: isValid(metrics, workload.latencyBoundMs) ? workload.ratePerS : 0,
      };
    case "mlperf-offline": {
      const { makespanMs = Number.NaN, dropRatio = 0, timeoutRatio = 0 } = metrics;
      const answered = workload.requests * (1 - dropRatio - timeoutRatio);
      return { samplesPerS: (answered / makespanMs) * 1000 };
    }
    default:
      return {};
  }
}

/** Every query was answered, 99% of them within the bound. */
function isValid(metrics: Figures, boundMs: number): boolean {
  const { latencyP99Ms = Number.POSITIVE_INFINITY, dropRatio, timeoutRatio } = metrics;
  return latencyP99Ms <= boundMs && dropRatio === 0 && timeoutRatio === 0;
}
