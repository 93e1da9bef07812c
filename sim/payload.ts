/** Bytes that a batch carries: to its device, and back to the gateway. */
import type { Dispatcher } from "../core/dispatch/dispatcher.ts";
import { JOB } from "../core/dispatch/request-table.ts";
import type { TaskSystem } from "../core/system.ts";

/** Bytes of the batch that the dispatcher holds for a replica. */
export function inputBytes(dispatcher: Dispatcher, replica: number): number {
  return sumOfJobs(dispatcher, replica, (task, base) => {
    const { state } = dispatcher.requests;
    let bytes = task.payloadBytes;
    for (let i = 0; i < task.predecessors.length; i++) {
      if (state[base + task.predecessors[i]] === JOB.ran) bytes += task.edgeBytes[i];
    }
    return bytes;
  });
}

export function outputBytes(dispatcher: Dispatcher, replica: number): number {
  return sumOfJobs(dispatcher, replica, (task) => task.outputBytes);
}

/** `bytesOf` is given each job's task and the first job of its request. */
function sumOfJobs(
  { batchJobs, batchAt, batchSize, requests, system }: Dispatcher,
  replica: number,
  bytesOf: (task: TaskSystem, base: number) => number,
): number {
  let sum = 0;
  const at = batchAt[replica];
  for (let i = at; i < at + batchSize[replica]; i++) {
    const job = batchJobs[i];
    const request = requests.requestOf(job);
    const { tasks } = system.pipelines[requests.pipeline[request]];
    sum += bytesOf(tasks[requests.taskOf(job)], request * requests.stride);
  }
  return sum;
}
