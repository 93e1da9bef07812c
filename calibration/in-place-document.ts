/** The pipeline as calibration runs it: one replica of each task, for real models in their place under light load. */

import { poolsOf } from "../scenario/compile/placement.ts";
import type { LoadedInventory } from "../scenario/inventory/read-inventory.ts";
import { modelSchema } from "../scenario/schema/pipelines.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";

export interface InPlaceInput {
  readonly document: ScenarioDocument;
  /** Mean time of each model, µs, as far as it is known; schedulers may look at it. */
  readonly assumed: ReadonlyMap<string, number>;
  readonly inventory?: LoadedInventory | undefined;
  /** Measured share of requests for which a conditional task ran, by `pipeline/task`. */
  readonly branchShares: Readonly<Record<string, number>>;
}

/** One replica of each task, measured branch shares, and whole rounds through the contents. */
export function inPlaceDocument({
  document,
  assumed,
  inventory,
  branchShares,
}: InPlaceInput): ScenarioDocument {
  const pipelines = Object.fromEntries(
    Object.entries(document.pipelines).map(([name, pipeline]) => {
      const tasks = Object.entries(pipeline.tasks).map(([task, entry]) => {
        const share = branchShares[`${name}/${task}`];
        const when =
          entry.when === undefined || share === undefined
            ? entry.when
            : { ...entry.when, probability: share };
        return [task, when === undefined ? entry : { ...entry, when }];
      });
      return [name, { ...pipeline, tasks: Object.fromEntries(tasks) }];
    }),
  );
  const models = Object.fromEntries(
    Object.entries(document.models).map(([name, { implementation }]) => {
      const service = { distribution: "deterministic", meanMs: (assumed.get(name) ?? 1000) / 1000 };
      return [name, modelSchema.parse({ service, implementation })];
    }),
  );
  const replicas = Object.fromEntries(
    Object.values(pipelines).flatMap(({ tasks }) => Object.keys(tasks).map((task) => [task, 1])),
  );
  return {
    name: document.name,
    pipelines,
    models,
    cluster: inventory === undefined ? { replicas } : onNodes(document.cluster, replicas),
    scheduler: "fifo",
    workload: { arrivals: "poisson", ratePerS: 1, requests: 1, warmupS: 0 },
    run: { seed: 1, replications: 1 },
  };
}

/** Most work that a request brings to one task, µs, if every predecessor runs. */
export function busiestTaskUs(
  { pipelines }: Pick<ScenarioDocument, "pipelines">,
  assumed: ReadonlyMap<string, number>,
): number {
  const loads = Object.values(pipelines).flatMap(({ tasks }) =>
    poolsOf(tasks).map(
      ({ task, model }) => (assumed.get(model) ?? 0) * (tasks[task].when?.probability ?? 1),
    ),
  );
  return Math.max(...loads);
}

/** The scenario's nodes, with each task's one replica where its first is placed. */
function onNodes(
  { nodes, placement = [] }: ScenarioDocument["cluster"],
  replicas: Readonly<Record<string, number>>,
): ScenarioDocument["cluster"] {
  const first = placement.filter(
    (entry, i) => placement.findIndex(({ task }) => task === entry.task) === i,
  );
  return {
    replicas,
    ...(nodes === undefined ? {} : { nodes }),
    ...(first.length === 0 ? {} : { placement: first.map((one) => ({ ...one, replicas: 1 })) }),
  };
}
