/** The options of a deployment. */
import { compileSystem, type MeasuredInputs } from "../../core/compile.ts";
import type { LoadedInventory } from "../../core/inventory/read-inventory.ts";
import type { BackendName } from "../../core/scenario/schema/run.ts";
import type { ScenarioDocument } from "../../core/scenario/schema.ts";
import { type System, withSpareReplicas } from "../../core/system.ts";
import type { ServiceBounds } from "../run/specification.ts";

export interface DeploymentOptions {
  readonly document: ScenarioDocument;
  readonly inputs: MeasuredInputs;
  readonly backend: BackendName;
  readonly seed: string;
  /** Identifies the deployment. Default: a random one. */
  readonly id?: string;
  /** Wall-clock time over the scenario's time; other than 1 only with the replay backend. */
  readonly timeScale?: number;
  /** Where the gateway listens. Default 127.0.0.1; without certificates, loopback only. */
  readonly host?: string;
  /** Folder that `tandem cluster certs` wrote: TLS for callers, mutual TLS with the workers. */
  readonly certificates?: string;
  /** Folder for the workers alone. Default: `certificates`. */
  readonly workerCertificates?: string;
  /** File that `tandem cluster token --file` wrote: callers show a token. */
  readonly tokens?: string;
  /** Origins of web pages, besides the gateway's own, that may call it. Default: none. */
  readonly origins?: readonly string[];
  /** The gateway's REST port; gRPC takes the next, workers those after it. Default: free ports. */
  readonly basePort?: number;
  /** Where the scenario's nodes are; checked against the document. Default: here. */
  readonly inventory?: LoadedInventory | undefined;
  /** Folder of log files; default: no logs. */
  readonly directory?: string;
  /** Folder of prepared models; default: the model store's folder. */
  readonly cacheDir?: string;
  /**
   * Replicas in one worker process. Default: 1, or with the replay backend as many as keep the
   * processes to one per core, and to 16.
   */
  readonly replicasPerWorker?: number;
  /** How many replicas can be added to each task while it runs. Default 0. */
  readonly spareReplicas?: number;
  readonly restart?: boolean;
  /** Bounds of the gateway that differ from the default. */
  readonly bounds?: Partial<ServiceBounds>;
  /** File in which the gateway records the requests that it gets, as a trace. Default: none. */
  readonly record?: string;
  /** Target of traces (`observe/open-tracing.ts`). Default: as the environment says, or none. */
  readonly trace?: string;
  readonly onEvent?: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export function deployedSystem({ document, inputs, spareReplicas = 0 }: DeploymentOptions): System {
  return withSpareReplicas(compileSystem(document, inputs), spareReplicas);
}

/** Inputs that can be sent to a process: a gateway loads scheduler files by itself, from their texts. */
export function plainInputs(inputs: MeasuredInputs): MeasuredInputs {
  const { profiles, overheadProfile, traceSizes, schedulerFiles, folder } = inputs;
  return { profiles, overheadProfile, traceSizes, schedulerFiles, folder };
}
