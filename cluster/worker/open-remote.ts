/**
 * Opens models that other processes serve: another server of the protocol, or a command. A model there is an engine
 * of tensors, or in Tandem's own form.
 */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { type ServiceError, status } from "@grpc/grpc-js";
import { Fault } from "../../engine/basics/fault.ts";
import { isOfInference, openDeclaredModel } from "../../models/declared-model.ts";
import type {
  Engine,
  ModelProvenance,
  TaskInput,
  TaskModel,
  TaskOutput,
} from "../../models/task-model.ts";
import { isDatatype, type TensorSpec } from "../../models/tensor.ts";
import type { ImplementationDocument } from "../../scenario/schema/implementation.ts";
import { InferenceClient } from "../protocol/client.ts";
import {
  type ModelMetadata,
  type ModelState,
  type TensorMetadata,
  tandemForm,
} from "../protocol/hosted-models.ts";
import type { ModelInferRequest, ModelInferResponse } from "../protocol/messages.ts";
import {
  asOwn,
  batchContents,
  bytesTensor,
  jobResults,
  outputText,
  rawTensor,
} from "../protocol/tensors.ts";
import type { ClientAccess } from "../security/client-access.ts";
import type { JobOutput } from "./backend.ts";
import { ServedCommand } from "./served-command.ts";

const WATCH_MS = 1000;

export interface OpenedModel {
  readonly model: TaskModel;
  /** Resident memory of a command that serves the model, bytes; 0: none, or unknown. */
  readonly memoryBytes: number;
}

type External = NonNullable<ImplementationDocument["external"]>;

/** Called when the model becomes unable to serve, and able again. */
type Changed = (state: ModelState) => void;

export async function openExternal(
  implementation: ImplementationDocument,
  folder: string,
  changed: Changed,
): Promise<OpenedModel> {
  const external = implementation.external as External;
  const { address, model: name, timeoutS } = external;
  const client = new InferenceClient(address, externalAccess(external, folder));
  let unwatch = (): void => undefined;
  const close = async (): Promise<void> => {
    unwatch();
    client.close();
  };
  const remote = await orClose(remoteModel(client, name, timeoutS * 1000), close);
  unwatch = watchServer(client, name, changed);
  return { model: await onTop(remote, implementation, folder, close), memoryBytes: 0 };
}

export async function openCommand(
  implementation: ImplementationDocument,
  folder: string,
  changed: Changed,
): Promise<OpenedModel> {
  const command = implementation.command as NonNullable<typeof implementation.command>;
  const served = new ServedCommand(command, folder, changed);
  await served.start();
  const client = new InferenceClient(served.address);
  const close = async (): Promise<void> => {
    client.close();
    await served.stop();
  };
  const remote = await orClose(remoteModel(client, command.model, command.timeoutS * 1000), close);
  const model = await onTop(remote, implementation, folder, close);
  return { model, memoryBytes: served.memoryBytes() };
}

async function orClose<T>(opening: Promise<T>, close: () => Promise<void>): Promise<T> {
  try {
    return await opening;
  } catch (error) {
    await close();
    throw error;
  }
}

/** Adds the declared steps to a remote model; another Tandem needs none. */
async function onTop(
  remote: RemoteModel,
  implementation: ImplementationDocument,
  folder: string,
  close: () => Promise<void>,
): Promise<TaskModel> {
  const form = tandemForm(remote.metadata);
  if (implementation.preprocess === undefined && form !== null) {
    return remoteTandem(remote, form, close);
  }
  return orClose(openDeclaredModel(remoteEngine(remote, close), implementation, folder), close);
}

/** Polls whether a server's model is ready. Returns the function that ends it. */
function watchServer(client: InferenceClient, model: string, changed: Changed): () => void {
  let wasReady = true;
  let stopped = false;
  let timer = setTimeout(look, WATCH_MS);
  async function look(): Promise<void> {
    const reason = await client.modelReady({ name: model }).then(
      ({ ready }) => (ready === true ? "" : `${model} at ${client.address} is not ready`),
      (error: Error) => error.message,
    );
    if (stopped) return;
    const isReady = reason === "";
    if (isReady !== wasReady) changed({ state: isReady ? "READY" : "UNAVAILABLE", reason });
    wasReady = isReady;
    timer = setTimeout(look, WATCH_MS);
  }
  return () => {
    stopped = true;
    clearTimeout(timer);
  };
}

/**
 * Credentials for another server, from the files and variables that the scenario names. Throws
 * Fault("invalid-input") with the name of an unreadable one, never with its contents.
 */
export function externalAccess({ tls, token }: External, folder: string): ClientAccess {
  const read = (file: string, what: string): string => {
    const path = resolve(folder, file);
    try {
      return readFileSync(path, "utf8");
    } catch (cause) {
      const { code } = cause as NodeJS.ErrnoException;
      throw new Fault("invalid-input", `cannot read the ${what} ${path}: ${code}`, { cause });
    }
  };
  const { ca, certificate, key, serverName } = tls ?? {};
  const pair =
    certificate === undefined || key === undefined
      ? null
      : { cert: read(certificate, "certificate"), key: read(key, "key") };
  const authority = ca === undefined ? null : read(ca, "authority");
  const named = serverName === undefined ? {} : { serverName };
  return {
    tls: tls === undefined ? null : { ca: authority, pair, server: null, ...named },
    token: token === undefined ? null : tokenOf(token, folder, read),
  };
}

/** One word of visible characters, as a header requires. */
function tokenOf(
  { file, environment = "" }: NonNullable<External["token"]>,
  folder: string,
  read: (file: string, what: string) => string,
): string {
  const text = file === undefined ? process.env[environment] : read(file, "token");
  const token = text?.trim() ?? "";
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  const [from, hint] =
    file === undefined
      ? [`the variable ${environment}`, "set it where `tandem` is started; workers inherit it"]
      : [resolve(folder, file), "the file holds the token alone, without the word Bearer"];
  throw new Fault("invalid-input", `${from} holds no token`, { hint });
}

interface RemoteModel {
  readonly client: InferenceClient;
  readonly model: string;
  readonly metadata: ModelMetadata;
  readonly provenance: ModelProvenance;
  readonly timeoutMs: number;
}

/** Rejects with a Fault without such a server or model, or while the model is not ready. */
async function remoteModel(
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
function remoteEngine(remote: RemoteModel, close: () => Promise<void>): Engine {
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
function remoteTandem(
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
