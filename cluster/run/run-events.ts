/** Events that a run's turns hear of, and the commands that they give. Instants are of the run's time, µs. */

import { type Fault, type FaultCode, unreachable } from "../../engine/basics/fault.ts";
import type { Residency } from "../../engine/dispatch/controller.ts";
import type { Dispatcher } from "../../engine/dispatch/dispatcher.ts";
import type { StartWindow } from "../../engine/dispatch/driver.ts";
import type { SchedulerDocument } from "../../scenario/schema/scenario.ts";
import type { BatchTimes } from "../observe/run-sink.ts";
import type { ModelInferResponse } from "../protocol/messages.ts";
import type { JobResult } from "../protocol/tensors.ts";
import type { AnsweredTask } from "./answer-book.ts";
import type { StartedBatch } from "./batch.ts";
import type { LiveRequest } from "./live-request.ts";
import type { ModelCommand } from "./model-commands.ts";

interface Over {
  readonly batch: StartedBatch;
  /** Its replica drains: it goes with this batch. */
  readonly leaves: boolean;
}

/** A worker has answered a batch. */
export type BatchOver =
  | (Over & {
      readonly kind: "served";
      readonly response: ModelInferResponse;
      readonly outputs: readonly JobResult[];
      readonly times: BatchTimes;
    })
  | (Over & {
      readonly kind: "failed";
      readonly message: string;
      /** It would fail on every replica, so its requests end with this; null: another replica may run it. */
      readonly everywhere: FaultCode | null;
    })
  /** The batch's start window passed on its worker before its device was free. */
  | (Over & { readonly kind: "missed" });

/** The dispatcher hears of them as they are. */
type PlainEvent =
  | { readonly kind: "begin" }
  | { readonly kind: "cancel"; readonly request: LiveRequest }
  /** How wrong answers were, 0..1, or the right label. */
  | {
      readonly kind: "feed";
      readonly tasks: readonly AnsweredTask[];
      readonly truth: number | string;
    }
  | { readonly kind: "wake"; readonly timer: number }
  /** The replica of a batch has the first token of its job, for which other tasks wait. */
  | { readonly kind: "streamed"; readonly replica: number }
  | { readonly kind: "drain"; readonly replica: number }
  /** `maxBatch` 0: as the scheduler says. */
  | {
      readonly kind: "batching";
      readonly replica: number;
      readonly maxBatch: number;
      readonly waitUs: number;
    }
  | {
      readonly kind: "residency";
      readonly slot: number;
      readonly model: number;
      readonly state: Residency;
    }
  | {
      readonly kind: "solved";
      readonly controller: number;
      readonly solution: readonly number[];
    };

export type RunEvent =
  | PlainEvent
  | BatchOver
  /** The request has the slot that `reserve` gave. */
  | { readonly kind: "arrive"; readonly request: LiveRequest }
  /** All requests for which `which` holds end with an error. */
  | {
      readonly kind: "fail";
      readonly which: (request: LiveRequest) => boolean;
      readonly error: Fault;
    }
  | { readonly kind: "join"; readonly replica: number }
  /** `reason` tells clients why; absent: nothing is known. */
  | { readonly kind: "lose"; readonly replica: number; readonly reason?: string | undefined }
  /** An ordered replica is ready; it takes batches if its link is up. */
  | { readonly kind: "ready"; readonly replica: number; readonly isUp: boolean }
  /** Another scheduler: it routes, orders and batches all waiting jobs anew; none is lost. */
  | { readonly kind: "reschedule"; readonly scheduler: SchedulerDocument };

export type Command =
  | {
      readonly kind: "send";
      readonly batch: StartedBatch;
      /** Null: it may start at any time. */
      readonly window: StartWindow | null;
    }
  /** Cancel the replica's batch, for which no client waits. The worker may run it, and answers. */
  | { readonly kind: "give-up"; readonly replica: number }
  /** Stop the replica's batch; it gets no answer. */
  | { readonly kind: "stop"; readonly replica: number }
  /** Free the sequence that the replica's engine keeps by this number, or with null all that it keeps for the replica. */
  | { readonly kind: "free"; readonly replica: number; readonly kept: number | null }
  /** Send the event at `atUs`, in place of the timer's or the replica's earlier one; Infinity: not any more. */
  | { readonly kind: "wake"; readonly timer: number; readonly atUs: number }
  | { readonly kind: "ready"; readonly replica: number; readonly atUs: number }
  /** Send `residency` once it is done. */
  | ModelCommand
  /** Send `solved`, not before `atUs`. */
  | {
      readonly kind: "ask";
      readonly controller: number;
      readonly problem: unknown;
      readonly atUs: number;
    }
  /** Nobody waits for a solution any more. */
  | { readonly kind: "forget" };

/** Tells the dispatcher an event as it is. */
export function tell(dispatcher: Dispatcher, event: PlainEvent, nowUs: number): void {
  switch (event.kind) {
    case "begin":
      dispatcher.begin(nowUs);
      break;
    case "cancel":
      dispatcher.cancel(event.request.slot, "cancelled", nowUs);
      break;
    case "feed":
      for (const { slot, pool, labels } of event.tasks) {
        const loss = typeof event.truth === "number" ? event.truth : lossOf(labels, event.truth);
        dispatcher.feed(slot, pool, loss, nowUs);
      }
      break;
    case "wake":
      dispatcher.wake(event.timer, nowUs);
      break;
    case "streamed":
      dispatcher.streamed(event.replica, nowUs);
      break;
    case "drain":
      dispatcher.drain(event.replica, nowUs);
      break;
    case "batching":
      dispatcher.setBatching(event.replica, event.maxBatch, event.waitUs, nowUs);
      break;
    case "residency":
      dispatcher.residency(event.slot, event.model, event.state, nowUs);
      break;
    case "solved":
      dispatcher.solved(event.controller, event.solution, nowUs);
      break;
    default:
      unreachable(event);
  }
}

function lossOf(labels: readonly string[], right: string): number {
  return labels.includes(right) ? 0 : 1;
}
