/** The tokens that language models stream for a run's batches: when the first came, how many, and what their clients hear. */
import { Fault } from "../../engine/basics/fault.ts";
import type { Dispatcher } from "../../engine/dispatch/dispatcher.ts";
import { TokenTally } from "../../engine/metrics/token-tally.ts";
import type { System } from "../../engine/system/system.ts";
import type { RunSink } from "../observe/run-sink.ts";
import {
  engineUseOf,
  type ModelInferResponse,
  type WrittenPart,
  writtenPartOf,
} from "../protocol/messages.ts";
import type { StartedBatch } from "./batch.ts";
import type { LiveRequest } from "./live-request.ts";
import type { Recording } from "./recording.ts";

interface Progress {
  readonly firstUs: number;
  tokens: number;
}

type IsLive = (request: LiveRequest) => boolean;

interface Part {
  /** Whether the client waits for each token of the batch. */
  readonly isLast: boolean;
  /** The task that made the first token; null: this one. */
  readonly before: number | null;
  /** Another task makes all tokens but the first. */
  readonly goesOn: boolean;
}

function partOf({ pipelines }: System, { requests: [request], tasks: [task] }: StartedBatch): Part {
  const { tasks } = pipelines[request.pipeline];
  const { successors, continuation, isSink } = tasks[task];
  const next = successors.find((one) => tasks[one].continuation?.task === task);
  const isLast = next === undefined ? isSink : tasks[next].isSink;
  return { isLast, before: continuation?.task ?? null, goesOn: next !== undefined };
}

export class WrittenTokens {
  readonly #tally: TokenTally;
  /** A language model's batch is one job. */
  readonly #progress = new WeakMap<StartedBatch, Progress>();
  /** First tokens, by task, of which other tasks make the rest. */
  readonly #begun = new WeakMap<LiveRequest, Map<number, Progress>>();
  readonly #system: System;
  readonly #sink: Pick<Required<RunSink>, "wrote" | "read">;
  readonly #isLive: IsLive;

  /** Null where no device serves a language model. Keeps at most so many times exactly. */
  static for(
    { recorder, sink }: Pick<Recording, "recorder" | "sink">,
    mostExact: number | undefined,
    isLive: IsLive,
  ): WrittenTokens | null {
    const { system, warmupUs } = recorder;
    if (!system.devices.some(({ sharing }) => sharing?.kind === "iterations")) return null;
    recorder.tokens = new TokenTally(system, warmupUs, mostExact);
    return new WrittenTokens(system, recorder.tokens, sink, isLive);
  }

  private constructor(
    system: System,
    tally: TokenTally,
    sink: Pick<Required<RunSink>, "wrote" | "read">,
    isLive: IsLive,
  ) {
    this.#system = system;
    this.#tally = tally;
    this.#sink = sink;
    this.#isLive = isLive;
  }

  /** A part came, the last too. Returns whether it is the first, for which other tasks wait. */
  told(batch: StartedBatch, response: ModelInferResponse, nowUs: number): boolean {
    const part = writtenPartOf(response);
    if (part === null || part.tokens === 0) return false;
    const isFirst = !this.#progress.has(batch) && this.#begunOf(batch) === undefined;
    this.#add(batch, part, nowUs);
    const [request] = batch.requests;
    if (!isFirst || !this.#isLive(request)) return false;
    const { tasks } = this.#system.pipelines[request.pipeline];
    const [task] = batch.tasks;
    return tasks[task].successors.some((next) => tasks[next].afterFirstToken.includes(task));
  }

  /** The last part came, and was told. Call it before the dispatcher hears of the end. */
  ended(
    batch: StartedBatch,
    response: ModelInferResponse,
    dispatcher: Dispatcher,
    nowUs: number,
  ): void {
    const begun = this.#begunOf(batch);
    const progress = this.#progress.get(batch);
    if (progress === undefined && begun === undefined) return;
    const firstUs = begun?.firstUs ?? progress?.firstUs ?? nowUs;
    const tokens = (begun?.tokens ?? 0) + (progress?.tokens ?? 0);
    const promptTokens = response.parameters?.prompt_tokens?.int64Param ?? 0;
    this.#tally.ranElsewhere(engineUseOf(response));
    if (begun === undefined) this.#sink.read(batch, promptTokens);
    const [request] = batch.requests;
    if (!this.#isLive(request)) return;
    if (partOf(this.#system, batch).goesOn) {
      const all = this.#begun.get(request) ?? new Map<number, Progress>();
      this.#begun.set(request, all.set(batch.tasks[0], { firstUs, tokens }));
      return;
    }
    const job = request.slot * dispatcher.requests.stride + batch.tasks[0];
    this.#tally.wrote(dispatcher, job, { promptTokens, tokens, firstUs, lastUs: nowUs });
  }

  /** A request ends, and gets what its client reads. Returns whether that came later than its SLO allows. */
  isLate(request: LiveRequest, dispatcher: Dispatcher): boolean {
    request.written = this.#tally.ended(dispatcher, request.slot);
    return this.#tally.isLate(request.pipeline, request.written);
  }

  /** Why a lost batch cannot start again: its client has had tokens; null where it can. */
  failureOf(batch: StartedBatch, reason: string): Fault | null {
    const own = this.#progress.get(batch)?.tokens ?? 0;
    if (own === 0) return null;
    const tokens = own + (this.#begunOf(batch)?.tokens ?? 0);
    const count = tokens === 1 ? "1 token" : `${tokens} tokens`;
    return new Fault("cluster-failure", `${reason}, after ${count} of the answer`, {
      hint: "ask again for a whole answer",
    });
  }

  #begunOf(batch: StartedBatch): Progress | undefined {
    const { before } = partOf(this.#system, batch);
    return before === null ? undefined : this.#begun.get(batch.requests[0])?.get(before);
  }

  #add(batch: StartedBatch, { tokens, text }: WrittenPart, nowUs: number): void {
    const progress = this.#progress.get(batch) ?? { firstUs: nowUs, tokens: 0 };
    progress.tokens += tokens;
    this.#progress.set(batch, progress);
    this.#sink.wrote(batch, tokens);
    const [request] = batch.requests;
    const { told } = request;
    if (told === undefined || !this.#isLive(request)) return;
    if (partOf(this.#system, batch).isLast) told({ tokens, text });
  }
}
