/** A batch on a replica, from its start until its answer is told. */
import type { Dispatcher } from "../../core/dispatch/dispatcher.ts";
import type { JobOutput, JobResult } from "../worker/backend.ts";
import type { LiveRequest, RequestError, TaskTiming } from "./live-request.ts";

export interface RunningBatch {
  readonly replica: number;
  readonly jobs: readonly number[];
  readonly requests: readonly LiveRequest[];
  readonly tasks: readonly number[];
  readonly queuedUs: readonly number[];
  readonly startUs: number;
  /** Since when the replica had nothing to run. */
  readonly freeUs: number;
}

/** What the worker answered, and what the way there and back cost; wall-clock µs. */
export interface BatchOutcome {
  readonly outputs: readonly JobResult[];
  readonly serviceUs: number;
  readonly hopUs: number;
}

/** The batch that the dispatcher holds for a replica; `live` gives the request of a slot. */
export function runningBatch(
  dispatcher: Dispatcher,
  replica: number,
  live: readonly (LiveRequest | undefined)[],
  nowUs: number,
  freeUs: number,
): RunningBatch {
  const { batchJobs, batchAt, batchSize, requests } = dispatcher;
  const at = batchAt[replica];
  const jobs = Array.from(batchJobs.subarray(at, at + batchSize[replica]));
  return {
    replica,
    jobs,
    requests: jobs.map((job) => live[requests.requestOf(job)] as LiveRequest),
    tasks: jobs.map((job) => requests.taskOf(job)),
    queuedUs: jobs.map((job) => requests.enqueuedUs[job]),
    startUs: nowUs,
    freeUs,
  };
}

/** Gives each job its output; returns the requests whose output is an error. */
export function keepOutputs(
  batch: RunningBatch,
  { outputs, serviceUs }: BatchOutcome,
  replica: string,
  nowUs: number,
): readonly [LiveRequest, RequestError][] {
  const { requests, tasks, queuedUs } = batch;
  const timing = { startUs: batch.startUs, endUs: nowUs, serviceUs, replica };
  return requests.flatMap((request, i): [LiveRequest, RequestError][] => {
    const own = { ...timing, queuedUs: queuedUs[i], batch: requests.length };
    const error = keepOutput(request, tasks[i], outputs[i], own);
    return error === null ? [] : [[request, error]];
  });
}

/** Keeps a job's output with its request; gives the error if that is what the output is. */
function keepOutput(
  request: LiveRequest,
  task: number,
  output: JobResult,
  timing: TaskTiming,
): RequestError | null {
  const { text: bytes, tensors } = output;
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString();
  const parsed = parseOutput(text);
  if ("error" in parsed) {
    return { code: parsed.code as RequestError["code"], message: parsed.error };
  }
  request.results[task] = { text, tensors, labels: parsed.labels, timing };
  return null;
}

function parseOutput(text: string): JobOutput {
  try {
    return JSON.parse(text) as JobOutput;
  } catch {
    return {
      error: `a worker answered what is no JSON: ${text.slice(0, 80)}`,
      code: "cluster-failure",
    };
  }
}
