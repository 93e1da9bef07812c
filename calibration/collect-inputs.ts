/**
 * Real inputs for every task: the requests' contents go through the pipeline once, each task's real
 * outputs become the inputs of the tasks after it, and real labels decide the branches. So a model is
 * measured on what it gets in production, and the share of each branch is measured too.
 */

import { isPayload } from "../cluster/front/pipeline-tensors.ts";
import type { RequestContents } from "../cluster/protocol/messages.ts";
import { asOwn, elementsOf, rawTensor } from "../cluster/protocol/tensors.ts";
import { tasksBefore } from "../cluster/run/batch.ts";
import type { JobOutput } from "../cluster/worker/backend.ts";
import { Fault } from "../core/fault.ts";
import type { PipelineDocument, ScenarioDocument } from "../core/scenario/schema.ts";
import type { Tensor } from "../models/tensor.ts";
import type { ContentsByPipeline } from "./contents.ts";
import type { JobInput, ModelWorker, WorkerOutput } from "./model-worker.ts";

export interface CollectedInputs {
  /** Inputs of each task, by task name. */
  readonly inputs: ReadonlyMap<string, readonly JobInput[]>;
  /** Tasks that ran for each of a pipeline's contents: ran[pipeline][i] holds task names. */
  readonly ran: Readonly<Record<string, readonly ReadonlySet<string>[]>>;
}

const NO_PAYLOAD = new Uint8Array(0);

/** `workers` by model name. Throws Fault("invalid-input") for contents that a model cannot read. */
export async function collectInputs(
  document: ScenarioDocument,
  workers: ReadonlyMap<string, ModelWorker>,
  contents: ContentsByPipeline,
): Promise<CollectedInputs> {
  const inputs = new Map<string, JobInput[]>();
  const ran: Record<string, ReadonlySet<string>[]> = {};
  for (const [name, pipeline] of Object.entries(document.pipelines)) {
    ran[name] = [];
    for (const one of contents[name]) ran[name].push(await walk(pipeline, workers, one, inputs));
  }
  return { inputs, ran };
}

/** One request through one pipeline; returns the tasks that ran. */
async function walk(
  { tasks }: PipelineDocument,
  workers: ReadonlyMap<string, ModelWorker>,
  contents: RequestContents,
  inputs: Map<string, JobInput[]>,
): Promise<ReadonlySet<string>> {
  const { payload, tensors } = partsOf(contents);
  const names = Object.keys(tasks);
  const numbered = names.map((name) => ({
    predecessors: tasks[name].after.map((one) => names.indexOf(one)),
  }));
  const outputs: Record<string, WorkerOutput> = {};
  for (const task of inTopologicalOrder(tasks)) {
    const { after, when, model } = tasks[task];
    const ready = after.filter((name) => outputs[name] !== undefined);
    if (after.length > 0 && ready.length === 0) continue;
    const wanted = when?.contains;
    if (wanted !== undefined && !ready.some((name) => hasLabel(outputs[name].told, wanted)))
      continue;
    const worker = workers.get(model);
    if (worker === undefined) continue;
    const before = tasksBefore(numbered, names.indexOf(task))
      .map((one) => names[one])
      .filter((name) => outputs[name] !== undefined);
    const input: JobInput = {
      payload,
      upstream: JSON.stringify(
        Object.fromEntries(before.map((name) => [name, outputs[name].told])),
      ),
      tensors: {
        ...asOwn(tensors),
        ...Object.fromEntries(before.map((name) => [name, outputs[name].tensors])),
      },
    };
    const [output] = (await worker.call([input])).outputs;
    if ("error" in output.told) {
      throw new Fault(
        "invalid-input",
        `model ${model} cannot read an input: ${output.told.error}`,
        {
          hint: "take the file that is no image out of the folder, or give tensors of its shapes with --inputs",
        },
      );
    }
    outputs[task] = output;
    const collected = inputs.get(task) ?? [];
    collected.push(input);
    inputs.set(task, collected);
  }
  return new Set(Object.keys(outputs));
}

/** As the gateway takes a request apart: its payload, and the tensors that it came with. */
function partsOf({ inputs, rawInputContents = [] }: RequestContents): {
  readonly payload: Uint8Array;
  readonly tensors: readonly Tensor[];
} {
  const tensors: Tensor[] = [];
  inputs.forEach((input, i) => {
    if (!isPayload(input)) tensors.push(rawTensor(input, rawInputContents[i]));
  });
  const payloads = inputs.some(isPayload) ? elementsOf(inputs, rawInputContents, "payload") : null;
  return { payload: payloads?.[0] ?? NO_PAYLOAD, tensors };
}

function inTopologicalOrder(tasks: PipelineDocument["tasks"]): readonly string[] {
  const order: string[] = [];
  const left = new Set(Object.keys(tasks));
  while (left.size > 0) {
    for (const task of left) {
      if (tasks[task].after.some((name) => left.has(name))) continue;
      order.push(task);
      left.delete(task);
    }
  }
  return order;
}

function hasLabel(output: JobOutput, label: string): boolean {
  return "labels" in output && output.labels.includes(label);
}
