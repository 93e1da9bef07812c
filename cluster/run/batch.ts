/** A batch from the dispatcher to its message, and from the worker's message to its requests' results. */

import { Fault, type FaultCode } from "../../engine/basics/fault.ts";
import type { Dispatcher } from "../../engine/dispatch/dispatcher.ts";
import type { StartWindow } from "../../engine/dispatch/driver.ts";
import type { System, TaskSystem } from "../../engine/system/system.ts";
import { asBuffer, type Tensor } from "../../models/tensor.ts";
import { replays } from "../../scenario/schema/implementation-kinds.ts";
import type { BackendName } from "../../scenario/schema/run.ts";
import type { BatchTimes, RunningBatch } from "../observe/run-sink.ts";
import type { StreamRequest } from "../protocol/client.ts";
import {
  DEADLINE_PARAMETER,
  type InferParameter,
  type ModelInferResponse,
  orderParameters,
  startParameters,
  type TokenOrder,
  TRACEPARENTS_PARAMETER,
} from "../protocol/messages.ts";
import {
  asOwn,
  batchContents,
  type JobResult,
  jobResults,
  type TensorsByTask,
} from "../protocol/tensors.ts";
import type { JobOutput } from "../worker/backend.ts";
import type { Answer, LiveRequest, TaskResult, TaskTiming } from "./live-request.ts";

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
  readonly window: StartWindow | null;
  /** By job: its span; null in a run without traces. */
  readonly traceparents: readonly string[] | null;
  /** Lengths of its only job; null: its model is no language model. */
  readonly tokens: TokenOrder | null;
}

export type BatchMessages = ReturnType<typeof batchMessages>;

/** Builds a run's messages. Replayed jobs carry as many bytes as the scenario says. */
export function batchMessages(system: System, backend: BackendName, warmUp: boolean) {
  const real = !replays(backend);
  const sizes = system.pipelines.flatMap(({ tasks }) => tasks.map((t) => t.payloadBytes));
  const filler = Buffer.alloc(Math.min(LARGEST_PAYLOAD_BYTES, Math.max(0, ...sizes)));
  /** By pipeline: the names of its tasks, then of its ensembles, as keys of members. */
  const keys = system.pipelines.map(({ tasks, ensembles }) =>
    [...tasks, ...ensembles].map(({ name }) => `${JSON.stringify(name)}:`),
  );
  const before = system.pipelines.map(inputsByTask);

  return {
    /** `variate` is that of the batch's first job. */
    request(
      replica: string,
      { requests, tasks }: StartedBatch,
      variate: number,
      { waitedForMs, window, traceparents, tokens }: BatchExtras,
    ): StreamRequest {
      const payloads = requests.map(({ payload, pipeline }, i) =>
        real || tokens?.prompt === null
          ? payload
          : filler.subarray(0, system.pipelines[pipeline].tasks[tasks[i]].payloadBytes),
      );
      // Without parallel tasks, whose results may or may not be there yet.
      const outputs = requests.map((request, i) =>
        real
          ? Buffer.from(members(request, keys, before[request.pipeline][tasks[i]], textOf))
          : NO_OUTPUTS,
      );
      const tensors =
        (real || tokens?.continues === true) && requests.some(hasTensors)
          ? requests.map((request, i) =>
              tensorsFor(request, system, before[request.pipeline][tasks[i]]),
            )
          : null;
      // Always of one shape: another shape in a warm-up slows the compiled code in the run after it.
      const parameters: Record<string, InferParameter> = real
        ? {}
        : { variate: { doubleParam: variate } };
      // A real engine warms up by writing.
      if (!real || tokens === null) parameters.warm_up = { boolParam: warmUp };
      if (waitedForMs < Number.POSITIVE_INFINITY) {
        parameters[DEADLINE_PARAMETER] = { doubleParam: waitedForMs };
      }
      if (window !== null) Object.assign(parameters, startParameters(window));
      if (tokens !== null) Object.assign(parameters, orderParameters(tokens));
      if (traceparents !== null) {
        parameters[TRACEPARENTS_PARAMETER] = { stringParam: traceparents.join() };
      }
      const { inputs, rawInputContents } = batchContents(payloads, outputs, tensors);
      return { modelName: replica, id: "", parameters, inputs, rawInputContents };
    },

    /** JSON of the outputs of a request's tasks, with their times. */
    answerText({ request, outcome, endedUs }: Answer): string {
      const { pipeline, index, arrivedUs, results } = request;
      const tasks = [...keys[pipeline].keys()];
      const ran = tasks.filter((task) => (results[task]?.timing.replica ?? "") !== "");
      const timings = members(request, keys, ran, ({ timing }) => JSON.stringify(timing));
      return (
        `{"pipeline":${JSON.stringify(system.pipelines[pipeline].name)},"index":${index},` +
        `"outcome":"${outcome}",` +
        `"timing":{"arrivedUs":${arrivedUs},"endedUs":${endedUs},"tasks":${timings}},` +
        `"outputs":${members(request, keys, tasks, textOf)}}`
      );
    },
  };
}

/** By task: the tasks and ensembles before it. An ensemble's answer replaces those of its members. */
function inputsByTask({ tasks }: System["pipelines"][number]): readonly (readonly number[])[] {
  return tasks.map((_, task) => {
    const before = tasksBefore(tasks, task).map((one) =>
      tasks[one].ensemble < 0 ? one : tasks.length + tasks[one].ensemble,
    );
    return [...new Set(before)];
  });
}

const textOf = ({ text }: TaskResult): string => text;

/** JSON of a text for each of these tasks and ensembles that has a result. */
function members(
  { pipeline, results }: LiveRequest,
  keys: readonly (readonly string[])[],
  tasks: readonly number[],
  text: (result: TaskResult) => string,
): string {
  const found = tasks.flatMap((task) => {
    const result = results[task] ?? null;
    return result === null ? [] : [keys[pipeline][task] + text(result)];
  });
  return `{${found.join()}}`;
}

/** The request's own tensors, and those of the tasks and ensembles before. */
function tensorsFor(
  { pipeline, tensors, results }: LiveRequest,
  { pipelines }: System,
  before: readonly number[],
): TensorsByTask {
  const byTask: Record<string, readonly Tensor[]> = { ...asOwn(tensors) };
  const { tasks, ensembles } = pipelines[pipeline];
  for (const one of before) {
    const given = results[one]?.tensors ?? [];
    const { name } = tasks[one] ?? ensembles[one - tasks.length];
    if (given.length > 0) byTask[name] = given;
  }
  return byTask;
}

function hasTensors({ tensors, results }: LiveRequest): boolean {
  return tensors.length > 0 || results.some((result) => (result?.tensors.length ?? 0) > 0);
}

/** The outputs of a batch of `count`, and its time on the worker, µs. Throws a Fault for a malformed answer. */
export function batchResult(response: ModelInferResponse, count: number) {
  const serviceUs = response.parameters?.service_us?.doubleParam ?? 0;
  return { outputs: jobResults(response, count), serviceUs };
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
): readonly [LiveRequest, Fault][] {
  const { requests, tasks, queuedUs, startUs } = batch;
  const errors: [LiveRequest, Fault][] = [];
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
      errors.push([requests[i], new Fault(parsed.code as FaultCode, parsed.error)]);
    } else requests[i].results[tasks[i]] = { text, tensors, labels: parsed.labels, timing };
  }
  return errors;
}

export function parseOutput(text: string): JobOutput {
  try {
    return JSON.parse(text) as JobOutput;
  } catch {
    const error = `a worker answered what is no JSON: ${text.slice(0, 80)}`;
    return { error, code: "cluster-failure" };
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
