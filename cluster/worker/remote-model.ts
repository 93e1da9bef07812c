/** A model on another server of the protocol: as an engine of tensors, or in Tandem's own form. */
import { type ServiceError, status } from "@grpc/grpc-js";
import { Fault } from "../../core/fault.ts";
import { type Engine, isOfInference } from "../../models/engine.ts";
import type { ModelProvenance, TaskInput, TaskModel, TaskOutput } from "../../models/task-model.ts";
import { isDatatype, type TensorSpec } from "../../models/tensor.ts";
import { asOwn, batchContents, jobResults } from "../protocol/batch-form.ts";
import type { InferenceClient } from "../protocol/client.ts";
import type { ModelMetadata, TensorMetadata } from "../protocol/descriptions.ts";
import type { ModelInferRequest, ModelInferResponse } from "../protocol/messages.ts";
import { bytesTensor, outputText, rawTensor } from "../protocol/tensors.ts";
import type { JobOutput } from "./backend.ts";

export interface RemoteModel {
  readonly client: InferenceClient;
  readonly model: string;
  readonly metadata: ModelMetadata;
  readonly provenance: ModelProvenance;
  readonly timeoutMs: number;
}

/** Rejects with a Fault without such a server or model, or while the model is not ready. */
export async function remoteModel(
  client: InferenceClient,
  model: string,
  timeoutMs: number,
): Promise<RemoteModel> {
  const { ready } = await client.modelReady({ name: model });
  if (ready !== true) {
    throw new Fault("cluster-failure", `${client.address} has the model ${model}, but not ready`, {
      hint: "load it there first",
    });
  }
  const metadata = await client.modelMetadata({ name: model });
  const server = await client.serverMetadata();
  const provenance: ModelProvenance = {
    name: model,
    files: [],
    source: `${model} at ${client.address}`,
    license: "as its server's owner says",
    runtime: `${server.name} ${server.version}, ${metadata.platform}`,
    provider: "external",
  };
  return { client, model, metadata, provenance, timeoutMs };
}

/** Rejects with Fault("unavailable") when the server is not there, else with its own fault. */
async function inferThere(
  { client, timeoutMs }: RemoteModel,
  request: ModelInferRequest,
): Promise<ModelInferResponse> {
  try {
    return await client.inferAsync(request, { deadline: Date.now() + timeoutMs });
  } catch (error) {
    const { cause, message } = error as Fault;
    if ((cause as ServiceError).code !== status.UNAVAILABLE) throw error;
    throw new Fault("unavailable", message, { cause });
  }
}

/** Throws Fault("invalid-input") for unknown datatypes. */
export function remoteEngine(remote: RemoteModel, close: () => Promise<void>): Engine {
  const { client, model, metadata, provenance } = remote;
  const inputs = metadata.inputs.map(specOf);
  const outputs = metadata.outputs.map(specOf);
  return {
    inputs,
    outputs,
    provenance,
    async run(feeds) {
      const response = await inferThere(remote, {
        modelName: model,
        inputs: feeds.map(({ datatype, shape }, i) => ({ name: inputs[i].name, datatype, shape })),
        rawInputContents: feeds.map(({ raw }) => raw),
      });
      const raw = response.rawOutputContents ?? [];
      const given = response.outputs.map((tensor, i) => rawTensor(tensor, raw[i]));
      return outputs.map(({ name }) => {
        const found = given.find((tensor) => tensor.name === name);
        if (found !== undefined) return found;
        throw new Fault("cluster-failure", `${model} at ${client.address} gave no output ${name}`);
      });
    },
    close,
  };
}

function specOf({ name, datatype, shape }: TensorMetadata): TensorSpec {
  if (isDatatype(datatype)) return { name, datatype, shape };
  throw new Fault("invalid-input", `the tensor ${name} is ${datatype}, which is unknown here`);
}

/** A model of another Tandem: a worker takes whole batches, a gateway single requests. */
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
  const response = await inferThere(remote, {
    modelName: remote.model,
    ...batchContents(
      batch.map(({ payload }) => payload),
      batch.map(({ upstream }) => Buffer.from(upstreamJson(upstream))),
      batch.map(({ tensors = [] }) => asOwn(tensors)),
    ),
  });
  return jobResults(response, batch.length).map(({ text, tensors }): TaskOutput | Error => {
    const output = JSON.parse(Buffer.from(text).toString()) as JobOutput;
    if ("error" in output) return new Fault(output.code as Fault["code"], output.error);
    return { ...output, tensors };
  });
}

/** Without the tensors, which are raw contents of the message. */
function upstreamJson(upstream: TaskInput["upstream"]): string {
  const outputs = Object.entries(upstream);
  return JSON.stringify(
    Object.fromEntries(outputs.map(([task, { labels, value }]) => [task, { labels, value }])),
  );
}

/** The output has the labels of all tasks; its value is the outputs by task. */
async function single(remote: RemoteModel, { payload }: TaskInput): Promise<TaskOutput | Error> {
  const { tensor, raw } = bytesTensor("payload", [payload]);
  const outputs = [{ name: "output" }];
  const request = { modelName: remote.model, inputs: [tensor], outputs, rawInputContents: [raw] };
  try {
    const { outputs: byTask } = JSON.parse(outputText(await inferThere(remote, request))) as {
      readonly outputs: Readonly<Record<string, TaskOutput>>;
    };
    const labels = new Set(Object.values(byTask).flatMap((output) => output.labels));
    return { labels: [...labels], value: byTask };
  } catch (error) {
    if (isOfInference(error)) return error;
    throw error;
  }
}
