/**
 * A real deployment on this machine: worker processes, then the gateway, each watched. Whatever
 * ends this process ends them too: each notices that its parent is gone.
 */

import { mkdirSync } from "node:fs";
import type { MeasuredInputs } from "../core/compile.ts";
import { Fault } from "../core/fault.ts";
import type { BackendName } from "../core/scenario/schema/run.ts";
import type { ScenarioDocument } from "../core/scenario/schema.ts";
import type { ServiceBounds } from "./gateway/service-bounds.ts";
import { GatewayProcess } from "./gateway-process.ts";
import { getJson } from "./http-client.ts";
import { traceTarget } from "./observe/trace-target.ts";
import { type Speaking, unlessAborted } from "./processes/bounded-wait.ts";
import type { ChildExit } from "./processes/child.ts";
import { requireSafeBinding } from "./security/bind-address.ts";
import { type ClientAccess, clientTls, NO_ACCESS } from "./security/client-access.ts";
import { SecurityFiles, securityPaths } from "./security/security-files.ts";
import type { TlsIdentity } from "./security/tls.ts";
import { deployedSystem, startWorkers, type WorkerPlace, type WorkerPool } from "./worker-pool.ts";

export interface DeploymentOptions {
  readonly document: ScenarioDocument;
  readonly inputs: MeasuredInputs;
  readonly backend: BackendName;
  readonly seed: string;
  /** Wall-clock time over the scenario's time; other than 1 only with the replay backend. */
  readonly timeScale?: number;
  /** Where the gateway listens. Default 127.0.0.1; without certificates, loopback only. */
  readonly host?: string;
  /** Folder that `tandem cluster certs` wrote: TLS for callers, mutual TLS with the workers. */
  readonly certificates?: string;
  /** The same for the workers alone. Default: `certificates`. */
  readonly workerCertificates?: string;
  /** File that `tandem cluster token --file` wrote: callers show a token. */
  readonly tokens?: string;
  /** The gateway's REST port; gRPC takes the next, workers those after it. Default: free ports. */
  readonly basePort?: number;
  /** Where logs go; default: nowhere. */
  readonly directory?: string;
  /** Where prepared models lie; default: the model store's own place. */
  readonly cacheDir?: string;
  /**
   * Replicas in one worker process. Default: 1, or with the replay backend as many as keep the
   * processes to one per core, and to 16.
   */
  readonly replicasPerWorker?: number;
  /** Where each worker process runs, by its number from 0. Default: here, on 127.0.0.1. */
  readonly placeWorker?: (worker: number) => WorkerPlace;
  /** How many replicas can be added to each task while it runs. Default 0. */
  readonly spareReplicas?: number;
  /** Whether a process that dies is started again. Default true. */
  readonly restart?: boolean;
  /** What the gateway holds and waits for at most, where it is not the default. */
  readonly bounds?: Partial<ServiceBounds>;
  /** Where traces go (`observe/trace-target.ts`). Default: as the environment says, or nowhere. */
  readonly trace?: string;
  readonly onEvent?: (line: string) => void;
  /** Aborted during the start, it ends that. */
  readonly signal?: AbortSignal | undefined;
}

export interface DeployedWorker {
  readonly replica: string;
  readonly pid: number;
  readonly address: string;
}

export interface Deployment {
  /** Tells one deployment from another; GET /v2 shows it. */
  readonly id: string;
  readonly timeScale: number;
  readonly backend: BackendName;
  /** A gateway that was started again has a new pid, and the ports that it had. */
  readonly gateway: { readonly grpc: string; readonly http: string; readonly pid: number };
  /** The gateway as a process that is heard of as long as it runs. */
  readonly gatewayProcess: Speaking;
  /** As they are now: a restarted worker has a new pid. */
  readonly workers: readonly DeployedWorker[];
  /** Resolves with the first process that ended unbidden; never if none does. */
  readonly crashed: Promise<ChildExit>;
  /** Resolves when the gateway has ended and is not started again. */
  readonly gatewayLost: Promise<ChildExit>;
  /** Processes that ended unbidden so far. */
  readonly crashes: readonly ChildExit[];
  /** Ends every process and waits for it. */
  stop(): Promise<void>;
}

const HEALTH_TIMEOUT_MS = 30_000;
const HEALTH_POLL_MS = 30;

/**
 * Starts every process and waits until the gateway sees every replica.
 * Throws Fault("cluster-failure"), with everything stopped, when one does not come up.
 */
export async function startDeployment(given: DeploymentOptions): Promise<Deployment> {
  const trace = given.trace ?? traceTarget(undefined);
  const options = trace === null ? given : { ...given, trace };
  const { timeScale = 1, backend } = options;
  if (timeScale !== 1 && backend !== "replay") {
    throw new Fault("usage", `time scale ${timeScale} needs the replay backend`, {
      hint: "real models take the time they take",
    });
  }
  await requireSafeBinding(options.host ?? "127.0.0.1", options.certificates !== undefined);
  // What is wrong with them is said before anything is started.
  const files = new SecurityFiles(securityPaths(options), "gateway");
  files.close();
  const crashes = new Crashes();
  if (options.directory !== undefined) mkdirSync(options.directory, { recursive: true });
  const workers = await startWorkers(options, crashes.add);
  const gateway = new GatewayProcess(options, workers, crashes.add);
  const stop = async (): Promise<void> => {
    crashes.stopping = true;
    await gateway.stop();
    await workers.stop();
  };
  try {
    await gateway.start();
    const ready = awaitReady(gateway.addresses.http, healthAccess(files.identity), crashes);
    await unlessAborted(options.signal, ready);
  } catch (error) {
    await stop();
    throw error;
  }
  return deployed(options, workers, gateway, { crashes, stop });
}

/** What ended though nobody asked it to. */
class Crashes {
  readonly list: ChildExit[] = [];
  readonly first: Promise<ChildExit>;
  stopping = false;
  #tell: (exit: ChildExit) => void = () => undefined;

  constructor() {
    this.first = new Promise((resolve) => {
      this.#tell = resolve;
    });
  }

  readonly add = (exit: ChildExit): void => {
    if (this.stopping) return;
    this.list.push(exit);
    this.#tell(exit);
  };
}

function deployed(
  options: DeploymentOptions,
  workers: WorkerPool,
  gateway: GatewayProcess,
  { crashes, stop }: { crashes: Crashes; stop: () => Promise<void> },
): Deployment {
  const names = deployedSystem(options).replicas.map(({ name }) => name);
  const { grpc, http } = gateway.addresses;
  options.onEvent?.(`gateway ready: grpc ${grpc}, rest ${http}`);
  return {
    id: gateway.id,
    timeScale: options.timeScale ?? 1,
    backend: options.backend,
    get gateway() {
      return { grpc, http, pid: gateway.pid };
    },
    gatewayProcess: gateway,
    get workers() {
      return workers.addresses.map(({ replica, address }) => ({
        replica: names[replica],
        pid: workers.pidOf(replica),
        address,
      }));
    },
    crashed: crashes.first,
    gatewayLost: gateway.lost,
    crashes: crashes.list,
    stop: async () => {
      await stop();
      options.onEvent?.("deployment stopped");
    },
  };
}

/** Health is public: what matters is that the gateway is ours. */
function healthAccess(identity: TlsIdentity | null): ClientAccess {
  return identity === null ? NO_ACCESS : { tls: clientTls(identity, "gateway"), token: null };
}

async function awaitReady(http: string, access: ClientAccess, crashes: Crashes): Promise<void> {
  const giveUpAt = Date.now() + HEALTH_TIMEOUT_MS;
  for (;;) {
    const { status } = await getJson(`${http}/v2/health/ready`, access);
    if (status === 200) return;
    const [crash] = crashes.list;
    if (crash !== undefined) {
      throw new Fault("cluster-failure", `${crash.name} ended while the deployment started`, {
        hint: crash.stderrTail,
      });
    }
    if (Date.now() > giveUpAt) {
      throw new Fault(
        "cluster-failure",
        `the gateway did not see every replica within ${HEALTH_TIMEOUT_MS / 1000} s`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, HEALTH_POLL_MS));
  }
}
