/** What a gateway's run is made of, and what it is given to do. */

import type { Scheduler } from "../../core/dispatch/policies.ts";
import type { RunLog } from "../../core/run-log.ts";
import type { BackendName } from "../../core/scenario/schema/run.ts";
import type { System } from "../../core/system.ts";
import type { RunSink } from "../observe/run-sink.ts";
import type { TraceSink } from "../observe/spans.ts";
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
