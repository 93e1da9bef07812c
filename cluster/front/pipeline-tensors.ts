/**
 * A pipeline's outputs: `output`, the JSON of what its tasks gave, and, where its last tasks gave
 * tensors, those.
 */
import { Fault } from "../../core/fault.ts";
import type { Tensor } from "../../models/tensor.ts";
import { bytesTensor } from "../protocol/bytes-tensor.ts";
import type { ModelInferRequest, Tensor as WireTensor } from "../protocol/messages.ts";
import type { Answer } from "../run/live-request.ts";
import type { PipelineModels } from "./pipeline-models.ts";

/** The JSON output of a pipeline. */
export const OUTPUT = "output";

export interface Outputs {
  readonly outputs: readonly WireTensor[];
  /** One for each. */
  readonly raw: readonly Uint8Array[];
}

/**
 * Those asked for; else the last tasks' tensors, and JSON where one of them has none. An element
 * of the JSON output is one of `answers`. Throws Fault("invalid-input") for names that there are not.
 */
export function outputsOf(
  models: PipelineModels,
  { outputs: asked = [] }: ModelInferRequest,
  answers: readonly Answer[],
): Outputs {
  const { messages } = models.gateway.run;
  const json = () => {
    const texts = answers.map((answer) => Buffer.from(messages.answerText(answer)));
    return bytesTensor(OUTPUT, texts);
  };
  const { tensors, complete } = lastTensors(models, answers);
  if (asked.length === 0) {
    const own = tensors.map(({ name, datatype, shape }) => ({ name, datatype, shape }));
    const raw = tensors.map((tensor) => tensor.raw);
    if (complete) return { outputs: own, raw };
    const text = json();
    return { outputs: [text.tensor, ...own], raw: [text.raw, ...raw] };
  }
  const chosen = asked.map(({ name }) => {
    const found = tensors.find((tensor) => tensor.name === name);
    if (found !== undefined) return { tensor: found, raw: found.raw };
    if (name === OUTPUT) return json();
    const known = [OUTPUT, ...tensors.map((tensor) => tensor.name)].join(", ");
    throw new Fault("invalid-input", `there is no output ${JSON.stringify(name)}`, {
      hint: `this answer has ${known}`,
    });
  });
  return {
    outputs: chosen.map(({ tensor: { name, datatype, shape } }) => ({ name, datatype, shape })),
    raw: chosen.map(({ raw }) => raw),
  };
}

/** Name of a tensor that a pipeline's last task gives: its own, or, of several, with the task's. */
export function outputName(task: string, name: string, lastTasks: number): string {
  return lastTasks === 1 ? name : `${task}.${name}`;
}

/** `complete`: every last task that ran gave tensors. A payload of several elements has none. */
function lastTensors(
  { gateway }: PipelineModels,
  answers: readonly Answer[],
): { tensors: readonly Tensor[]; complete: boolean } {
  if (answers.length > 1) return { tensors: [], complete: false };
  const [{ request }] = answers;
  if (request.results.every((result) => result === null || result.tensors.length === 0)) {
    return { tensors: [], complete: false };
  }
  const { tasks } = gateway.system.pipelines[request.pipeline];
  const last = tasks.flatMap((task, i) => (task.successors.length === 0 ? [i] : []));
  const tensors: Tensor[] = [];
  let complete = true;
  for (const i of last) {
    const result = request.results[i] ?? null;
    if (result === null) continue;
    if (result.tensors.length === 0) complete = false;
    for (const tensor of result.tensors) {
      tensors.push({ ...tensor, name: outputName(tasks[i].name, tensor.name, last.length) });
    }
  }
  return { tensors, complete: complete && tensors.length > 0 };
}
