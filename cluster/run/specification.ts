/** The start of a gateway process and of each of its runs, and the report of a run: POST and GET /run. */
import { z } from "zod";
import type { GanttBar } from "../../engine/metrics/figures.ts";
import type { RunSummary } from "../../engine/metrics/summary.ts";
import type { MeasuredInputs } from "../../scenario/compile/compile.ts";
import type { BackendName } from "../../scenario/schema/run.ts";
import type { ScenarioDocument, SchedulerDocument } from "../../scenario/schema/scenario.ts";
import { schedulerSchema } from "../../scenario/schema/scheduler.ts";
import type { GivenSecurity, SecurityPaths } from "../security/access.ts";
import { CLIENT_TIMES, LIMITS } from "../security/limits.ts";
import type { TlsIdentity } from "../security/tls.ts";
import type { GatewayCosts } from "./run-costs.ts";

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
  connectionsPerAddress: LIMITS.connectionsPerAddress as number,
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
  /** File in which requests are recorded (`observe/run-sink.ts`); null: none. */
  readonly record: string | null;
  /** Where traces go (`observe/open-tracing.ts`); null: nowhere. */
  readonly trace: string | null;
}

export interface GatewayReady {
  readonly grpcPort: number;
  readonly httpPort: number;
}

export const runRequestSchema = z.strictObject({
  seed: z.string().describe("of all that is drawn for the run's requests"),
  warmupUs: z.number().nonnegative().default(0).describe("requests before it are not counted"),
  startAtMonotonicNs: z
    .number()
    .positive()
    .optional()
    .describe("the run's time 0 on this machine's monotonic clock; default: now"),
  scheduler: schedulerSchema.optional(),
  closeUs: z.number().positive().optional().describe("the measured window ends here"),
  closeAfterRequests: z.int().positive().optional().describe("or with so many arrivals"),
  log: z.boolean().default(false).describe("keep a log for GET /run/log"),
  triedAgain: z.boolean().default(false).describe("a request's number may come several times"),
  warmUp: z
    .boolean()
    .default(false)
    .describe(
      "replayed batches take 2 ms at most, and most of real ones are answered as one before",
    ),
  boundQueue: z.boolean().default(false).describe("refuse what would wait too long"),
});

/** Times are the scenario's. */
export type RunRequest = Readonly<z.input<typeof runRequestSchema>>;
/** A request with its defaults. */
export type RunSettings = Readonly<z.output<typeof runRequestSchema>>;

/** A schema that documents parts of a type. */
const partsOf = <T>(schema: z.ZodType) => schema as z.ZodType<T>;

/** How a run goes so far. */
export const runReportSchema = z
  .looseObject({
    idle: z.boolean(),
    inSystem: z.int(),
    summary: partsOf<RunSummary>(z.looseObject({ requests: z.int() })),
    eventLoopDelay: z.strictObject({ p50Ms: z.number(), p99Ms: z.number(), maxMs: z.number() }),
    costs: partsOf<GatewayCosts>(
      z.looseObject({ arrivals: z.int(), dispatches: z.int(), completions: z.int() }),
    ),
    gantt: partsOf<readonly GanttBar[]>(z.array(z.looseObject({}))),
    workerRoundTripUs: z
      .array(z.number())
      .describe("gateway to worker and back without the service, wall-clock µs"),
    otherSchedulers: partsOf<readonly SchedulerDocument[]>(z.array(z.unknown())).describe(
      "schedulers besides the run's first, by their numbers in the log",
    ),
    replicas: z.array(z.looseObject({ name: z.string(), up: z.boolean(), losses: z.int() })),
  })
  .describe("so far");

export type RunReport = Readonly<z.output<typeof runReportSchema>>;
