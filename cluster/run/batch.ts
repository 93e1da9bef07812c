/** A batch from the dispatcher to its message, and from the worker's message to its requests' results. */
import type { Dispatcher } from "../../core/dispatch/dispatcher.ts";
import type { BackendName } from "../../core/scenario/schema/run.ts";
import type { System, TaskSystem } from "../../core/system.ts";
import { asBuffer, type Tensor } from "../../models/tensor.ts";
import type { BatchTimes, RunningBatch } from "../observe/run-sink.ts";
import {
  asOwn,
  batchContents,
  type JobResult,
  jobResults,
  type TensorsByTask,
} from "../protocol/batch-form.ts";
import type { StreamRequest } from "../protocol/client.ts";
import {
  DEADLINE_PARAMETER,
  type InferParameter,
  type ModelInferResponse,
  type StartTimes,
  startParameters,
  TRACEPARENTS_PARAMETER,
} from "../protocol/messages.ts";
import type { JobOutput } from "../worker/backend.ts";
import type { Answer, LiveRequest, RequestError, TaskResult, TaskTiming } from "./live-request.ts";

const NO_OUTPUTS = Buffer.from("{}");
const LARGEST_PAYLOAD_BYTES = 4 * 1024 * 1024;

/** A batch that the dispatcher started. */
export type StartedBatch = RunningBatch<LiveRequest>;

/** The batch that the dispatcher holds for a replica; `live` gives the request of a slot. */
export function startedBatch(
  dispatcher: Dispatcher,
  replica: number,
  live: readonly (LiveRequest | undefined)[],
  nowUs: number,
  freeUs: number,
): StartedBatch {
  const { batchJobs, batchAt, batchSize, requests: table } = dispatcher;
  const first = batchAt[replica];
  const jobs = Array.from(batchJobs.slice(first, first + batchSize[replica]));
  return {
    replica,
    requests: jobs.map((job) => live[table.requestOf(job)] as LiveRequest),
    tasks: jobs.map((job) => table.taskOf(job)),
    queuedUs: jobs.map((job) => table.waitsSinceUs[job]),
    startUs: nowUs,
    freeUs,
  };
}

interface BatchExtras {
  /** How long its most patient client waits; Infinity: without a limit. */
  readonly waitedForMs: number;
  /** In the wall clock's time; null: it may start at any time. */
  readonly window: StartTimes | null;
  /** By job: its span; null in a run without traces. */
  readonly traceparents: readonly string[] | null;
}

/** Builds a run's messages. Replayed jobs carry as many bytes as the scenario says. */
export class BatchMessages {
  readonly #system: System;
  readonly #backend: BackendName;
  readonly #warmUp: boolean;
  readonly #filler: Buffer;
  /** By pipeline: its name as JSON, and the names of its tasks, then of its ensembles, as keys of members. */
  readonly #texts: readonly { readonly name: string; readonly keys: readonly string[] }[];
  /** By pipeline and task. */
  readonly #before: readonly (readonly (readonly number[])[])[];

  constructor(system: System, backend: BackendName, warmUp: boolean) {
    this.#system = system;
    this.#warmUp = warmUp;
    this.#backend = backend;
    this.#texts = system.pipelines.map(({ name, tasks, ensembles }) => ({
      name: JSON.stringify(name),
      keys: [...tasks, ...ensembles].map((one) => `${JSON.stringify(one.name)}:`),
    }));
    // An ensemble's answer replaces those of its members.
    this.#before = system.pipelines.map(({ tasks }) =>
      tasks.map((_, task) => {
        const before = tasksBefore(tasks, task).map((one) => {
          return tasks[one].ensemble < 0 ? one : tasks.length + tasks[one].ensemble;
        });
        return [...new Set(before)];
      }),
    );
    const sizes = system.pipelines.flatMap(({ tasks }) => tasks.map((t) => t.payloadBytes));
    this.#filler = Buffer.alloc(Math.min(LARGEST_PAYLOAD_BYTES, Math.max(0, ...sizes)));
  }

  /** `tasks[i]` is the task of `requests[i]`; `variate` that of the batch's first job. */
  request(
    replica: string,
    requests: readonly LiveRequest[],
    tasks: readonly number[],
    variate: number,
    { waitedForMs, window, traceparents }: BatchExtras,
  ): StreamRequest {
    const real = this.#backend !== "replay";
    const payloads: Uint8Array[] = [];
    const outputs: Uint8Array[] = [];
    for (let i = 0; i < requests.length; i++) {
      payloads.push(real ? requests[i].payload : this.#fill(requests[i], tasks[i]));
      outputs.push(real ? this.#outputsBefore(requests[i], tasks[i]) : NO_OUTPUTS);
    }
    const tensors =
      real && requests.some(hasTensors)
        ? requests.map((request, job) => this.#tensorsFor(request, tasks[job]))
        : null;
    const parameters: Record<string, InferParameter> = real ? {} : this.#replayed(variate);
    if (waitedForMs < Number.POSITIVE_INFINITY) {
      parameters[DEADLINE_PARAMETER] = { doubleParam: waitedForMs };
    }
    if (window !== null) Object.assign(parameters, startParameters(window));
    if (traceparents !== null) {
      parameters[TRACEPARENTS_PARAMETER] = { stringParam: traceparents.join() };
    }
    const { inputs, rawInputContents } = batchContents(payloads, outputs, tensors);
    return { modelName: replica, id: "", parameters, inputs, rawInputContents };
  }

  /** JSON of the outputs of a request's tasks, with their times. */
  answerText({ request, outcome, endedUs }: Answer): string {
    const { name, keys } = this.#texts[request.pipeline];
    const { index, arrivedUs, results } = request;
    const tasks = [...keys.keys()];
    const outputs = this.#members(request, tasks, ({ text }) => text);
    const ran = tasks.filter((task) => (results[task]?.timing.replica ?? "") !== "");
    const timings = this.#members(request, ran, ({ timing }) => JSON.stringify(timing));
    return (
      `{"pipeline":${name},"index":${index},"outcome":"${outcome}",` +
      `"timing":{"arrivedUs":${arrivedUs},"endedUs":${endedUs},"tasks":${timings}},` +
      `"outputs":${outputs}}`
    );
  }

  /** Always of one shape: another shape in a warm-up slows the compiled code in the run after it. */
  #replayed(variate: number): Record<string, InferParameter> {
    return { variate: { doubleParam: variate }, warm_up: { boolParam: this.#warmUp } };
  }

  #fill({ pipeline }: LiveRequest, task: number): Buffer {
    const { payloadBytes } = this.#system.pipelines[pipeline].tasks[task];
    return this.#filler.subarray(0, payloadBytes);
  }

  /** The request's own tensors, and those of the tasks before this one. */
  #tensorsFor({ pipeline, tensors, results }: LiveRequest, task: number): TensorsByTask {
    const byTask: Record<string, readonly Tensor[]> = { ...asOwn(tensors) };
    for (const before of this.#before[pipeline][task]) {
      const given = results[before]?.tensors ?? [];
      const { tasks, ensembles } = this.#system.pipelines[pipeline];
      const { name } = tasks[before] ?? ensembles[before - tasks.length];
      if (given.length > 0) byTask[name] = given;
    }
    return byTask;
  }

  /** Leaves out parallel tasks, whose results may or may not be there yet. */
  #outputsBefore(request: LiveRequest, task: number): Buffer {
    const before = this.#before[request.pipeline][task];
    return Buffer.from(this.#members(request, before, ({ text }) => text));
  }

  /** JSON of a text for each of these tasks and ensembles that has a result. */
  #members(
    { pipeline, results }: LiveRequest,
    tasks: readonly number[],
    textOf: (result: TaskResult) => string,
  ): string {
    const { keys } = this.#texts[pipeline];
    const members = tasks.flatMap((task) => {
      const result = results[task] ?? null;
      return result === null ? [] : [keys[task] + textOf(result)];
    });
    return `{${members.join()}}`;
  }
}

function hasTensors({ tensors, results }: LiveRequest): boolean {
  return tensors.length > 0 || results.some((result) => (result?.tensors.length ?? 0) > 0);
}

/**
 * The outputs of a batch of `count`, and the service time that the worker measured in µs; an Error
 * when the worker's answer is malformed.
 */
export function batchResult(
  response: ModelInferResponse,
  count: number,
): { outputs: readonly JobResult[]; serviceUs: number } | Error {
  try {
    const serviceUs = response.parameters?.service_us?.doubleParam ?? 0;
    return { outputs: jobResults(response, count), serviceUs };
  } catch (error) {
    return error as Error;
  }
}

/** Whether the answer of a batch's job was imputed meanwhile: nobody waits for its own. */
export function isImputed({ requests, tasks }: StartedBatch, i: number): boolean {
  return requests[i].results[tasks[i]]?.imputed === true;
}

/** Stores the output of each job with its request; returns the requests whose output is an error. */
export function keepOutputs(
  batch: StartedBatch,
  outputs: readonly JobResult[],
  { serviceUs }: BatchTimes,
  { replica, nowUs }: { readonly replica: string; readonly nowUs: number },
): readonly [LiveRequest, RequestError][] {
  const { requests, tasks, queuedUs, startUs } = batch;
  const errors: [LiveRequest, RequestError][] = [];
  for (let i = 0; i < requests.length; i++) {
    if (isImputed(batch, i)) continue;
    const timing: TaskTiming = {
      queuedUs: queuedUs[i],
      startUs,
      endUs: nowUs,
      serviceUs,
      replica,
      batch: requests.length,
    };
    const { tensors } = outputs[i];
    const text = asBuffer(outputs[i].text).toString();
    const parsed = parseOutput(text);
    if ("error" in parsed) {
      const code = parsed.code as RequestError["code"];
      errors.push([requests[i], { code, message: parsed.error }]);
    } else requests[i].results[tasks[i]] = { text, tensors, labels: parsed.labels, timing };
  }
  return errors;
}

export function parseOutput(text: string): JobOutput {
  try {
    return JSON.parse(text) as JobOutput;
  } catch {
    return {
      error: `a worker answered what is no JSON: ${text.slice(0, 80)}`,
      code: "cluster-failure",
    };
  }
}

/** The tasks before a task, the nearest first: their outputs are its input. */
export function tasksBefore(
  tasks: readonly Pick<TaskSystem, "predecessors">[],
  task: number,
): readonly number[] {
  const found = [...tasks[task].predecessors];
  for (let i = 0; i < found.length; i++) {
    for (const before of tasks[found[i]].predecessors) {
      if (!found.includes(before)) found.push(before);
    }
  }
  return found;
}
