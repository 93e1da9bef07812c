/** What a run that stands alone keeps of its latencies, so that its figures can have intervals. */
import { BatchSeries } from "./batch-series.ts";
import { LatencySections } from "./latency-sections.ts";
import type { LatencySink } from "./recorder.ts";

export class OneRunSeries implements LatencySink {
  readonly batches = new BatchSeries();
  readonly sections = new LatencySections();

  add(latencyUs: number, nowUs: number): void {
    this.batches.add(latencyUs, nowUs);
    this.sections.add(latencyUs);
  }
}
