/** Batches and answers as the protocol's messages. */

import type { BackendName } from "../../core/scenario/schema/run.ts";
import type { System } from "../../core/system.ts";
import type { Tensor } from "../../models/tensor.ts";
import { TRACEPARENTS_PARAMETER } from "../observe/call-context.ts";
import type { StreamRequest } from "../protocol/client.ts";
import {
  DEADLINE_PARAMETER,
  type InferParameter,
  type ModelInferResponse,
} from "../protocol/messages.ts";
import {
  asOwn,
  bytesTensor,
  elementsOf,
  jobTensors,
  type TensorsByTask,
  type WireTensors,
  wireTensors,
} from "../protocol/tensors.ts";
import type { JobResult } from "../worker/backend.ts";
import type { Answer, LiveRequest, TaskTiming } from "./live-request.ts";
import { tasksBefore } from "./tasks-before.ts";

const NO_OUTPUTS = Buffer.from("{}");
const LARGEST_PAYLOAD_BYTES = 4 * 1024 * 1024;

export interface BatchExtras {
  /** How long the most patient of its clients waits; Infinity: until it goes away. */
  readonly waitedForMs: number;
  /** The span of each job, where the run is traced. */
  readonly traceparents: readonly string[] | null;
}

/** Builds a replica's batches. Replayed jobs carry as many bytes as the scenario says. */
export class BatchMessages {
  readonly #system: System;
  readonly #backend: BackendName;
  readonly #warmUp: boolean;
  readonly #filler: Buffer;
  /** By pipeline: its name as JSON, and each task's as the key of a member. */
  readonly #texts: readonly { readonly name: string; readonly keys: readonly string[] }[];
  /** By pipeline and task. */
  readonly #before: readonly (readonly (readonly number[])[])[];

  constructor(system: System, backend: BackendName, warmUp: boolean) {
    this.#system = system;
    this.#warmUp = warmUp;
    this.#backend = backend;
    this.#texts = system.pipelines.map(({ name, tasks }) => ({
      name: JSON.stringify(name),
      keys: tasks.map((task) => `${JSON.stringify(task.name)}:`),
    }));
    this.#before = system.pipelines.map(({ tasks }) =>
      tasks.map((_, task) => tasksBefore(tasks, task)),
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
    { waitedForMs, traceparents }: BatchExtras,
  ): StreamRequest {
    const real = this.#backend !== "replay";
    const payloads: Uint8Array[] = [];
    const outputs: Uint8Array[] = [];
    let own: WireTensors | null = null;
    for (let i = 0; i < requests.length; i++) {
      payloads.push(real ? requests[i].payload : this.#fill(requests[i], tasks[i]));
      outputs.push(real ? this.#outputsBefore(requests[i], tasks[i]) : NO_OUTPUTS);
      if (own === null && real && hasTensors(requests[i])) {
        own = wireTensors(requests.map((request, job) => this.#tensorsFor(request, tasks[job])));
      }
    }
    const payload = bytesTensor("payload", payloads);
    const upstream = bytesTensor("upstream", outputs);
    const parameters: Record<string, InferParameter> = real ? {} : this.#replayed(variate);
    if (waitedForMs < Number.POSITIVE_INFINITY) {
      parameters[DEADLINE_PARAMETER] = { doubleParam: waitedForMs };
    }
    if (traceparents !== null) {
      parameters[TRACEPARENTS_PARAMETER] = { stringParam: traceparents.join() };
    }
    const inputs = [payload.tensor, upstream.tensor];
    const rawInputContents: Uint8Array[] = [payload.raw, upstream.raw];
    if (own !== null) {
      inputs.push(...own.tensors);
      rawInputContents.push(...own.raw);
    }
    return { modelName: replica, id: "", parameters, inputs, rawInputContents };
  }

  /** JSON of what every task of a request has given, with the times of each. */
  answerText({ request, outcome, endedUs }: Answer): string {
    const { name, keys } = this.#texts[request.pipeline];
    let timings = "";
    let outputs = "";
    for (let i = 0; i < keys.length; i++) {
      const result = request.results[i] ?? null;
      if (result === null) continue;
      const start = outputs === "" ? keys[i] : `,${keys[i]}`;
      timings += start + timingText(result.timing);
      outputs += start + result.text;
    }
    const { index, arrivedUs } = request;
    return (
      `{"pipeline":${name},"index":${index},"outcome":"${outcome}",` +
      `"timing":{"arrivedUs":${arrivedUs},"endedUs":${endedUs},"tasks":{${timings}}},` +
      `"outputs":{${outputs}}}`
    );
  }

  /** Always of one shape: code that has seen another in a warm-up is slow in the run after it. */
  #replayed(variate: number): Record<string, InferParameter> {
    return { variate: { doubleParam: variate }, warm_up: { boolParam: this.#warmUp } };
  }

  #fill({ pipeline }: LiveRequest, task: number): Buffer {
    const { payloadBytes } = this.#system.pipelines[pipeline].tasks[task];
    return this.#filler.subarray(0, payloadBytes);
  }

  /** What the request came with, and what the tasks before this one have given. */
  #tensorsFor({ pipeline, tensors, results }: LiveRequest, task: number): TensorsByTask {
    const byTask: Record<string, readonly Tensor[]> = { ...asOwn(tensors) };
    for (const before of this.#before[pipeline][task]) {
      const given = results[before]?.tensors ?? [];
      if (given.length > 0) byTask[this.#system.pipelines[pipeline].tasks[before].name] = given;
    }
    return byTask;
  }

  /** Of those tasks alone: whether one beside them has a result yet is a matter of time. */
  #outputsBefore({ pipeline, results }: LiveRequest, task: number): Buffer {
    const { keys } = this.#texts[pipeline];
    let outputs = "";
    for (const i of this.#before[pipeline][task]) {
      const result = results[i];
      if (result !== null) outputs += (outputs === "" ? keys[i] : `,${keys[i]}`) + result.text;
    }
    return outputs === "" ? NO_OUTPUTS : Buffer.from(`{${outputs}}`);
  }
}

/** By hand: to stringify two of them took as long as the rest of a small answer. */
function timingText({ queuedUs, startUs, endUs, serviceUs, replica, batch }: TaskTiming): string {
  return (
    `{"queuedUs":${queuedUs},"startUs":${startUs},"endUs":${endUs},"serviceUs":${serviceUs},` +
    `"replica":${JSON.stringify(replica)},"batch":${batch}}`
  );
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
  const { outputs = [], rawOutputContents = [], parameters = {} } = response;
  try {
    const elements = elementsOf(outputs, rawOutputContents, "output") ?? [];
    if (elements.length === count) {
      const tensors = jobTensors(outputs, rawOutputContents, count);
      return {
        outputs: elements.map((text, i) => ({ text, tensors: tensors?.[i][""] ?? [] })),
        serviceUs: parameters.service_us?.doubleParam ?? 0,
      };
    }
    return new Error(`a batch of ${count} was answered with ${elements.length} outputs`);
  } catch (error) {
    return error as Error;
  }
}
