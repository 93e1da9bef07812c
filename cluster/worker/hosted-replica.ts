/** One replica on its worker: takes batches in turn, each to the backend and back to the wire. */
import { type StatusObject, status } from "@grpc/grpc-js";
import { Fault } from "../../core/fault.ts";
import { monotonicUs } from "../monotonic.ts";
import { TRACEPARENTS_PARAMETER } from "../observe/call-context.ts";
import type { WorkerTracing } from "../observe/open-tracing.ts";
import { bytesTensor, elementsOf } from "../protocol/bytes-tensor.ts";
import type { HostedModel } from "../protocol/hosted-models.ts";
import type { ModelInferRequest, ModelInferResponse } from "../protocol/messages.ts";
import { ModelCounts } from "../protocol/model-counts.ts";
import { bytesMetadata, type InferAnswer, type InferCall } from "../protocol/server.ts";
import { statusOf } from "../protocol/status.ts";
import type { Backend, Batch } from "./backend.ts";

/** The gateway sends one batch at a time; other callers may queue this many. */
const MAX_WAITING = 64;

export class HostedReplica implements HostedModel {
  readonly metadata;
  readonly counts = new ModelCounts();
  readonly #name: string;
  readonly #task: string;
  readonly #backend: Backend;
  readonly #tracing: WorkerTracing | null;
  #waiting = 0;
  #last: Promise<void> = Promise.resolve();
  #draining = false;

  constructor(name: string, task: string, backend: Backend, tracing: WorkerTracing | null) {
    this.#name = name;
    this.#task = task;
    this.#backend = backend;
    this.#tracing = tracing;
    this.metadata = {
      name,
      versions: ["1"],
      platform: backend.platform,
      inputs: bytesMetadata("payload", "upstream"),
      outputs: bytesMetadata("output"),
    };
  }

  ready(): boolean {
    return !this.#draining;
  }

  /** Throws a Fault when the request is malformed or too many wait. */
  infer(call: InferCall, answer: InferAnswer): void {
    const { request } = call;
    if (this.#draining) {
      answer({ code: status.UNAVAILABLE, details: `${this.#name} is shutting down` });
      return;
    }
    if (this.#waiting >= MAX_WAITING) {
      throw new Fault("overloaded", `${this.#name} has ${MAX_WAITING} batches waiting`);
    }
    const batch = batchOf(request);
    const wanted = wantedUntil(call);
    this.#waiting++;
    const takenAtUs = monotonicUs();
    this.#last = this.#last.then(() => this.#run(request, batch, wanted, takenAtUs, answer));
  }

  /** Finishes what was taken, takes no more. */
  async drain(): Promise<void> {
    this.#draining = true;
    await this.#last;
  }

  close(): Promise<void> {
    return this.#backend.close();
  }

  /** The service was the last of the time since it began. */
  #trace({ parameters = {} }: ModelInferRequest, beganUs: number, serviceUs: number): void {
    const traceparents = parameters[TRACEPARENTS_PARAMETER]?.stringParam;
    if (this.#tracing === null || traceparents === undefined) return;
    const endUs = monotonicUs();
    this.#tracing.computed({
      traceparents: traceparents.split(","),
      replica: this.#name,
      task: this.#task,
      startUs: Math.max(beganUs, endUs - serviceUs),
      endUs,
    });
  }

  async #run(
    request: ModelInferRequest,
    batch: Batch,
    wanted: () => Partial<StatusObject> | null,
    takenAtUs: number,
    answer: InferAnswer,
  ): Promise<void> {
    try {
      const unwanted = wanted();
      if (unwanted !== null) {
        answer(unwanted);
        return;
      }
      const beganUs = monotonicUs();
      const { outputs, serviceUs } = await this.#backend.run(batch);
      this.#trace(request, beganUs, serviceUs);
      const totalUs = monotonicUs() - takenAtUs;
      const queueUs = beganUs - takenAtUs;
      this.counts.succeeded({ size: batch.size, totalUs, queueUs, computeUs: serviceUs });
      const output = bytesTensor("output", outputs);
      const response: ModelInferResponse = {
        modelName: this.#name,
        modelVersion: "1",
        id: request.id ?? "",
        parameters: { service_us: { doubleParam: serviceUs } },
        outputs: [output.tensor],
        rawOutputContents: [output.raw],
      };
      answer(null, response);
    } catch (error) {
      this.counts.failed(monotonicUs() - takenAtUs);
      answer(statusOf(error));
    } finally {
      this.#waiting--;
    }
  }
}

/** Why a batch need not start any more, asked when it is its turn; null: it is wanted. */
function wantedUntil({ deadlineMs, onCancelled }: InferCall): () => Partial<StatusObject> | null {
  const expiresAtUs = monotonicUs() + (deadlineMs ?? Number.POSITIVE_INFINITY) * 1000;
  let cancelled = false;
  onCancelled(() => {
    cancelled = true;
  });
  return () => {
    if (cancelled) return { code: status.CANCELLED, details: "nobody waits for this batch" };
    if (monotonicUs() < expiresAtUs) return null;
    return { code: status.DEADLINE_EXCEEDED, details: "its deadline passed before it could start" };
  };
}

function batchOf(request: ModelInferRequest): Batch {
  const { inputs = [], rawInputContents = [], parameters = {} } = request;
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
  return {
    size: payloads.length,
    payloads,
    upstream: upstream ?? payloads.map(() => Buffer.from("{}")),
    variate: parameters.variate?.doubleParam ?? null,
    warmUp: parameters.warm_up?.boolParam ?? false,
  };
}
