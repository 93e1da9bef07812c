/** What a gateway's run is made of, and what it is given to do. */

import type { Scheduler } from "../../core/dispatch/policies.ts";
import type { RunLog } from "../../core/run-log.ts";
import type { BackendName } from "../../core/scenario/schema/run.ts";
import type { System } from "../../core/system.ts";
import type { Tensor } from "../../models/tensor.ts";
import type { RunSink } from "../observe/run-sink.ts";
import type { TraceSink } from "../observe/trace-sink.ts";
import type { Answer, CallContext } from "./live-request.ts";
import type { ServiceBounds } from "./service-bounds.ts";

export interface RunOptions {
  readonly system: System;
  /** The same without room for replicas that are added. */
  readonly ownSystem: System;
  readonly scheduler: Scheduler;
  readonly seed: string;
  readonly backend: BackendName;
  readonly timeScale: number;
  readonly warmupUs: number;
  /** `monotonicUs` at which the run's time is 0. */
  readonly startUs: number;
  /** The measured window ends here, in the scenario's µs; Infinity: with the last request. */
  readonly closeUs: number;
  /** The measured window ends with the arrival of this many requests; Infinity: it does not. */
  readonly closeAfterRequests: number;
  readonly maxBars: number;
  /** Samples kept one by one, of latencies and of round trips to workers; absent: very many. */
  readonly maxSamples?: number;
  readonly log: RunLog | null;
  /** Who else hears what happens. */
  readonly sinks: readonly RunSink[];
  /** Where the run is traced: it also says what workers are told. */
  readonly trace: TraceSink | null;
  /** Clients try again: a request's number may come several times. */
  readonly triedAgain: boolean;
  /** Replay workers answer at once. */
  readonly warmUp: boolean;
  readonly bounds: ServiceBounds;
  /** Whether queues are bounded in time, beyond what the scheduler's admission says. */
  readonly boundQueue: boolean;
}

export interface Submission {
  /** The system's number of the pipeline. */
  readonly pipeline: number;
  readonly payload: Uint8Array;
  /** A model's own tensors, in place of a payload; default none. */
  readonly tensors?: readonly Tensor[] | undefined;
  readonly index: number | null;
  /** When the client meant to send it, scenario µs since the run's start; null: now. */
  readonly intendedUs: number | null;
  /** In place of its pipeline's; a whole number, the greatest first. */
  readonly priority?: number | undefined;
  /** A preset whose routing it takes, where the deployment routes on arrival. */
  readonly scheduler?: string | undefined;
  /** How long the client waits from now, wall-clock ms; absent: until it goes away. */
  readonly deadlineMs?: number | undefined;
  /**
   * Requests with the same key, pipeline and payload get the same one answer, and run once at most
   * at a time. Absent: each is a request of its own.
   */
  readonly idempotencyKey?: string | undefined;
  readonly context?: CallContext | undefined;
  readonly answer: (answer: Answer) => void;
}
