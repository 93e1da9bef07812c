/** The thread that a real model runs in, off the worker's event loop. One batch at a time. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { Fault } from "../../core/fault.ts";
import { openTaskModel } from "../../models/registry.ts";
import type { TaskInput, TaskModel, TaskOutput } from "../../models/task-model.ts";
import { monotonicUs } from "../monotonic.ts";
import type { JobOutput } from "./backend.ts";

export interface ThreadSpecification {
  readonly model: string;
  readonly parameters: Readonly<Record<string, string | number>>;
  readonly cacheDir: string | null;
}

export interface ThreadBatch {
  readonly payloads: readonly Uint8Array[];
  readonly upstream: readonly Uint8Array[];
}

export type ThreadAnswer =
  | { readonly kind: "ready" }
  | { readonly kind: "failed"; readonly message: string; readonly hint?: string }
  | { readonly kind: "done"; readonly outputs: readonly Uint8Array[]; readonly serviceUs: number };

const port = parentPort as MessagePort;
const { model, parameters, cacheDir } = workerData as ThreadSpecification;

openTaskModel(model, parameters, cacheDir === null ? {} : { cacheDir }).then(
  (opened) => {
    port.on("message", (batch: ThreadBatch) => void answer(opened, batch));
    port.postMessage({ kind: "ready" } satisfies ThreadAnswer);
  },
  (error: unknown) => port.postMessage(failure(error)),
);

async function answer(opened: TaskModel, batch: ThreadBatch): Promise<void> {
  try {
    const inputs = batch.payloads.map((payload, i): TaskInput => {
      const upstream = JSON.parse(Buffer.from(batch.upstream[i]).toString()) as Record<
        string,
        TaskOutput
      >;
      return { payload, upstream };
    });
    const startUs = monotonicUs();
    const results = await opened.run(inputs);
    const serviceUs = monotonicUs() - startUs;
    const outputs = results.map((result) => Buffer.from(JSON.stringify(outputOf(result))));
    port.postMessage({ kind: "done", outputs, serviceUs } satisfies ThreadAnswer);
  } catch (error) {
    port.postMessage(failure(error));
  }
}

function outputOf(result: TaskOutput | Error): JobOutput {
  if (!(result instanceof Error)) return { labels: result.labels, value: result.value ?? null };
  const code = result instanceof Fault ? result.code : "invalid-input";
  return { error: result.message, code };
}

function failure(error: unknown): ThreadAnswer {
  const message = error instanceof Error ? error.message : String(error);
  const hint = error instanceof Fault ? error.hint : undefined;
  return { kind: "failed", message, ...(hint === undefined ? {} : { hint }) };
}
