/** Inputs and outputs of a pipeline, from the tensors of its tasks' models. */
import { Fault } from "../../core/fault.ts";
import type { TaskSystem } from "../../core/system.ts";
import type { Tensor } from "../../models/tensor.ts";
import type { ModelMetadata, TensorMetadata } from "../protocol/descriptions.ts";
import { bytesMetadata } from "../protocol/hosted-models.ts";
import type { ModelInferRequest, Tensor as WireTensor } from "../protocol/messages.ts";
import { bytesTensor } from "../protocol/tensors.ts";
import { type BatchMessages, tasksBefore } from "../run/batch.ts";
import type { Answer } from "../run/live-request.ts";

/** The input of a pipeline whose first tasks take no tensors: BYTES, one request for each element. */
export const PAYLOAD = "payload";
/** The JSON output of a pipeline. */
export const OUTPUT = "output";

type Tensors = readonly TensorMetadata[];

export function isPayload({ name, datatype }: TensorMetadata): boolean {
  return name === PAYLOAD && datatype === "BYTES";
}

/** Inputs that no earlier task gives. `models` has the metadata of each task, as far as known. */
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

/** A model's output tensors, without the JSON output. */
export function tensorsOf(outputs: Tensors = []): Tensors {
  return outputs.filter(({ name, datatype }) => name !== OUTPUT || datatype !== "BYTES");
}

/** Inputs that earlier tasks do not give. Models match them as `models/declared-model.ts` does: by name, or one to one. */
function notGiven(inputs: Tensors, given: Tensors): Tensors {
  const missing = inputs.filter(({ name }) => !given.some((tensor) => tensor.name === name));
  return inputs.length === 1 && given.length === 1 ? [] : missing;
}

/**
 * The outputs that a request asks for; default: the last tasks' tensors, and JSON where one has none, with
 * an element for each of `answers`. Throws Fault("invalid-input") for unknown names.
 */
export function outputsOf(
  { outputs: asked = [] }: ModelInferRequest,
  tasks: readonly TaskSystem[],
  answers: readonly Answer[],
  messages: BatchMessages,
): { outputs: readonly WireTensor[]; raw: readonly Uint8Array[] } {
  const json = (): Tensor => {
    const texts = answers.map((answer) => Buffer.from(messages.answerText(answer)));
    const { tensor, raw } = bytesTensor(OUTPUT, texts);
    return { ...tensor, datatype: "BYTES", raw };
  };
  const { tensors, complete } = lastTensors(tasks, answers);
  const chosen = asked.map(({ name }) => {
    const found = tensors.find((tensor) => tensor.name === name);
    if (found !== undefined) return found;
    if (name === OUTPUT) return json();
    const known = [OUTPUT, ...tensors.map((tensor) => tensor.name)].join(", ");
    throw new Fault("invalid-input", `there is no output ${JSON.stringify(name)}`, {
      hint: `this answer has ${known}`,
    });
  });
  const given = asked.length > 0 ? chosen : [...(complete ? [] : [json()]), ...tensors];
  return {
    outputs: given.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    raw: given.map(({ raw }) => raw),
  };
}

/** Name of a last task's tensor: with the task's name where a pipeline has several last tasks. */
export function outputName(task: string, name: string, lastTasks: number): string {
  return lastTasks === 1 ? name : `${task}.${name}`;
}

/** `complete`: every last task that ran gave tensors. A payload of several elements has none. */
function lastTensors(
  tasks: readonly TaskSystem[],
  answers: readonly Answer[],
): { tensors: readonly Tensor[]; complete: boolean } {
  if (answers.length > 1) return { tensors: [], complete: false };
  const [{ request }] = answers;
  const lastTasks = tasks.filter(({ successors }) => successors.length === 0).length;
  const tensors: Tensor[] = [];
  let complete = true;
  tasks.forEach(({ name: task, successors }, i) => {
    const own = request.results[i]?.tensors;
    if (successors.length > 0 || own === undefined) return;
    if (own.length === 0) complete = false;
    for (const tensor of own) {
      tensors.push({ ...tensor, name: outputName(task, tensor.name, lastTasks) });
    }
  });
  return { tensors, complete: complete && tensors.length > 0 };
}
