/** An estimate of the work of a simulation, before it runs. */
import { expectedRequests } from "../core/arrivals/extent.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";

/** Events of one replication: an arrival and a finish for each task of its longest pipeline. */
export function expectedEvents({ pipelines, workload }: ScenarioDocument): number {
  const tasks = Object.values(pipelines).map((pipeline) => Object.keys(pipeline.tasks).length);
  return expectedRequests(workload) * 2 * Math.max(...tasks);
}
