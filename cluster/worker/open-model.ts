/** What a scenario declares for a model, opened, with word of when it can serve. */
import { kindOf } from "../../core/scenario/check-implementations.ts";
import type { ImplementationDocument } from "../../core/scenario/schema/implementation.ts";
import { openDeclaredModel } from "../../models/declared-model.ts";
import {
  type ImplementationOptions,
  openImplementation,
} from "../../models/open-implementation.ts";
import type { TaskModel } from "../../models/task-model.ts";
import { InferenceClient } from "../protocol/client.ts";
import type { ModelState } from "../protocol/model-state.ts";
import { externalAccess } from "./external-access.ts";
import { type RemoteModel, remoteEngine, remoteModel } from "./remote-engine.ts";
import { remoteTandem, tandemForm } from "./remote-tandem.ts";
import { ServedCommand } from "./served-command.ts";

export interface OpenedModel {
  readonly model: TaskModel;
  /** Resident memory of another process that serves the model, bytes; 0: none, or unknown. */
  readonly memoryBytes: number;
}

const WATCH_MS = 1000;

/** `changed` is told when the model can serve no longer, and when it can again. */
export async function openModel(
  implementation: ImplementationDocument,
  options: ImplementationOptions,
  changed: (state: ModelState) => void,
): Promise<OpenedModel> {
  const { external, command } = implementation;
  switch (kindOf(implementation)) {
    case "name":
    case "onnx":
      return { model: await openImplementation(implementation, options), memoryBytes: 0 };
    case "external": {
      const { address, model: name, timeoutS } = external as NonNullable<typeof external>;
      const access = externalAccess(external as NonNullable<typeof external>, options.folder);
      const client = new InferenceClient(address, access);
      const watch = watchServer(client, name, changed);
      const close = async (): Promise<void> => {
        watch.stop();
        client.close();
      };
      const remote = await remoteModel(client, name, timeoutS * 1000).catch(async (error) => {
        await close();
        throw error;
      });
      watch.start();
      return { model: await onTop(remote, implementation, options.folder, close), memoryBytes: 0 };
    }
    case "command": {
      const settings = command as NonNullable<typeof command>;
      const served = await ServedCommand.start(settings, options.folder, changed);
      const client = new InferenceClient(served.address);
      const close = async (): Promise<void> => {
        client.close();
        await served.stop();
      };
      const remote = await remoteModel(client, settings.model, settings.timeoutS * 1000).catch(
        async (error) => {
          await close();
          throw error;
        },
      );
      const model = await onTop(remote, implementation, options.folder, close);
      return { model, memoryBytes: served.memoryBytes() };
    }
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
  try {
    return await openDeclaredModel(remoteEngine(remote, close), implementation, folder);
  } catch (error) {
    await close();
    throw error;
  }
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
