import type { MeasuredInputs } from "../../core/compile.ts";
import type { BackendName } from "../../core/scenario/schema/run.ts";
import type { ScenarioDocument } from "../../core/scenario/schema.ts";
import type { ModelProvenance } from "../../models/task-model.ts";
import type { TensorSpec } from "../../models/tensor.ts";
import type { LoadCost } from "../protocol/model-state.ts";

/** What a worker process is told at its start. */
export interface WorkerSpecification {
  readonly document: ScenarioDocument;
  readonly inputs: MeasuredInputs;
  readonly backend: BackendName;
  readonly seed: string;
  /** Replayed times are multiplied by this. */
  readonly timeScale: number;
  /** Replicas to host, by the system's numbers. */
  readonly replicas: readonly number[];
  /** As the gateway's, for replicas are numbered with them. Default 0. */
  readonly spareReplicas?: number;
  readonly host: string;
  /** 0: any free port. */
  readonly port: number;
  /** Folder of certificates; none: no TLS, and loopback only. */
  readonly certificates?: string;
  /** Where prepared models lie; the default is the model store's own. */
  readonly cacheDir?: string;
  /** Where traces go (`observe/open-tracing.ts`); default: nowhere. */
  readonly trace?: string;
}

export interface WorkerReady {
  readonly port: number;
  /** Of each real model it hosts, in the order of the replicas. */
  readonly models: readonly HostedModelInfo[];
}

export interface HostedModelInfo {
  readonly provenance: ModelProvenance;
  readonly cost: LoadCost;
  /** The tensors that it takes; null where it takes payloads. */
  readonly inputs: readonly TensorSpec[] | null;
}
