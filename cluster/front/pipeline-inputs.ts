/** What a pipeline takes of its callers, told by what its tasks' models take and give. */
import type { TaskSystem } from "../../core/system.ts";
import type { ModelMetadata, TensorMetadata } from "../protocol/messages.ts";
import { bytesMetadata } from "../protocol/server.ts";
import { tasksBefore } from "../run/tasks-before.ts";
import { OUTPUT } from "./pipeline-tensors.ts";

/** The input of a pipeline whose first tasks' models take no tensors: BYTES, each an inference. */
export const PAYLOAD = "payload";

type Tensors = readonly TensorMetadata[];

/** Whether an input is the payload, and no tensor of a model. */
export function isPayload({ name, datatype }: TensorMetadata): boolean {
  return name === PAYLOAD && datatype === "BYTES";
}

/**
 * The first tasks' inputs, and those of others that no task before them gives. `models` are the
 * tasks'; what is not known of them yet is left out.
 */
export function pipelineInputs(
  tasks: readonly Pick<TaskSystem, "predecessors">[],
  models: readonly (ModelMetadata | undefined)[],
): Tensors {
  const inputs = new Map<string, TensorMetadata>();
  let payload = false;
  tasks.forEach(({ predecessors }, task) => {
    const { inputs: own = [] } = models[task] ?? {};
    const before = tasksBefore(tasks, task).flatMap((one) => tensorsOf(models[one]?.outputs));
    if (own.some(isPayload)) payload ||= predecessors.length === 0;
    else for (const tensor of notGiven(own, before)) inputs.set(tensor.name, tensor);
  });
  return [...(payload || inputs.size === 0 ? bytesMetadata(PAYLOAD) : []), ...inputs.values()];
}

/** A model's outputs, without the JSON of one that gives no tensors. */
export function tensorsOf(outputs: Tensors = []): Tensors {
  return outputs.filter(({ name, datatype }) => name !== OUTPUT || datatype !== "BYTES");
}

/** As a model finds its inputs (`models/declared-model.ts`): by name, or the one for the one. */
function notGiven(inputs: Tensors, given: Tensors): Tensors {
  const missing = inputs.filter(({ name }) => !given.some((tensor) => tensor.name === name));
  return inputs.length === 1 && given.length === 1 ? [] : missing;
}
