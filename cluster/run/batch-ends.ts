/** Which requests end with an error when a batch ends; those of a lost batch may run again. */

import { Fault, type FaultCode } from "../../engine/basics/fault.ts";
import type { BatchTimes } from "../observe/run-sink.ts";
import type { JobResult } from "../protocol/tensors.ts";
import { RETRY_AFTER_MS } from "../security/limits.ts";
import { isImputed, keepOutputs, type StartedBatch } from "./batch.ts";
import type { LiveRequest } from "./live-request.ts";
import type { RetryBudget } from "./retry-budget.ts";
import type { WrittenTokens } from "./written-tokens.ts";

type Failures = readonly (readonly [request: LiveRequest, error: Fault])[];

interface Surroundings {
  readonly budget: RetryBudget;
  /** Null without language models. */
  readonly written: WrittenTokens | null;
  readonly isLive: (request: LiveRequest) => boolean;
}

export type BatchEnds = ReturnType<typeof batchEnds>;

export function batchEnds({ budget, written, isLive }: Surroundings) {
  /** Lost jobs run again while the budget lasts. */
  const spendRetries = (batch: StartedBatch): Failures =>
    batch.requests.flatMap((request, i) => {
      if (!isLive(request) || isImputed(batch, i) || budget.take()) return [];
      const message = "its replica was lost, and too much work is being done again already";
      const error = new Fault("unavailable", message, { retryAfterMs: RETRY_AFTER_MS });
      return [[request, error] as const];
    });
  /** A job that has streamed tokens does not start again. */
  const undone = (batch: StartedBatch, why: Fault): Failures => {
    // Kept should the dispatcher not try it again; a request that ends otherwise has no error.
    for (const request of batch.requests) request.error = why;
    const error = written?.failureOf(batch, why.message) ?? null;
    return error === null ? spendRetries(batch) : [[batch.requests[0], error]];
  };
  return {
    /** With its replica. */
    lost(batch: StartedBatch, reason?: string): Failures {
      const message = "its worker was lost";
      const all = reason === undefined ? message : `${message}: ${reason}`;
      return undone(batch, new Fault("cluster-failure", all));
    },
    /** Keeps the outputs with the requests. */
    served(
      batch: StartedBatch,
      outputs: readonly JobResult[],
      times: BatchTimes,
      at: { readonly replica: string; readonly nowUs: number },
    ): Failures {
      budget.finished(batch.requests.length);
      return keepOutputs(batch, outputs, times, at);
    },
    /** On a replica that is up: another may run it, unless it fails `everywhere`, with that code. */
    failed(batch: StartedBatch, message: string, everywhere: FaultCode | null): Failures {
      const error = new Fault(everywhere ?? "cluster-failure", message);
      if (everywhere !== null) {
        const awaited = batch.requests.filter((_, i) => !isImputed(batch, i));
        return awaited.map((request) => [request, error] as const);
      }
      return undone(batch, error);
    },
  };
}
