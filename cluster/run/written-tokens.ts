/** The tokens that language models stream for a run's batches: when the first came, how many, and what their clients hear. */
import { Fault } from "../../engine/basics/fault.ts";
import type { Dispatcher } from "../../engine/dispatch/dispatcher.ts";
import type { RunRecorder } from "../../engine/metrics/recorder.ts";
import { TokenTally } from "../../engine/metrics/token-tally.ts";
import type { System } from "../../engine/system/system.ts";
import {
  engineUseOf,
  type ModelInferResponse,
  type WrittenPart,
  writtenPartOf,
} from "../protocol/messages.ts";
import type { StartedBatch } from "./batch.ts";
import type { LiveRequest } from "./live-request.ts";

interface Progress {
  readonly firstUs: number;
  tokens: number;
}

type IsLive = (request: LiveRequest) => boolean;

/** Whether a batch writes for its client. */
function writesLast({ pipelines }: System, { requests: [request], tasks: [task] }: StartedBatch) {
  return pipelines[request.pipeline].tasks[task].isSink;
}

export class WrittenTokens {
  readonly #tally: TokenTally;
  /** A language model's batch is one job. */
  readonly #progress = new WeakMap<StartedBatch, Progress>();
  readonly #system: System;
  readonly #isLive: IsLive;

  /** Null where no device serves a language model. Keeps at most so many times exactly. */
  static for(
    system: System,
    recorder: RunRecorder,
    mostExact: number | undefined,
    isLive: IsLive,
  ): WrittenTokens | null {
    if (!system.devices.some(({ sharing }) => sharing?.kind === "iterations")) return null;
    recorder.tokens = new TokenTally(recorder.system, recorder.warmupUs, mostExact);
    return new WrittenTokens(system, recorder.tokens, isLive);
  }

  private constructor(system: System, tally: TokenTally, isLive: IsLive) {
    this.#system = system;
    this.#tally = tally;
    this.#isLive = isLive;
  }

  /** A part came, the last too. Returns whether it is the first, for which other tasks wait. */
  told(batch: StartedBatch, response: ModelInferResponse, nowUs: number): boolean {
    const part = writtenPartOf(response);
    if (part === null) return false;
    const isFirst = !this.#progress.has(batch);
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
    const progress = this.#progress.get(batch);
    if (progress === undefined) return;
    const { firstUs, tokens } = progress;
    this.#tally.ranElsewhere(engineUseOf(response));
    const [request] = batch.requests;
    if (!this.#isLive(request)) return;
    const job = request.slot * dispatcher.requests.stride + batch.tasks[0];
    this.#tally.wrote(dispatcher, job, firstUs, nowUs, tokens);
    if (!writesLast(this.#system, batch)) return;
    const tpotUs = tokens === 1 ? 0 : (nowUs - firstUs) / (tokens - 1);
    const promptTokens = response.parameters?.prompt_tokens?.int64Param ?? 0;
    request.written = { promptTokens, tokens, ttftUs: firstUs - request.arrivedUs, tpotUs };
  }

  /** Why a lost batch cannot start again: its client has had tokens; null where it can. */
  failureOf(batch: StartedBatch, reason: string): Fault | null {
    const { tokens } = this.#progress.get(batch) ?? { tokens: 0 };
    if (tokens === 0) return null;
    const count = tokens === 1 ? "1 token" : `${tokens} tokens`;
    return new Fault("cluster-failure", `${reason}, after ${count} of the answer`, {
      hint: "ask again for a whole answer",
    });
  }

  #add(batch: StartedBatch, { tokens, text }: WrittenPart, nowUs: number): void {
    const progress = this.#progress.get(batch) ?? { firstUs: nowUs, tokens: 0 };
    progress.tokens += tokens;
    this.#progress.set(batch, progress);
    const [request] = batch.requests;
    const { told } = request;
    if (told !== undefined && this.#isLive(request) && writesLast(this.#system, batch)) {
      told({ tokens, text });
    }
  }
}
