/** What a scenario declares for a model, opened, with word of when it can serve. */
import { kindOf } from "../../core/scenario/implementation-kind.ts";
import type { ImplementationDocument } from "../../core/scenario/schema/implementation.ts";
import { type ImplementationOptions, openImplementation } from "../../models/registry.ts";
import type { TaskModel } from "../../models/task-model.ts";
import type { ModelState } from "../protocol/model-state.ts";

export interface OpenedModel {
  readonly model: TaskModel;
  /** Resident memory of another process that serves the model, bytes; 0: none, or unknown. */
  readonly memoryBytes: number;
}

/** `changed` is told when the model can serve no longer, and when it can again. */
export async function openModel(
  implementation: ImplementationDocument,
  options: ImplementationOptions,
  changed: (state: ModelState) => void,
): Promise<OpenedModel> {
  switch (kindOf(implementation)) {
    case "name":
    case "onnx":
      return { model: await openImplementation(implementation, options), memoryBytes: 0 };
    case "external": {
      // Models of this process need no gRPC.
      const { openExternal } = await import("./open-remote.ts");
      return openExternal(implementation, options.folder, changed);
    }
    case "command": {
      const { openCommand } = await import("./open-remote.ts");
      return openCommand(implementation, options.folder, changed);
    }
  }
}
