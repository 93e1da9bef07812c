/**
 * Sends a workload's requests at their due times, which are absolute: a late request does not
 * move the next, and its latency counts from when it was due, so a slow server cannot hide behind
 * a slow client (Tene, "How NOT to measure latency", 2013, calls that coordinated omission).
 */
import { monitorEventLoopDelay } from "node:perf_hooks";
import { type ServiceError, status } from "@grpc/grpc-js";
import { arrivalSource } from "../../core/arrivals/arrival-source.ts";
import type { ArrivalSource } from "../../core/arrivals/source.ts";
import { OUTCOMES, type Outcome } from "../../core/dispatch/driver.ts";
import { PipelineChoice } from "../../core/request-draws.ts";
import { monotonicUs } from "../monotonic.ts";
import type { PreciseTimer } from "../precise-timer.ts";
import { bytesTensor } from "../protocol/bytes-tensor.ts";
import type { Answer, InferenceClient } from "../protocol/client.ts";
import type { InferStreams } from "../protocol/infer-streams.ts";
import type { ModelInferRequest, ModelInferResponse } from "../protocol/messages.ts";
import { OUTCOME_TRAILER, trailerOf } from "../protocol/status.ts";
import { RequestRecords } from "./request-records.ts";
import type { LoadResult, LoadSpecification } from "./specification.ts";

const DELAY_RESOLUTION_MS = 5;
const MAX_ERRORS = 10;

export class LoadGenerator {
  readonly #specification: LoadSpecification;
  readonly #client: InferenceClient;
  readonly #streams: InferStreams;
  readonly #timer: PreciseTimer;
  readonly #source: ArrivalSource;
  readonly #choice: PipelineChoice;
  readonly #payloads: readonly ReturnType<typeof bytesTensor>[];
  readonly #records = new RequestRecords();
  readonly #delay = monitorEventLoopDelay({ resolution: DELAY_RESOLUTION_MS });
  readonly #errors: string[] = [];
  #startUs = 0;
  #outstanding = 0;
  #alarm: { readonly id: number; readonly atUs: number } | null = null;
  #done: () => void = () => undefined;

  constructor(
    specification: LoadSpecification,
    client: InferenceClient,
    streams: InferStreams,
    timer: PreciseTimer,
  ) {
    const { workload, seed, traceUs, pipelines, payloads } = specification;
    this.#specification = specification;
    this.#client = client;
    this.#streams = streams;
    this.#timer = timer;
    this.#source = arrivalSource(workload, seed, traceUs);
    this.#choice = new PipelineChoice(
      pipelines.map(({ share }) => share),
      seed,
    );
    this.#payloads = payloads.map((payload) => bytesTensor("payload", [payload]));
  }

  get sent(): number {
    return this.#records.count;
  }

  get ended(): number {
    return this.#records.count - this.#outstanding;
  }

  /** Runs the workload until every request has ended. `startUs` is in µs of `monotonicUs`. */
  async run(startUs: number): Promise<LoadResult> {
    const startedAt = new Date(Date.now() + (startUs - monotonicUs()) / 1000).toISOString();
    this.#startUs = startUs;
    this.#delay.enable();
    await new Promise<void>((resolve) => {
      this.#done = resolve;
      this.#pump();
    });
    this.#delay.disable();
    const { user, system } = process.cpuUsage();
    return this.#result(startedAt, user + system);
  }

  /** Sends everything that is due and sets the alarm for the next. */
  #pump(): void {
    const source = this.#source;
    while (this.#dueUs(source.nextUs) <= monotonicUs()) {
      const intendedUs = source.nextUs;
      source.advance();
      this.#send(intendedUs);
    }
    const nextUs = this.#dueUs(source.nextUs);
    if (nextUs !== Number.POSITIVE_INFINITY) this.#wakeAt(nextUs);
    else if (this.#outstanding === 0) this.#done();
  }

  #wakeAt(atUs: number): void {
    if (this.#alarm !== null) {
      if (this.#alarm.atUs <= atUs) return;
      this.#timer.cancel(this.#alarm.id);
    }
    const id = this.#timer.set(atUs, () => {
      this.#alarm = null;
      this.#pump();
    });
    this.#alarm = { id, atUs };
  }

  #send(intendedUs: number): void {
    const { pipelines, deadlineMs, numbered } = this.#specification;
    const pipeline = this.#choice.next();
    const sentUs = monotonicUs();
    const dueUs = this.#dueUs(intendedUs);
    const request = this.#records.add(pipeline, intendedUs, sentUs - dueUs);
    const payload = this.#payloads[request % this.#payloads.length];
    this.#outstanding++;
    const message: ModelInferRequest = {
      modelName: pipelines[pipeline].name,
      ...(numbered
        ? {
            parameters: {
              index: { int64Param: request },
              intended_us: { int64Param: intendedUs },
            },
          }
        : {}),
      inputs: [payload.tensor],
      rawInputContents: [payload.raw],
    };
    const answer: Answer<ModelInferResponse> = (error, response) =>
      this.#answered(request, sentUs, error, response);
    // A deadline belongs to a call: a request that has one cannot share a stream.
    if (deadlineMs === null) this.#streams.infer(message, answer);
    else {
      const leftMs = deadlineMs - (sentUs - dueUs) / 1000;
      this.#client.infer(message, { deadline: Date.now() + leftMs }, answer);
    }
  }

  #answered(
    request: number,
    sentUs: number,
    error: ServiceError | null,
    response: ModelInferResponse | undefined,
  ): void {
    const nowUs = monotonicUs();
    const endedUs = (nowUs - this.#startUs) / this.#specification.timeScale;
    const records = this.#records;
    this.#outstanding--;
    if (error === null) {
      const residenceUs = response?.parameters?.residence_us?.doubleParam ?? Number.NaN;
      records.latencyUs[request] = nowUs - this.#dueUs(records.intendedUs[request]);
      records.clientRoundTripUs[request] = nowUs - sentUs - residenceUs;
      records.end(request, "completed", endedUs);
    } else {
      if (this.#errors.length < MAX_ERRORS)
        this.#errors.push(`request ${request}: ${error.message}`);
      records.end(request, outcomeOf(error), endedUs);
    }
    this.#source.requestEnded(Math.round(endedUs));
    this.#pump();
  }

  #dueUs(intendedUs: number): number {
    return this.#startUs + intendedUs * this.#specification.timeScale;
  }

  #result(startedAt: string, cpuUs: number): LoadResult {
    const { count, ...columns } = this.#records;
    return {
      requests: count,
      intendedUs: columns.intendedUs.slice(0, count),
      latencyUs: columns.latencyUs.slice(0, count),
      endedUs: columns.endedUs.slice(0, count),
      outcome: columns.outcome.slice(0, count),
      pipeline: columns.pipeline.slice(0, count),
      sentLateUs: columns.sentLateUs.slice(0, count),
      clientRoundTripUs: columns.clientRoundTripUs.slice(0, count),
      errors: this.#errors,
      eventLoopDelayP99Ms: Math.max(0, this.#delay.percentile(99) / 1e6 - DELAY_RESOLUTION_MS),
      cpuUs,
      startedAt,
    };
  }
}

function outcomeOf(error: ServiceError): Outcome {
  const named = trailerOf(error, OUTCOME_TRAILER) as Outcome | null;
  if (named !== null && OUTCOMES.includes(named)) return named;
  switch (error.code) {
    case status.RESOURCE_EXHAUSTED:
      return "refused";
    case status.DEADLINE_EXCEEDED:
    case status.CANCELLED:
      return "cancelled";
    default:
      return "failed";
  }
}
