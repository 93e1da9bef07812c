/** Workers of real models that are kept busy together, so that they slow each other down. */
import { poolsOf, tasksToPlace } from "../scenario/compile/placement.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";
import type { CollectedInputs } from "./contents.ts";
import type { BusyWorker } from "./measure-service.ts";
import type { JobInput, MeasuringHosts, ModelWorker } from "./model-worker.ts";

export function inputsByModel(
  document: ScenarioDocument,
  collected: CollectedInputs,
): Map<string, readonly JobInput[]> {
  const inputs = new Map<string, readonly JobInput[]>();
  for (const pipeline of Object.values(document.pipelines)) {
    for (const { task, model } of poolsOf(pipeline.tasks)) {
      const more = collected.inputs.get(task) ?? [];
      inputs.set(model, [...(inputs.get(model) ?? []), ...more]);
    }
  }
  return inputs;
}

interface RunningWorkers {
  /** One for each model. */
  readonly workers: ReadonlyMap<string, ModelWorker>;
  /** Those that are started here. */
  readonly extra: Map<string, ModelWorker>;
  readonly inputs: ReadonlyMap<string, readonly JobInput[]>;
}

/** Workers in the order of the tasks, again and again, up to the level wanted; all on the first model's machine. */
export async function busyWorkers(
  document: ScenarioDocument,
  hosts: MeasuringHosts,
  { workers, extra, inputs }: RunningWorkers,
  levels: number,
): Promise<BusyWorker[]> {
  const machineOf = (model: string): string => hosts.machineOf(hosts.devicesOf(model)[0]);
  const placed = new Set(tasksToPlace(document).map(({ model }) => model.name));
  const models = [...placed]
    .filter((model) => (inputs.get(model) ?? []).length > 0)
    .filter((model, _, [first]) => machineOf(model) === machineOf(first));
  const wanted = Array.from({ length: models.length === 0 || levels < 2 ? 0 : levels }, (_, i) => {
    const model = models[i % models.length];
    return { model, key: i < models.length ? model : `${model}#${i}` };
  });
  const missing = wanted.filter(({ key }) => !workers.has(key));
  // All are waited for, also where one fails: what has started is stopped with the others.
  const starts = await Promise.allSettled(
    missing.map(async ({ model, key }) => {
      extra.set(key, await hosts.start(model, hosts.devicesOf(model)[0]));
    }),
  );
  for (const start of starts) if (start.status === "rejected") throw start.reason;
  return wanted.map(({ model, key }) => {
    const worker = (workers.get(key) ?? extra.get(key)) as ModelWorker;
    return { worker, inputs: inputs.get(model) ?? [] };
  });
}
