/** The start of a gateway process: its specification, and the bounds of its service. */
import type { MeasuredInputs } from "../../core/compile.ts";
import type { BackendName } from "../../core/scenario/schema/run.ts";
import type { ScenarioDocument } from "../../core/scenario/schema.ts";
import { CLIENT_TIMES, LIMITS } from "../security/limits.ts";
import type { GivenSecurity, SecurityPaths } from "../security/security-files.ts";
import type { TlsIdentity } from "../security/tls.ts";

const MIB = 1024 * 1024;

/** Most that a gateway holds, and longest that it waits. */
export const DEFAULT_BOUNDS = {
  /** Requests and payload bytes; the gateway refuses more before it asks the scheduler. */
  maxInSystem: 100_000,
  maxHeldBytes: 1024 * MIB,
  /** Longest queue, in time, unless a latency goal is tighter; null: no bound. See `queueBound`. */
  maxQueueMs: 5000 as number | null,
  /** A batch is late after this long and `batchTimeoutFactor` times its expected time. */
  batchTimeoutMs: 30_000,
  batchTimeoutFactor: 20,
  /** Jobs that may run again, besides a share of all finished jobs; see `retryBudget`. */
  retryTokens: 1000,
  retryTokenRatio: 0.1,
  /** For how long requests wait for a task without a replica; see `taskOutages`. */
  outageMs: 30_000,
  /** For how long an ending gateway finishes its requests. */
  drainMs: 8000,
  /** The table of answers by idempotency key drops the oldest beyond these bounds. Bytes are approximate. */
  keys: { keepMs: 120_000, maxKeys: 100_000, maxBytes: 64 * MIB },
  clientTimes: CLIENT_TIMES,
  /** Bytes of all requests that arrive at the same time. */
  maxIncomingBytes: LIMITS.incomingBytes as number,
};

export type ServiceBounds = Readonly<typeof DEFAULT_BOUNDS>;

/** Where a replica is served. */
export interface ReplicaAddress {
  /** The system's number of the replica. */
  readonly replica: number;
  readonly address: string;
}

/** Everything a gateway process needs to start. */
export interface GatewaySpecification {
  /** Tells one deployment from another. */
  readonly id: string;
  readonly document: ScenarioDocument;
  readonly inputs: MeasuredInputs;
  readonly backend: BackendName;
  readonly seed: string;
  /** Wall-clock time over the scenario's time. */
  readonly timeScale: number;
  readonly host: string;
  /** 0: any free port. */
  readonly grpcPort: number;
  readonly httpPort: number;
  readonly security: SecurityPaths;
  /** For a gateway on another machine, in place of files; it sends the files that it writes to its parent. */
  readonly elsewhere?: {
    readonly callers: GivenSecurity;
    readonly workers: TlsIdentity;
  };
  /** Origins of web pages, besides its own, that may call it over REST. */
  readonly origins: readonly string[];
  /** Folder of certificates for the connections to workers; null: no TLS. */
  readonly workerCertificates: string | null;
  readonly replicas: readonly ReplicaAddress[];
  /** How many replicas can be added to each task. */
  readonly spareReplicas: number;
  /** Default: `DEFAULT_BOUNDS`. */
  readonly bounds: Partial<ServiceBounds>;
  /** File that keeps the settings of operators over a restart; null: none. */
  readonly controlFile: string | null;
  /** File in which requests are recorded (`observe/arrival-record.ts`); null: none. */
  readonly record: string | null;
  /** Where traces go (`observe/open-tracing.ts`); null: nowhere. */
  readonly trace: string | null;
}

export interface GatewayReady {
  readonly grpcPort: number;
  readonly httpPort: number;
}
