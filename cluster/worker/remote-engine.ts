/** A model on another server of the Open Inference Protocol v2, as an engine. */
import { type ServiceError, status } from "@grpc/grpc-js";
import { Fault } from "../../core/fault.ts";
import type { Engine } from "../../models/engine.ts";
import type { ModelProvenance } from "../../models/task-model.ts";
import { isDatatype, type TensorSpec } from "../../models/tensor.ts";
import type { InferenceClient } from "../protocol/client.ts";
import type {
  ModelInferRequest,
  ModelInferResponse,
  ModelMetadata,
  TensorMetadata,
} from "../protocol/messages.ts";
import { rawTensor } from "../protocol/tensors.ts";

export interface RemoteModel {
  readonly client: InferenceClient;
  readonly model: string;
  readonly metadata: ModelMetadata;
  readonly provenance: ModelProvenance;
  readonly timeoutMs: number;
}

/**
 * Asks the server what the model is.
 * Throws a Fault when there is no such server, model or readiness.
 */
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

/** Rejects with Fault("unavailable") when the server is not there, else with what it said. */
export async function inferThere(
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

/** Runs tensors there. Throws Fault("invalid-input") for datatypes that are unknown here. */
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
