import type { MeasuredInputs } from "../../core/compile.ts";
import type { BackendName } from "../../core/scenario/schema/run.ts";
import type { ScenarioDocument } from "../../core/scenario/schema.ts";
import type { SecurityPaths } from "../security/security-files.ts";
import type { ServiceBounds } from "./service-bounds.ts";

/** Where a replica is served. */
export interface ReplicaAddress {
  /** The system's number of the replica. */
  readonly replica: number;
  readonly address: string;
}

/** What the gateway process is told at its start. */
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
  /** Folder of certificates for the connections to workers; null: no TLS. */
  readonly workerCertificates: string | null;
  readonly replicas: readonly ReplicaAddress[];
  /** How many replicas can be added to each task. */
  readonly spareReplicas: number;
  /** What is left out is as in `DEFAULT_BOUNDS`. */
  readonly bounds: Partial<ServiceBounds>;
  /** File that what operators set is kept in over a restart; null: it is not kept. */
  readonly controlFile: string | null;
  /** Where traces go (`observe/open-tracing.ts`); null: nowhere. */
  readonly trace: string | null;
}

export interface GatewayReady {
  readonly grpcPort: number;
  readonly httpPort: number;
}
