/** What a gateway holds and waits for at most. Each can be given with its specification. */
import { CLIENT_TIMES, type ClientTimes, LIMITS } from "../security/limits.ts";

/** Bounds of what is known by idempotency key. */
export interface KeyBounds {
  /** A client may try a key again for this long after its answer. */
  readonly keepMs: number;
  /** Keys answered in that time, 36 bytes of memory each; beyond them new keys are refused. */
  readonly maxKeys: number;
  /** Of their answers, in files; the oldest go first, and are refused then. */
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
  keys: { keepMs: 600_000, maxKeys: 2_000_000, maxBytes: 256 * MIB },
  clientTimes: CLIENT_TIMES,
  maxIncomingBytes: LIMITS.incomingBytes,
};
