/** The thread that a real model runs in, off the worker's event loop. One batch at a time. */
import { type MessagePort, parentPort, workerData } from "node:worker_threads";
import { Fault } from "../../core/fault.ts";
import type { ImplementationDocument } from "../../core/scenario/schema/implementation.ts";
import type { TaskModel } from "../../models/task-model.ts";
import type { ModelState } from "../protocol/model-state.ts";
import { monotonicUs } from "../time/monotonic.ts";
import type { Backend, Job, JobResult } from "./backend.ts";
import { runJobs } from "./model-jobs.ts";
import { openModel } from "./open-model.ts";

export interface ThreadSpecification {
  /** The model's name in the scenario. */
  readonly model: string;
  readonly implementation: ImplementationDocument;
  /** Where paths in the implementation start. */
  readonly folder: string;
  readonly cacheDir: string | null;
}

export type ThreadOrder =
  | { readonly kind: "run"; readonly jobs: readonly Job[] }
  | { readonly kind: "close" };

export type LoadedModel = Omit<Backend, "run" | "close">;

export type ThreadAnswer =
  | { readonly kind: "ready"; readonly model: LoadedModel }
  | {
      readonly kind: "failed";
      readonly message: string;
      readonly hint?: string;
      readonly code?: Fault["code"];
    }
  | { readonly kind: "state"; readonly state: ModelState }
  | { readonly kind: "closed" }
  | { readonly kind: "done"; readonly outputs: readonly JobResult[]; readonly serviceUs: number };

const port = parentPort as MessagePort;

load(workerData as ThreadSpecification).catch((error: unknown) => port.postMessage(failure(error)));

async function load(specification: ThreadSpecification): Promise<void> {
  const { implementation, folder, cacheDir } = specification;
  const startUs = monotonicUs();
  const before = process.memoryUsage.rss();
  const { model: opened, memoryBytes } = await openModel(
    implementation,
    { folder, ...(cacheDir === null ? {} : { cacheDir }) },
    (state) => port.postMessage({ kind: "state", state } satisfies ThreadAnswer),
  );
  const cost = {
    loadMs: (monotonicUs() - startUs) / 1000,
    memoryBytes: memoryBytes + Math.max(0, process.memoryUsage.rss() - before),
  };
  port.on("message", (order: ThreadOrder) => {
    if (order.kind === "run") void answer(opened, order.jobs);
    else void close(opened);
  });
  const { inputs, outputs, provenance } = opened;
  const model = { inputs, outputs, provenance, cost };
  port.postMessage({ kind: "ready", model } satisfies ThreadAnswer);
}

async function close(opened: TaskModel): Promise<void> {
  await opened.close();
  port.postMessage({ kind: "closed" } satisfies ThreadAnswer);
}

async function answer(opened: TaskModel, jobs: readonly Job[]): Promise<void> {
  try {
    const done = await runJobs(opened, jobs);
    port.postMessage({ kind: "done", ...done } satisfies ThreadAnswer);
  } catch (error) {
    port.postMessage(failure(error));
  }
}

function failure(error: unknown): ThreadAnswer {
  const message = error instanceof Error ? error.message : String(error);
  if (!(error instanceof Fault)) return { kind: "failed", message };
  const { code, hint } = error;
  return { kind: "failed", message, code, ...(hint === undefined ? {} : { hint }) };
}
