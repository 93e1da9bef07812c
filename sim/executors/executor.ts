/**
 * The two chains around the dispatcher:
 *
 *   arrivals ─> clients ─> Entrance ─> dispatcher ─> Executor ─> the replica that has finished
 *
 * An executor holds a simulated batch from its start to its end. `DirectExecutor` knows service
 * times only, `StagedExecutor` adds shared devices, loads, gateways and network.
 */

import type { ModelMemory } from "../stations/model-memory.ts";
import type { StartWindows } from "../stations/start-windows.ts";

/** Events in order of time. */
export interface EventSource {
  /** Instant of the next event; Infinity when there is none. */
  nextUs(): number;
  /** Lets the event at `nextUs()` happen; returns the replica whose batch has come back, or −1. */
  fire(nowUs: number): number;
  /** Called once the dispatcher has decided, at the end of each instant. */
  settle(nowUs: number): void;
}

export interface Executor extends EventSource {
  /** Starts the batch that the dispatcher holds for the replica. */
  start(replica: number, nowUs: number, variate: number): void;
}

/** An executor whose batches can be stopped. */
export interface SteadyExecutor extends Executor {
  /** The replica is dead or nobody waits: true when its batch is gone, false when it runs on. */
  abort(replica: number, nowUs: number): boolean;
  /** Null where no model is loaded. */
  readonly memory: ModelMemory | null;
  /** Start windows at workers; null where no batch has one. */
  readonly windows: StartWindows | null;
}

/** Where requests enter the deployment. */
export interface Entrance {
  /** A client sends a request. */
  arrive(request: number, pipeline: number, nowUs: number): void;
  /** Time from the end of a request at the gateway until its client has the answer, µs. */
  answerUs(request: number): number;
}
