/** A real model's thread, off the worker's event loop. It runs one batch at a time. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { openImplementation } from "../../models/registry.ts";
import type { TaskModel } from "../../models/task-model.ts";
import type { ImplementationDocument } from "../../scenario/schema/implementation.ts";
import { kindOf } from "../../scenario/schema/implementation-kinds.ts";
import { type FailureMessage, failureMessage } from "../processes/child-side.ts";
import type { ModelState } from "../protocol/hosted-models.ts";
import type { JobResult } from "../protocol/tensors.ts";
import { monotonicUs } from "../time/clock.ts";
import { type Backend, type Batch, runJobs } from "./backend.ts";
import type { OpenedModel } from "./open-remote.ts";

export interface ThreadSpecification {
  /** The model's name in the scenario. */
  readonly model: string;
  readonly implementation: ImplementationDocument;
  /** Base of relative paths in the implementation. */
  readonly folder: string;
  readonly cacheDir: string | null;
}

export type ThreadOrder =
  | { readonly kind: "run"; readonly batch: Pick<Batch, "jobs" | "busyUs"> }
  | { readonly kind: "close" };

type LoadedModel = Omit<Backend, "run" | "close">;

export type ThreadAnswer =
  | { readonly kind: "ready"; readonly model: LoadedModel }
  | FailureMessage
  | { readonly kind: "state"; readonly state: ModelState }
  | { readonly kind: "closed" }
  | { readonly kind: "done"; readonly outputs: readonly JobResult[]; readonly serviceUs: number };

const port = parentPort as MessagePort;

load(workerData as ThreadSpecification).catch((error: unknown) =>
  port.postMessage(failureMessage(error)),
);

async function load(specification: ThreadSpecification): Promise<void> {
  const startUs = monotonicUs();
  const before = process.memoryUsage.rss();
  const { model: opened, memoryBytes } = await openModel(specification);
  const cost = {
    loadMs: (monotonicUs() - startUs) / 1000,
    memoryBytes: memoryBytes + Math.max(0, process.memoryUsage.rss() - before),
  };
  port.on("message", (order: ThreadOrder) => {
    if (order.kind === "run") void answer(opened, order.batch);
    else void close(opened);
  });
  const { inputs, outputs, provenance } = opened;
  const model = { inputs, outputs, provenance, cost };
  port.postMessage({ kind: "ready", model } satisfies ThreadAnswer);
}

async function openModel(specification: ThreadSpecification): Promise<OpenedModel> {
  const { implementation, folder, cacheDir } = specification;
  const changed = (state: ModelState): void =>
    port.postMessage({ kind: "state", state } satisfies ThreadAnswer);
  switch (kindOf(implementation)) {
    case "name":
    case "onnx": {
      const options = { folder, ...(cacheDir === null ? {} : { cacheDir }) };
      return { model: await openImplementation(implementation, options), memoryBytes: 0 };
    }
    // Only these need gRPC in the thread.
    case "external": {
      const { openExternal } = await import("./open-remote.ts");
      return openExternal(implementation, folder, changed);
    }
    case "command": {
      const { openCommand } = await import("./open-remote.ts");
      return openCommand(implementation, folder, changed);
    }
  }
}

async function close(opened: TaskModel): Promise<void> {
  await opened.close();
  port.postMessage({ kind: "closed" } satisfies ThreadAnswer);
}

async function answer(opened: TaskModel, batch: Parameters<typeof runJobs>[1]): Promise<void> {
  try {
    const done = await runJobs(opened, batch);
    port.postMessage({ kind: "done", ...done } satisfies ThreadAnswer);
  } catch (error) {
    port.postMessage(failureMessage(error));
  }
}
