/** A started batch on its way: its message to the worker, and the event that the worker's answer makes of it. */

import { status } from "@grpc/grpc-js";
import type { FaultCode } from "../../engine/basics/fault.ts";
import type { StartWindow } from "../../engine/dispatch/driver.ts";
import type { System } from "../../engine/system/system.ts";
import type { TraceSink } from "../observe/tracing.ts";
import type { ModelInferResponse } from "../protocol/messages.ts";
import type { Clock } from "../time/clock.ts";
import { type BatchMessages, batchResult, type StartedBatch } from "./batch.ts";
import type { RunDraws } from "./draws.ts";
import { longestWaitMs } from "./live-request.ts";
import type { ReplicaLinks } from "./replica-links.ts";
import type { BatchOver } from "./run-events.ts";
import type { ServiceBounds } from "./specification.ts";
import type { LinkFailure } from "./worker-channel.ts";

/** A batch that failed with one of these statuses would fail on every replica; how its requests end. */
const SAME_AGAIN: ReadonlyMap<number, FaultCode> = new Map([
  [status.INVALID_ARGUMENT, "invalid-input"],
  [status.NOT_FOUND, "cluster-failure"],
  [status.UNIMPLEMENTED, "cluster-failure"],
]);

interface SenderOptions {
  readonly system: System;
  readonly timeScale: number;
  readonly bounds: ServiceBounds;
  readonly trace: TraceSink | null;
  readonly messages: BatchMessages;
  readonly draws: RunDraws;
  readonly links: ReplicaLinks;
  readonly clock: Pick<Clock, "nowUs">;
}

interface Listener {
  /** Whether the run still waits for the batch; else its answers are ignored. */
  awaits(batch: StartedBatch): boolean;
  /** A part of the answer came, but the last. */
  part(batch: StartedBatch, response: ModelInferResponse): void;
  /** Its end came in at `atUs` of the clock. */
  over(end: BatchOver, atUs: number): void;
}

export class BatchSender {
  readonly #options: SenderOptions;
  readonly #listener: Listener;

  constructor(options: SenderOptions, listener: Listener) {
    this.#options = options;
    this.#listener = listener;
  }

  /** `window`: in the scenario's time. */
  send(batch: StartedBatch, window: StartWindow | null, sentUs: number): void {
    const { links, messages, draws, trace, system, timeScale } = this.#options;
    const { replica, requests, tasks } = batch;
    const { name, pool } = system.replicas[replica];
    const wallWindow = window && {
      earliestUs: window.earliestUs * timeScale,
      latestUs: window.latestUs * timeScale,
    };
    const variate = draws.variate(requests[0].slot, tasks[0], pool);
    const message = messages.request(name, batch, variate, {
      window: wallWindow,
      waitedForMs: longestWaitMs(requests, sentUs),
      traceparents: trace?.traceparents(batch) ?? null,
      tokens: draws.tokens(requests[0], tasks[0]),
    });
    const hasWindow = window !== null;
    const listener = this.#listener;
    links.of(replica).send(
      message,
      this.#timeoutMs(batch, wallWindow),
      (failure, response) => {
        if (listener.awaits(batch)) this.#answered(batch, hasWindow, sentUs, failure, response);
      },
      (response) => {
        if (listener.awaits(batch)) listener.part(batch, response);
      },
    );
  }

  #timeoutMs({ replica, requests }: StartedBatch, window: StartWindow | null): number {
    const { system, timeScale, bounds } = this.#options;
    const { service } = system.replicas[replica];
    const expectedMs = (service.meanUs[requests.length] * timeScale) / 1000;
    const windowMs = (window?.latestUs ?? 0) / 1000;
    return bounds.batchTimeoutMs + bounds.batchTimeoutFactor * expectedMs + windowMs;
  }

  #answered(
    batch: StartedBatch,
    hasWindow: boolean,
    sentUs: number,
    failure: LinkFailure | null,
    response: ModelInferResponse,
  ): void {
    const backUs = this.#options.clock.nowUs();
    const { draining: leaves } = this.#options.links.of(batch.replica);
    this.#listener.over(overOf(), backUs);

    function overOf(): BatchOver {
      if (failure === null) return servedOf(batch, response, backUs - sentUs, leaves);
      if (hasWindow && failure.code === status.ABORTED) return { kind: "missed", batch, leaves };
      const everywhere = SAME_AGAIN.get(failure.code) ?? null;
      return { kind: "failed", batch, message: failure.message, everywhere, leaves };
    }
  }
}

/** A malformed answer is a failure on every replica. */
function servedOf(
  batch: StartedBatch,
  response: ModelInferResponse,
  awayUs: number,
  leaves: boolean,
): BatchOver {
  try {
    const { outputs, serviceUs } = batchResult(response, batch.requests.length);
    const times = { serviceUs, hopUs: Math.max(0, awayUs - serviceUs) };
    return { kind: "served", batch, response, outputs, times, leaves };
  } catch (error) {
    const { message } = error as Error;
    return { kind: "failed", batch, message, everywhere: "cluster-failure", leaves };
  }
}
