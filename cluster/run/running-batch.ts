/** A batch on a replica, from its start until its answer is told. */
import type { Dispatcher } from "../../core/dispatch/dispatcher.ts";
import type { BatchTimes, RunningBatch } from "../observe/run-sink.ts";
import { asBuffer } from "../protocol/bytes-tensor.ts";
import type { JobOutput, JobResult } from "../worker/backend.ts";
import type { LiveRequest, RequestError, TaskTiming } from "./live-request.ts";

/** A batch that the dispatcher started. */
export interface StartedBatch extends RunningBatch<LiveRequest> {
  readonly jobs: readonly number[];
}

/** The batch that the dispatcher holds for a replica; `live` gives the request of a slot. */
export function runningBatch(
  dispatcher: Dispatcher,
  replica: number,
  live: readonly (LiveRequest | undefined)[],
  nowUs: number,
  freeUs: number,
): StartedBatch {
  const { batchJobs, batchAt, batchSize, requests: table } = dispatcher;
  const size = batchSize[replica];
  const jobs = new Array<number>(size);
  const requests = new Array<LiveRequest>(size);
  const tasks = new Array<number>(size);
  const queuedUs = new Array<number>(size);
  for (let i = 0; i < size; i++) {
    const job = batchJobs[batchAt[replica] + i];
    jobs[i] = job;
    requests[i] = live[table.requestOf(job)] as LiveRequest;
    tasks[i] = table.taskOf(job);
    queuedUs[i] = table.enqueuedUs[job];
  }
  return { replica, jobs, requests, tasks, queuedUs, startUs: nowUs, freeUs };
}

/** Gives each job its output; returns the requests whose output is an error. */
export function keepOutputs(
  batch: StartedBatch,
  outputs: readonly JobResult[],
  { serviceUs }: BatchTimes,
  { replica, nowUs }: { readonly replica: string; readonly nowUs: number },
): readonly [LiveRequest, RequestError][] {
  const { requests, tasks, queuedUs, startUs } = batch;
  const errors: [LiveRequest, RequestError][] = [];
  for (let i = 0; i < requests.length; i++) {
    const timing: TaskTiming = {
      queuedUs: queuedUs[i],
      startUs,
      endUs: nowUs,
      serviceUs,
      replica,
      batch: requests.length,
    };
    const error = keepOutput(requests[i], tasks[i], outputs[i], timing);
    if (error !== null) errors.push([requests[i], error]);
  }
  return errors;
}

/** Keeps a job's output with its request; gives the error if that is what the output is. */
function keepOutput(
  request: LiveRequest,
  task: number,
  output: JobResult,
  timing: TaskTiming,
): RequestError | null {
  const { text: bytes, tensors } = output;
  const text = asBuffer(bytes).toString();
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
