/** Models that other processes serve: on another server, or in a command that is kept alive. */
import type { ImplementationDocument } from "../../core/scenario/schema/implementation.ts";
import { openDeclaredModel } from "../../models/declared-model.ts";
import type { TaskModel } from "../../models/task-model.ts";
import { InferenceClient } from "../protocol/client.ts";
import type { ModelState } from "../protocol/hosted-models.ts";
import { externalAccess } from "./external-access.ts";
import type { OpenedModel } from "./open-model.ts";
import { type RemoteModel, remoteEngine, remoteModel } from "./remote-engine.ts";
import { remoteTandem, tandemForm } from "./remote-tandem.ts";
import { ServedCommand } from "./served-command.ts";

const WATCH_MS = 1000;

type Changed = (state: ModelState) => void;

export async function openExternal(
  implementation: ImplementationDocument,
  folder: string,
  changed: Changed,
): Promise<OpenedModel> {
  const external = implementation.external as NonNullable<typeof implementation.external>;
  const { address, model: name, timeoutS } = external;
  const client = new InferenceClient(address, externalAccess(external, folder));
  const watch = watchServer(client, name, changed);
  const close = async (): Promise<void> => {
    watch.stop();
    client.close();
  };
  const remote = await orClose(remoteModel(client, name, timeoutS * 1000), close);
  watch.start();
  return { model: await onTop(remote, implementation, folder, close), memoryBytes: 0 };
}

export async function openCommand(
  implementation: ImplementationDocument,
  folder: string,
  changed: Changed,
): Promise<OpenedModel> {
  const command = implementation.command as NonNullable<typeof implementation.command>;
  const served = await ServedCommand.start(command, folder, changed);
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

/** The declared steps around a remote model; a Tandem without any is taken as it is. */
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

/** Asks a server again and again whether its model is ready. */
function watchServer(
  client: InferenceClient,
  model: string,
  changed: (state: ModelState) => void,
): { start(): void; stop(): void } {
  let timer: NodeJS.Timeout | undefined;
  let stopped = false;
  let wasReady = true;
  const look = async (): Promise<void> => {
    const reason = await client.modelReady({ name: model }).then(
      ({ ready }) => (ready === true ? "" : `${model} at ${client.address} is not ready`),
      (error: Error) => error.message,
    );
    if (stopped) return;
    const isReady = reason === "";
    if (isReady !== wasReady) changed({ state: isReady ? "READY" : "UNAVAILABLE", reason });
    wasReady = isReady;
    timer = setTimeout(look, WATCH_MS);
  };
  return {
    start: () => {
      timer = setTimeout(look, WATCH_MS);
    },
    stop: () => {
      stopped = true;
      clearTimeout(timer);
    },
  };
}
