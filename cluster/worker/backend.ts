/**
 * The interface of everything that runs a replica's batches, how a task's model runs one, and batches and results as
 * messages of the protocol.
 */
import { Fault } from "../../engine/basics/fault.ts";
import type { EngineUse } from "../../engine/metrics/token-tally.ts";
import type { ModelProvenance, TaskInput, TaskModel, TaskOutput } from "../../models/task-model.ts";
import { asBuffer, type Tensor, type TensorSpec } from "../../models/tensor.ts";
import type { LoadCost } from "../protocol/hosted-models.ts";
import {
  engineUseParameters,
  keptParameters,
  type ModelInferRequest,
  type ModelInferResponse,
  type TokenOrder,
  tokenOrderOf,
  type WrittenPart,
  writtenParameters,
} from "../protocol/messages.ts";
import {
  elementsOf,
  type JobResult,
  jobTensors,
  rawTensor,
  resultContents,
  type TensorsByTask,
} from "../protocol/tensors.ts";
import { monotonicUs } from "../time/clock.ts";

/** One input of a batch. */
export interface Job {
  readonly payload: Uint8Array;
  /** JSON of the outputs of earlier tasks, by task name. */
  readonly upstream: Uint8Array;
  /** The request's own tensors. */
  readonly tensors: readonly Tensor[];
  /** Tensors of earlier tasks, by task name. */
  readonly upstreamTensors: Readonly<Record<string, readonly Tensor[]>>;
}

export interface Batch {
  readonly jobs: readonly Job[];
  /** Selects the replayed time; null: the replica draws from its own stream. */
  readonly variate: number | null;
  /** Lengths for a language model; null: its own. */
  readonly tokens: TokenOrder | null;
  /** An unmeasured batch: a replayed one takes 2 ms at most. */
  readonly warmUp: boolean;
  /** A real model runs the batch again and again for so long, µs; absent, and in other backends: once. */
  readonly busyUs?: number | undefined;
}

export interface BatchResult {
  /** In the order of the jobs. */
  readonly outputs: readonly JobResult[];
  /** Measured wall-clock time of the batch, µs; the mean of those that kept a model busy. */
  readonly serviceUs: number;
  /** A language model's last tokens, those of its prompt, and what its engine has done since its answer before. */
  readonly written?: {
    readonly last: WrittenPart;
    readonly promptTokens: number;
    readonly use: EngineUse;
    /** Number of the sequence that the engine keeps for another one. */
    readonly kept?: number;
  };
}

/** A worker's answer for one input. */
export type JobOutput =
  | { readonly labels: readonly string[]; readonly value: unknown }
  | { readonly error: string; readonly code: string };

/** Runs one batch at a time. */
export interface Backend {
  /** A batch that nobody waits for is stopped, though it has begun. */
  readonly stopsUnwanted?: true;
  /** Tensors of a request and of an answer; null where they are payload and JSON. */
  readonly inputs: readonly TensorSpec[] | null;
  readonly outputs: readonly TensorSpec[] | null;
  /** Null for replayed times. */
  readonly provenance: ModelProvenance | null;
  readonly cost: LoadCost;
  /** A language model tells of its tokens, but the last, as they are made. */
  run(batch: Batch, told: (part: WrittenPart) => void): Promise<BatchResult>;
  /** Has the engine give up the sequence that it keeps by this number, or with null all that it keeps for this place. */
  free?(kept: number | null): void;
  /** Ends the running batch at once, whose `run` then rejects; absent: it runs to its end. */
  stop?(): void;
  /** Takes the time of a load; absent: `HostedReplica` opens the backend again. */
  load?(): Promise<void>;
  close(): Promise<void>;
}

const MOST_BUSY_US = 1_000_000;

export async function runJobs(
  opened: TaskModel,
  { jobs, busyUs = 0 }: Pick<Batch, "jobs" | "busyUs">,
): Promise<BatchResult> {
  const startUs = monotonicUs();
  for (let runs = 1; ; runs++) {
    const results = await opened.run(jobs.map(inputOf));
    const passedUs = monotonicUs() - startUs;
    if (passedUs < Math.min(busyUs, MOST_BUSY_US)) continue;
    return { outputs: results.map(resultOf), serviceUs: passedUs / runs };
  }
}

/** Parses the outputs of earlier tasks only for a model that asks for them. */
function inputOf(job: Job): TaskInput {
  let upstream: TaskInput["upstream"] | undefined;
  return {
    payload: job.payload,
    tensors: job.tensors,
    get upstream() {
      upstream ??= upstreamOf(job);
      return upstream;
    },
  };
}

function upstreamOf({ upstream, upstreamTensors }: Job): TaskInput["upstream"] {
  const outputs = JSON.parse(asBuffer(upstream).toString()) as Record<string, TaskOutput>;
  for (const task of Object.keys(outputs)) {
    const { labels, value } = outputs[task];
    outputs[task] = { labels, value, tensors: upstreamTensors[task] ?? [] };
  }
  return outputs;
}

function resultOf(result: TaskOutput | Error): JobResult {
  const text = Buffer.from(JSON.stringify(jobOutput(result)));
  return { text, tensors: result instanceof Error ? [] : (result.tensors ?? []) };
}

function jobOutput(result: TaskOutput | Error): JobOutput {
  if (!(result instanceof Error)) return { labels: result.labels, value: result.value ?? null };
  const code = result instanceof Fault ? result.code : "invalid-input";
  return { error: result.message, code };
}

/** Callers other than the gateway may leave these out. */
const NO_UPSTREAM = Buffer.from("{}");
const NO_PAYLOAD = new Uint8Array(0);
const NO_TENSORS: readonly Tensor[] = [];
const NONE: TensorsByTask = {};

/**
 * The batch in a request: `payload` and `upstream`, as the gateway sends them; `payload` alone; or a
 * model's own input tensors, as any client of the protocol sends them, which are one job.
 * Throws Fault("invalid-input") for anything else.
 */
export function batchOf(request: ModelInferRequest, backend: Backend): Batch {
  const { inputs = [], rawInputContents = [], parameters = {} } = request;
  const variate = parameters.variate?.doubleParam ?? null;
  const warmUp = parameters.warm_up?.boolParam ?? false;
  const busyUs = parameters.busy_us?.doubleParam ?? undefined;
  const tokens = tokenOrderOf(request);
  if (isPlain(request, backend)) {
    const tensors = inputs.map((tensor, i) => rawTensor(tensor, rawInputContents[i]));
    const job: Job = { payload: NO_PAYLOAD, upstream: NO_UPSTREAM, tensors, upstreamTensors: {} };
    return { jobs: [job], variate, tokens, warmUp, busyUs };
  }
  const payloads = elementsOf(inputs, rawInputContents, "payload");
  if (payloads === null || payloads.length === 0) {
    throw new Fault("invalid-input", "the request has no input tensor payload", {
      hint: "send payload as BYTES [b], and upstream as BYTES [b] of JSON objects",
    });
  }
  const upstream = elementsOf(inputs, rawInputContents, "upstream");
  if (upstream !== null && upstream.length !== payloads.length) {
    throw new Fault(
      "invalid-input",
      `upstream has ${upstream.length} elements, payload has ${payloads.length}`,
    );
  }
  const byJob = jobTensors(inputs, rawInputContents, payloads.length);
  const jobs = payloads.map((payload, i): Job => {
    const own = byJob?.[i];
    const { "": tensors = NO_TENSORS, ...upstreamTensors } = own ?? NONE;
    return { payload, upstream: upstream?.[i] ?? NO_UPSTREAM, tensors, upstreamTensors };
  });
  return { jobs, variate, tokens, warmUp, busyUs };
}

/** Whether a request has a model's own tensors rather than the gateway's form. */
function isPlain({ inputs = [] }: ModelInferRequest, backend: Backend): boolean {
  return backend.inputs !== null && !inputs.some(({ name }) => name === "upstream");
}

/** Throws a Fault when the only job of a plain request failed. */
export function answerOf(
  name: string,
  request: ModelInferRequest,
  { outputs, serviceUs, written }: BatchResult,
  backend: Backend,
): ModelInferResponse {
  const isAlone = isPlain(request, backend) && backend.outputs !== null;
  const contents = isAlone ? onlyResult(outputs[0]) : resultContents(outputs);
  return {
    modelName: name,
    modelVersion: "1",
    id: request.id ?? "",
    // To the nanosecond, the clock's resolution.
    parameters: {
      service_us: { doubleParam: Math.round(serviceUs * 1000) / 1000 },
      ...(written && {
        ...writtenParameters(written.last),
        ...engineUseParameters(written.use),
        prompt_tokens: { int64Param: written.promptTokens },
        ...(written.kept === undefined ? {} : keptParameters(written.kept)),
      }),
    },
    outputs: contents.outputs,
    rawOutputContents: contents.rawOutputContents,
  };
}

/** A plain request's outputs: the model's own tensors. */
function onlyResult({ text, tensors }: JobResult): ReturnType<typeof resultContents> {
  if (tensors.length === 0) throw failureOf(text);
  return {
    outputs: tensors.map(({ name, datatype, shape }) => ({ name, datatype, shape })),
    rawOutputContents: tensors.map(({ raw }) => raw),
  };
}

function failureOf(text: Uint8Array): Fault {
  const output = JSON.parse(Buffer.from(text).toString()) as JobOutput;
  if (!("error" in output)) return new Fault("cluster-failure", "the model gave no tensors");
  return new Fault(output.code as Fault["code"], output.error);
}
