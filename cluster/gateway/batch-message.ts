/** Batches and answers as the protocol's messages. */
import type { BackendName } from "../../core/scenario/schema/run.ts";
import type { System } from "../../core/system.ts";
import type { Tensor } from "../../models/tensor.ts";
import { TRACEPARENTS_PARAMETER } from "../observe/call-context.ts";
import { bytesTensor, elementsOf } from "../protocol/bytes-tensor.ts";
import {
  asOwn,
  jobTensors,
  type TensorsByTask,
  type WireTensors,
  wireTensors,
} from "../protocol/job-tensors.ts";
import type { ModelInferRequest, ModelInferResponse, Parameters } from "../protocol/messages.ts";
import { DEADLINE_PARAMETER } from "../protocol/service.ts";
import type { JobResult } from "../worker/backend.ts";
import type { Answer, LiveRequest } from "./live-request.ts";

const NO_OUTPUTS = Buffer.from("{}");
const NONE: WireTensors = { tensors: [], raw: [] };
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

  constructor(system: System, backend: BackendName, warmUp: boolean) {
    this.#system = system;
    this.#warmUp = warmUp;
    this.#backend = backend;
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
  ): ModelInferRequest {
    const real = this.#backend !== "replay";
    const payload = bytesTensor(
      "payload",
      requests.map((request, i) => (real ? request.payload : this.#fill(request, tasks[i]))),
    );
    const upstream = bytesTensor(
      "upstream",
      requests.map((request) => (real ? this.#outputsSoFar(request) : NO_OUTPUTS)),
    );
    const own = real ? wireTensors(requests.map((request) => this.#tensorsOf(request))) : NONE;
    return {
      modelName: replica,
      parameters: {
        ...(real ? {} : this.#replayed(variate)),
        ...(waitedForMs < Number.POSITIVE_INFINITY
          ? { [DEADLINE_PARAMETER]: { doubleParam: waitedForMs } }
          : {}),
        ...(traceparents === null
          ? {}
          : { [TRACEPARENTS_PARAMETER]: { stringParam: traceparents.join() } }),
      },
      inputs: [payload.tensor, upstream.tensor, ...own.tensors],
      rawInputContents: [payload.raw, upstream.raw, ...own.raw],
    };
  }

  /** JSON of what every task of a request has given, with the times of each. */
  answerText({ request, outcome, endedUs }: Answer): string {
    const { tasks, name } = this.#system.pipelines[request.pipeline];
    const timings = tasks.flatMap((task, i) => {
      const result = request.results[i];
      return result === null ? [] : [[task.name, result.timing]];
    });
    const timing = {
      arrivedUs: request.arrivedUs,
      endedUs,
      tasks: Object.fromEntries(timings),
    };
    const head = JSON.stringify({ pipeline: name, index: request.index, outcome, timing });
    return `${head.slice(0, -1)},"outputs":${this.#outputsText(request)}}`;
  }

  #replayed(variate: number): Parameters {
    const parameters = { variate: { doubleParam: variate } };
    return this.#warmUp ? { ...parameters, warm_up: { boolParam: true } } : parameters;
  }

  #fill({ pipeline }: LiveRequest, task: number): Buffer {
    const { payloadBytes } = this.#system.pipelines[pipeline].tasks[task];
    return this.#filler.subarray(0, payloadBytes);
  }

  /** What the request came with, and what its tasks have given so far. */
  #tensorsOf({ pipeline, tensors, results }: LiveRequest): TensorsByTask {
    const byTask: Record<string, readonly Tensor[]> = { ...asOwn(tensors) };
    this.#system.pipelines[pipeline].tasks.forEach(({ name }, i) => {
      const given = results[i]?.tensors ?? [];
      if (given.length > 0) byTask[name] = given;
    });
    return byTask;
  }

  #outputsSoFar(request: LiveRequest): Buffer {
    return Buffer.from(this.#outputsText(request));
  }

  #outputsText(request: LiveRequest): string {
    const { tasks } = this.#system.pipelines[request.pipeline];
    const entries = tasks.flatMap((task, i) => {
      const result = request.results[i];
      return result === null ? [] : [`${JSON.stringify(task.name)}:${result.text}`];
    });
    return `{${entries.join(",")}}`;
  }
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
        outputs: elements.map((text, i) => ({ text, tensors: tensors[i][""] ?? [] })),
        serviceUs: parameters.service_us?.doubleParam ?? 0,
      };
    }
    return new Error(`a batch of ${count} was answered with ${elements.length} outputs`);
  } catch (error) {
    return error as Error;
  }
}
