/** Replications of one configuration: what one task of the thread pool does. */

import type { RunSummary } from "../core/metrics/summary.ts";
import type { GanttBar } from "../core/results.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import type { OfferedLoad } from "../core/stability/offered-load.ts";
import { configurationLoad } from "../sim/configuration-load.ts";
import { runReplication, type SimulationInputs } from "../sim/replication.ts";

export interface Detail {
  /** Keep latency curves. */
  readonly curve: boolean;
  /** Bars of the first replication's Gantt chart to keep. */
  readonly ganttBars: number;
}

export interface ReplicationBlock {
  readonly document: ScenarioDocument;
  readonly detail: Detail;
  /** Replications first .. end − 1. */
  readonly first: number;
  readonly end: number;
}

export interface BlockResult {
  readonly summaries: readonly RunSummary[];
  readonly gantt: readonly GanttBar[];
  /** From the traffic equations; of the block with replication 0 only. */
  readonly load: OfferedLoad | null;
}

export function simulateBlock(block: ReplicationBlock, inputs: SimulationInputs): BlockResult {
  const summaries: RunSummary[] = [];
  let gantt: readonly GanttBar[] = [];
  for (let replication = block.first; replication < block.end; replication++) {
    const ganttBars = replication === 0 ? block.detail.ganttBars : 0;
    const { curve } = block.detail;
    const result = runReplication(block.document, inputs, replication, { curve, ganttBars });
    summaries.push(result.summary);
    if (replication === 0) gantt = result.gantt;
  }
  const load = block.first === 0 ? configurationLoad(block.document, inputs) : null;
  return { summaries, gantt, load };
}
