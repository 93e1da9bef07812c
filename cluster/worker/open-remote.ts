/** Opens models that other processes serve: another server, or a command. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { Fault } from "../../core/fault.ts";
import type { ImplementationDocument } from "../../core/scenario/schema/implementation.ts";
import { openDeclaredModel } from "../../models/declared-model.ts";
import type { TaskModel } from "../../models/task-model.ts";
import { InferenceClient } from "../protocol/client.ts";
import { type ModelState, tandemForm } from "../protocol/hosted-models.ts";
import type { ClientAccess, ClientTls } from "../security/client-access.ts";
import { type RemoteModel, remoteEngine, remoteModel, remoteTandem } from "./remote-model.ts";
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
  return {
    tls: tls === undefined ? null : tlsOf(tls, folder),
    token: token === undefined ? null : tokenOf(token, folder),
  };
}

function tlsOf(
  { ca, certificate, key, serverName }: NonNullable<External["tls"]>,
  folder: string,
): ClientTls {
  return {
    ca: ca === undefined ? null : read(folder, ca, "authority"),
    pair:
      certificate === undefined || key === undefined
        ? null
        : { cert: read(folder, certificate, "certificate"), key: read(folder, key, "key") },
    server: null,
    ...(serverName === undefined ? {} : { serverName }),
  };
}

/** One word of visible characters, as a header requires. */
function tokenOf(
  { file, environment = "" }: NonNullable<External["token"]>,
  folder: string,
): string {
  const from = file === undefined ? `the variable ${environment}` : resolve(folder, file);
  const text = file === undefined ? process.env[environment] : read(folder, file, "token");
  const token = text?.trim() ?? "";
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new Fault("invalid-input", `${from} holds no token`, {
    hint:
      file === undefined
        ? "set it where `tandem` is started; workers inherit it"
        : "the file holds the token alone, without the word Bearer",
  });
}

function read(folder: string, file: string, what: string): string {
  const path = resolve(folder, file);
  try {
    return readFileSync(path, "utf8");
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException;
    throw new Fault("invalid-input", `cannot read the ${what} ${path}: ${code}`, { cause });
  }
}
