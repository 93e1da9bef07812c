/**
 * Real inputs for every task: the payloads go through the pipeline once, each task's real outputs
 * become the inputs of the tasks after it, and real labels decide the branches. So a model is
 * measured on what it gets in production, and the share of each branch is measured too.
 */

import type { JobOutput } from "../cluster/worker/backend.ts";
import { Fault } from "../core/fault.ts";
import type { PipelineDocument, ScenarioDocument } from "../core/scenario/schema.ts";
import type { JobInput, ModelWorker } from "./model-worker.ts";

export interface CollectedInputs {
  /** Inputs of each task, by task name. */
  readonly inputs: ReadonlyMap<string, readonly JobInput[]>;
  /** Tasks that ran for each payload, by pipeline: ran[pipeline][payload] holds task names. */
  readonly ran: Readonly<Record<string, readonly ReadonlySet<string>[]>>;
}

/** `workers` by model name. Throws Fault("invalid-input") when a model rejects every payload. */
export async function collectInputs(
  document: ScenarioDocument,
  workers: ReadonlyMap<string, ModelWorker>,
  payloads: readonly Uint8Array[],
): Promise<CollectedInputs> {
  const inputs = new Map<string, JobInput[]>();
  const ran: Record<string, ReadonlySet<string>[]> = {};
  for (const [name, pipeline] of Object.entries(document.pipelines)) {
    ran[name] = [];
    for (const payload of payloads) {
      ran[name].push(await walk(pipeline, workers, payload, inputs));
    }
  }
  return { inputs, ran };
}

/** One payload through one pipeline; returns the tasks that ran. */
async function walk(
  pipeline: PipelineDocument,
  workers: ReadonlyMap<string, ModelWorker>,
  payload: Uint8Array,
  inputs: Map<string, JobInput[]>,
): Promise<ReadonlySet<string>> {
  const outputs: Record<string, JobOutput> = {};
  for (const task of inTopologicalOrder(pipeline)) {
    const { after, when, model } = pipeline.tasks[task];
    const before = after.filter((name) => outputs[name] !== undefined);
    if (after.length > 0 && before.length === 0) continue;
    const wanted = when?.contains;
    if (wanted !== undefined && !before.some((name) => hasLabel(outputs[name], wanted))) continue;
    const worker = workers.get(model);
    if (worker === undefined) continue;
    const upstream = Object.fromEntries(before.map((name) => [name, outputs[name]]));
    const input = { payload, upstream: JSON.stringify(upstream) };
    const [output] = (await worker.call([input])).outputs;
    if ("error" in output) {
      throw new Fault("invalid-input", `model ${model} cannot read an input: ${output.error}`, {
        hint: "take the file that is no image out of the folder",
      });
    }
    outputs[task] = output;
    const collected = inputs.get(task) ?? [];
    collected.push(input);
    inputs.set(task, collected);
  }
  return new Set(Object.keys(outputs));
}

function inTopologicalOrder(pipeline: PipelineDocument): readonly string[] {
  const order: string[] = [];
  const left = new Set(Object.keys(pipeline.tasks));
  while (left.size > 0) {
    for (const task of left) {
      if (pipeline.tasks[task].after.some((name) => left.has(name))) continue;
      order.push(task);
      left.delete(task);
    }
  }
  return order;
}

function hasLabel(output: JobOutput, label: string): boolean {
  return "labels" in output && output.labels.includes(label);
}
