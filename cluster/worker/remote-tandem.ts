/** Another Tandem behind a worker: its workers take whole batches, its gateway single requests. */
import { Fault } from "../../core/fault.ts";
import { isOfInference } from "../../models/engine.ts";
import type { TaskInput, TaskModel, TaskOutput } from "../../models/task-model.ts";
import type { ModelMetadata } from "../protocol/messages.ts";
import { asOwn, bytesTensor, elementsOf, jobTensors, wireTensors } from "../protocol/tensors.ts";
import type { JobOutput } from "./backend.ts";
import { inferThere, type RemoteModel } from "./remote-engine.ts";

/** What a Tandem gateway answers. */
interface PipelineAnswer {
  readonly outputs: Readonly<Record<string, TaskOutput>>;
}

/** Whether the model takes payloads as Tandem's own servers do, and how many at once. */
export function tandemForm({ inputs, platform }: ModelMetadata): "worker" | "gateway" | null {
  const names = inputs.map(({ name, datatype }) => (datatype === "BYTES" ? name : ""));
  if (names.join() === "payload,upstream") return "worker";
  return platform === "tandem_pipeline" && names.join() === "payload" ? "gateway" : null;
}

export function remoteTandem(
  remote: RemoteModel,
  form: "worker" | "gateway",
  close: () => Promise<void>,
): TaskModel {
  return {
    provenance: remote.provenance,
    inputs: null,
    outputs: null,
    run: (batch) =>
      form === "worker"
        ? wholeBatch(remote, batch)
        : Promise.all(batch.map((input) => single(remote, input))),
    close,
  };
}

async function wholeBatch(
  remote: RemoteModel,
  batch: readonly TaskInput[],
): Promise<readonly (TaskOutput | Error)[]> {
  const payload = bytesTensor(
    "payload",
    batch.map((input) => input.payload),
  );
  const upstream = bytesTensor(
    "upstream",
    batch.map((input) => Buffer.from(JSON.stringify(toldOf(input.upstream)))),
  );
  const own = wireTensors(batch.map(({ tensors = [] }) => asOwn(tensors)));
  const { outputs, rawOutputContents = [] } = await inferThere(remote, {
    modelName: remote.model,
    inputs: [payload.tensor, upstream.tensor, ...own.tensors],
    rawInputContents: [payload.raw, upstream.raw, ...own.raw],
  });
  const texts = elementsOf(outputs, rawOutputContents, "output") ?? [];
  if (texts.length !== batch.length) {
    throw new Fault(
      "cluster-failure",
      `${remote.model} answered ${texts.length} of ${batch.length} inputs`,
    );
  }
  const tensors = jobTensors(outputs, rawOutputContents, batch.length);
  return texts.map((text, i): TaskOutput | Error => {
    const output = JSON.parse(Buffer.from(text).toString()) as JobOutput;
    if ("error" in output) return new Fault(output.code as Fault["code"], output.error);
    return { ...output, tensors: tensors?.[i][""] ?? [] };
  });
}

function toldOf(upstream: TaskInput["upstream"]): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(upstream).map(([task, { labels, value }]) => [task, { labels, value }]),
  );
}

/** The labels of all its tasks; the value is what each task gave. */
async function single(remote: RemoteModel, { payload }: TaskInput): Promise<TaskOutput | Error> {
  const { tensor, raw } = bytesTensor("payload", [payload]);
  const outputs = [{ name: "output" }];
  const request = { modelName: remote.model, inputs: [tensor], outputs, rawInputContents: [raw] };
  try {
    const answer = await inferThere(remote, request);
    const [text] = elementsOf(answer.outputs, answer.rawOutputContents ?? [], "output") ?? [];
    const told = JSON.parse(Buffer.from(text ?? []).toString()) as PipelineAnswer;
    const labels = new Set(Object.values(told.outputs).flatMap((output) => output.labels));
    return { labels: [...labels], value: told.outputs };
  } catch (error) {
    if (isOfInference(error)) return error;
    throw error;
  }
}
