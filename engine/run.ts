/** One run as plain values: all that a simulation reads. `sim/replication.ts` makes it of a configuration. */
import type { Workload } from "./arrivals/workload.ts";
import type { Scheduler } from "./dispatch/policies.ts";
import type { System } from "./system/system.ts";

export interface Run {
  readonly system: System;
  /** How requests arrive, their sizes, and what clients do without an answer. */
  readonly workload: Workload;
  /** The arrival instants of a trace workload, µs, ascending, from 0; null: it plays no trace. */
  readonly traceUs: readonly number[] | null;
  /** Input sizes by row of the trace; null: it has none. */
  readonly traceSizes: readonly number[] | null;
  /** A new one for each run, for it has state. */
  readonly scheduler: Scheduler;
  /** Every random stream of the run is derived from it. */
  readonly seed: string;
  /** A run that has not ended so long after its last arrival is stopped, and says so; default: a day. */
  readonly maxDrainUs?: number | undefined;
}
