/**
 * The interface of every kind of machine that is not this one. A worker there is a command of this machine
 * (`ssh …`, `docker run -i …`, `srun …`) whose standard input and output are its channel (`processes/channel.ts`).
 *
 *   open (allocate) ─> prepare each machine, all at once ─> command ─> ready ─> reach ─> … ─> close
 */
import type { LoadedInventory, ReplicaPlace } from "../../core/inventory/read-inventory.ts";
import type { SlotPlace } from "../../core/inventory/schema.ts";
import type { BackendName } from "../../core/scenario/schema/run.ts";

/** One kind of machines; `open-machines.ts` lists them. */
export interface MachineKind {
  /** Finds or allocates the machines. Rejects with a Fault that names the next step. */
  open(context: MachineContext): Promise<Machines>;
  /**
   * What a deployment has left on its machines, from any shell, also after this machine was restarted. With
   * `end` it is ended.
   */
  leftovers(context: DeployedContext, end: boolean): Promise<Leftovers>;
}

/** A deployment that may be gone. */
export interface DeployedContext {
  readonly loaded: LoadedInventory;
  /** Identifies the deployment, in the names and labels of its processes. */
  readonly deployment: string;
}

export interface MachineContext extends DeployedContext {
  /** Places of the replicas that are to run: only their machines are needed. */
  readonly places: readonly ReplicaPlace[];
  readonly backend: BackendName;
  /** Files that real models read; copied by digest. Null: none. */
  readonly models: ModelFiles | null;
  readonly onEvent: (line: string) => void;
  readonly signal?: AbortSignal | undefined;
}

export interface ModelFiles {
  /** Where the paths in models start, and the files that they name, from there. */
  readonly folder: string;
  readonly files: readonly string[];
  /** The folder of prepared built-in models (`PreparedModels.dir`); null: none is used. */
  readonly store: string | null;
}

export interface Leftovers {
  /** A line for each process or container that there is, or was before it was ended. */
  readonly found: readonly string[];
  /** A line for each machine that could not be asked, and why. */
  readonly unknown: readonly string[];
}

/** The machines of one deployment. */
export interface Machines {
  readonly all: readonly Machine[];
  /** The machine of a replica's place, and its slot there. */
  at(place: ReplicaPlace): { readonly machine: Machine; readonly slot: SlotPlace };
  /** Names and addresses by which the gateway reaches workers: their certificates have them. */
  readonly hosts: readonly string[];
  /** The gateway's machine; null: this one. */
  readonly gateway: GatewayMachine | null;
  /** Either side of a worker's channel ends when it has not heard of the other for so long. */
  readonly leaseMs: number;
  /** Gives back what `open` took, such as an allocation, after every machine was closed. */
  close(): Promise<void>;
}

export interface GatewayPorts {
  readonly grpc: number;
  readonly http: number;
}

/** The machine of a gateway that does not run here; it listens on that machine's loopback. */
export interface GatewayMachine {
  readonly name: string;
  /** The command, here, that runs the gateway there with `--stdio`. */
  command(nodeOptions: readonly string[]): readonly string[];
  /**
   * Forwards ports of the loopback here to the gateway's ports there; port 0 takes any free one. Called after each
   * start; resolves once the gateway answers, with TLS if it is `secure`.
   */
  reach(there: GatewayPorts, here: GatewayPorts, secure: boolean): Promise<GatewayPorts>;
}

/** A worker process that is to run on a machine. */
export interface RemoteWorker {
  /** Unique in the deployment, e.g. `worker-3`. */
  readonly name: string;
  /** Its device slot; empty where it has none of its own. */
  readonly slot: SlotPlace;
}

export interface Machine {
  /** The inventory's name of it. */
  readonly name: string;
  /** Processors that workers may use. Known once it is prepared, as are the `paths`. */
  readonly processors: number;
  /** There: the folder of `ModelFiles`, and the folder that holds that of prepared models. */
  readonly paths: { readonly folder?: string; readonly store?: string };
  /**
   * Brings what workers need, once by digest, and checks it. Rejects with a Fault that names the machine and
   * the next step; nothing runs then.
   */
  prepare(): Promise<void>;
  /** Where the worker shall listen; port 0: any free one. Asked before each start. */
  listen(worker: RemoteWorker): { readonly host: string; readonly port: number };
  /** The command, here, that runs the worker there with `--stdio`. */
  command(worker: RemoteWorker): readonly string[];
  /**
   * The address (host:port, or unix:path) at which the gateway reaches the worker that listens on `port`. Asked
   * after each start, it stays the same.
   */
  reach(worker: RemoteWorker, port: number): Promise<string>;
  /** The worker has ended for good. */
  release(worker: RemoteWorker): Promise<void>;
  /** Ends tunnels and the like. */
  close(): Promise<void>;
}
