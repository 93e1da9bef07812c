/** `cluster`: the real deployment of a working directory. */
import { plainInputs } from "../cluster/deploy/options.ts";
import {
  type ClusterEnd,
  type ClusterState,
  type ClusterStatus,
  clusterDown,
  clusterStatus,
  clusterUp,
} from "../cluster/deploy/state.ts";
import type { BackendName } from "../core/scenario/schema/run.ts";
import { replicationSeed } from "../sim/replication.ts";
import { inventoryFor } from "./inventory-file.ts";
import { tryOutOwn } from "./own-scheduler.ts";
import { refuseInProgram } from "./program-scheduler.ts";
import { inputsOf, requireBackend, type Scenario } from "./scenario.ts";

/** A deployment belongs to a folder, whose `.tandem/` holds its state and its logs. */
export interface ClusterFolder {
  /** Default: the current folder. */
  readonly directory?: string;
}

export interface ClusterUpOptions extends ClusterFolder {
  /** Real models, or replayed times. Default: replay. */
  readonly backend?: BackendName;
  /** REST takes it, gRPC the next, workers those after. Default: free ones. */
  readonly port?: number;
  /** Replicas that can be added to each task while it runs. Default: 0. */
  readonly spare?: number;
  /** Where the gateway listens. Default: 127.0.0.1. */
  readonly host?: string;
  /** Folder of `tandem cluster certs`. */
  readonly certs?: string;
  /** File of `tandem cluster token`. */
  readonly tokens?: string;
  /** File of an inventory: the machines that serve the scenario's nodes. Default: this one. */
  readonly on?: string;
}

export interface ClusterStatusOptions extends ClusterFolder {
  /** File with a bearer token. */
  readonly tokenFile?: string;
}

/**
 * Starts a gateway and a worker for each replica, which outlive the program. Throws Fault("usage") where
 * one is up already, Fault("cluster-failure") where it does not start.
 */
export async function clusterOn(
  loaded: Scenario,
  options: ClusterUpOptions = {},
): Promise<ClusterState> {
  const { backend = "replay", port, spare = 0, host, certs, tokens, on, directory } = options;
  refuseInProgram(loaded, "the gateway is a process of its own");
  requireBackend(loaded, backend);
  const { document } = loaded;
  tryOutOwn(loaded, [{ id: "base", parameters: {}, document }]);
  const inventory = inventoryFor(on, [document]);
  const seed = replicationSeed(document.run.seed, 0);
  return clusterUp(
    {
      ...{ document, inputs: plainInputs(inputsOf(loaded)), backend, seed, spareReplicas: spare },
      ...(inventory === undefined ? {} : { inventory }),
      ...(port === undefined ? {} : { basePort: port }),
      ...(host === undefined ? {} : { host }),
      ...(certs === undefined ? {} : { certificates: certs }),
      ...(tokens === undefined ? {} : { tokens }),
    },
    directory,
  );
}

/** Null where none was started in the folder. */
export async function clusterNow({
  directory,
  tokenFile,
}: ClusterStatusOptions = {}): Promise<ClusterStatus | null> {
  return clusterStatus(directory, tokenFile ?? null);
}

/** Stops it; null where none was up. */
export async function clusterOff({ directory }: ClusterFolder = {}): Promise<ClusterEnd | null> {
  return clusterDown(directory);
}
