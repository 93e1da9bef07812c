/** The batches that the dispatcher holds for the replicas, as executors read them. */
import type { Dispatcher } from "../dispatch/dispatcher.ts";
import { grown, JOB } from "../dispatch/request-table.ts";
import type { RunRecorder } from "../metrics/recorder.ts";
import { loadOf, type SizeSource, timeFactor, type VariableService } from "../service/service.ts";
import type { TaskSystem } from "../system/system.ts";

/** The dispatcher's data without its events: an executor cannot call the dispatcher. */
export type Batches = Pick<
  Dispatcher,
  "system" | "requests" | "batchJobs" | "batchAt" | "batchSize" | "poolOf"
>;

/** Tells the recorder that the batch on a replica ran from `startUs` to `endUs`. */
export function recordBatch(
  recorder: RunRecorder,
  batches: Batches,
  replica: number,
  startUs: number,
  endUs: number,
): void {
  recorder.batchRan(batches.poolOf[replica], startUs, endUs, batches.batchSize[replica]);
  if (!recorder.wantsBars) return;
  const { batchJobs, batchAt, batchSize, requests } = batches;
  const at = batchAt[replica];
  const jobs = Array.from(batchJobs.subarray(at, at + batchSize[replica]));
  const serials = jobs.map((job) => requests.serial[requests.requestOf(job)]);
  recorder.drewBar(replica, startUs, endUs, serials);
}

/** Bytes of the batch that the dispatcher holds for a replica. */
export function inputBytes(batches: Batches, replica: number): number {
  return sumOfJobs(batches, replica, (task, base) => {
    const { state } = batches.requests;
    let bytes = task.payloadBytes;
    for (let i = 0; i < task.predecessors.length; i++) {
      if (state[base + task.predecessors[i]] === JOB.ran) bytes += task.edgeBytes[i];
    }
    return bytes;
  });
}

export function outputBytes(batches: Batches, replica: number): number {
  return sumOfJobs(batches, replica, (task) => task.outputBytes);
}

/** `bytesOf` is given each job's task and the first job of its request. */
function sumOfJobs(
  { batchJobs, batchAt, batchSize, requests, system }: Batches,
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

/** The input sizes of the requests in the system, and the factors that they give batches' times. */
export class SizedInputs {
  readonly #source: SizeSource;
  readonly #batches: Batches;
  /** By slot. */
  #sizes = new Float64Array(0);

  constructor(source: SizeSource, batches: Batches) {
    this.#source = source;
    this.#batches = batches;
  }

  /** Draws the size of the next request. */
  draw(request: number): void {
    this.place(request, this.#source.next());
  }

  /** Gives a further attempt the size of its request. */
  place(request: number, size: number): void {
    const { capacity } = this.#batches.requests;
    if (this.#sizes.length < capacity) {
      this.#sizes = grown(this.#sizes, new Float64Array(capacity));
    }
    this.#sizes[request] = size;
  }

  of(request: number): number {
    return this.#sizes[request];
  }

  /** Sets the factor of the batch that is about to start on a replica. */
  scale(replica: number): void {
    const { batchJobs, batchAt, batchSize, requests, system } = this.#batches;
    const { pool, service } = system.replicas[replica];
    const { inputScaling } = system.pools[pool];
    if (inputScaling === null) return;
    const at = batchAt[replica];
    const count = batchSize[replica];
    let sum = 0;
    let most = 0;
    for (let i = at; i < at + count; i++) {
      const load = loadOf(inputScaling, this.#sizes[requests.requestOf(batchJobs[i])]);
      sum += load;
      if (load > most) most = load;
    }
    const load = inputScaling.batch === "sum" ? sum / count : most;
    // Compiled so for every pool whose model scales with its inputs.
    (service as VariableService).factor = timeFactor(inputScaling, load);
  }
}
