/** What a gateway holds and waits for at most. Each can be given with its specification. */
import { CLIENT_TIMES, type ClientTimes, LIMITS } from "../security/limits.ts";

/** Bounds of the table of answers by idempotency key; the oldest go first. */
export interface KeyBounds {
  /** A key gets its answer again for this long. */
  readonly keepMs: number;
  readonly maxKeys: number;
  /** Of all answers, about. */
  readonly maxBytes: number;
}

export interface ServiceBounds {
  /** Requests and payload bytes held; beyond them it refuses, whatever the scheduler says. */
  readonly maxInSystem: number;
  readonly maxHeldBytes: number;
  /** Longest queue, in time, unless a latency goal is tighter; null: none. See `QueueBound`. */
  readonly maxQueueMs: number | null;
  /** A batch is late after this long and `batchTimeoutFactor` times its expected time. */
  readonly batchTimeoutMs: number;
  readonly batchTimeoutFactor: number;
  /** Jobs that may be done again, besides a tenth of all; see `RetryBudget`. */
  readonly retryTokens: number;
  readonly retryTokenRatio: number;
  /** For how long requests wait for a task none of whose replicas is up; see `TaskOutages`. */
  readonly outageMs: number;
  /** How long a gateway that was told to end finishes what it has. */
  readonly drainMs: number;
  readonly keys: KeyBounds;
  /** How long callers may take. */
  readonly clientTimes: ClientTimes;
  /** Bytes of all requests that are being received. */
  readonly maxIncomingBytes: number;
}

const MIB = 1024 * 1024;

export const DEFAULT_BOUNDS: ServiceBounds = {
  maxInSystem: 100_000,
  maxHeldBytes: 1024 * MIB,
  maxQueueMs: 5000,
  batchTimeoutMs: 30_000,
  batchTimeoutFactor: 20,
  retryTokens: 1000,
  retryTokenRatio: 0.1,
  outageMs: 30_000,
  drainMs: 8000,
  keys: { keepMs: 120_000, maxKeys: 100_000, maxBytes: 64 * MIB },
  clientTimes: CLIENT_TIMES,
  maxIncomingBytes: LIMITS.incomingBytes,
};
