/**
 * A real deployment on this machine, or with workers on those of an inventory: starts and watches worker
 * processes, then the gateway. Each process ends when its parent is gone, so the end of this process ends all.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync } from "node:fs";
import { Fault } from "../../core/fault.ts";
import type { BackendName } from "../../core/scenario/schema/run.ts";
import { traceTarget } from "../observe/open-tracing.ts";
import { type Speaking, unlessAborted } from "../processes/bounded-wait.ts";
import type { ChildExit } from "../processes/child.ts";
import { SecurityFiles, securityPaths } from "../security/access.ts";
import { type ClientAccess, getJson, healthAccess } from "../security/client-access.ts";
import { requireSafeBinding } from "../security/tls.ts";
import { openElsewhere } from "./elsewhere.ts";
import { GatewayProcess } from "./gateway-process.ts";
import { type DeploymentOptions, deployedSystem } from "./options.ts";
import { type ServedReplica, WorkerPool } from "./worker-pool.ts";

export interface Deployment {
  /** Identifies the deployment; GET /v2 shows it. */
  readonly id: string;
  readonly timeScale: number;
  readonly backend: BackendName;
  /** A gateway that was started again has a new pid, and its former ports. */
  readonly gateway: {
    readonly grpc: string;
    readonly http: string;
    readonly pid: number;
    /** Name of its machine in the inventory; null: this one. */
    readonly machine: string | null;
  };
  /** The gateway as a process whose silence others notice. */
  readonly gatewayProcess: Speaking;
  /** At this moment, by the replica's name: a restarted worker has a new pid. */
  readonly workers: readonly (Omit<ServedReplica, "replica"> & { readonly replica: string })[];
  /** Resolves when the gateway, or all machines of an inventory, have ended for good. */
  readonly gatewayLost: Promise<ChildExit>;
  readonly crashes: readonly ChildExit[];
  stop(): Promise<void>;
}

const LOOPBACK = "127.0.0.1";
const HEALTH_TIMEOUT_MS = 30_000;
const HEALTH_POLL_MS = 30;

/**
 * Starts every process and waits until the gateway sees every replica.
 * Throws Fault("cluster-failure"), with everything stopped, when one does not come up.
 */
export async function startDeployment(given: DeploymentOptions): Promise<Deployment> {
  const trace = given.trace ?? traceTarget(undefined);
  const { timeScale = 1, backend } = given;
  await refuseUnfit(given);
  // Reports wrong files before any process starts.
  const files = new SecurityFiles(securityPaths(given), "gateway");
  files.close();
  if (given.directory !== undefined) mkdirSync(given.directory, { recursive: true });
  const id = given.id ?? randomUUID();
  const elsewhere = await openElsewhere(given, id);
  const options = {
    ...given,
    ...(trace === null ? {} : { trace }),
    ...(elsewhere === null ? {} : { workerCertificates: elsewhere.workerCertificates }),
  };
  const crashes: ChildExit[] = [];
  let stopping = false;
  const crashed = (exit: ChildExit): void => {
    if (!stopping) crashes.push(exit);
  };
  const workers = new WorkerPool(options, elsewhere?.machines ?? null, crashed);
  const gateway = new GatewayProcess(options, id, { workers, elsewhere }, crashed);
  const stop = async (): Promise<void> => {
    stopping = true;
    await gateway.stop();
    await workers.stop();
    await elsewhere?.close();
  };
  try {
    await workers.start();
    await gateway.process.start();
    const ready = awaitReady(gateway.addresses.http, healthAccess(files.identity), crashes);
    await unlessAborted(options.signal, ready);
  } catch (error) {
    await stop();
    throw error;
  }
  const { onEvent = () => undefined } = options;
  const gone = elsewhere?.machines.gone.then((name): ChildExit => {
    onEvent(`${name}: the deployment ends`);
    return { name, code: null, signal: null, stderrTail: "" };
  });
  const names = deployedSystem(options).replicas.map(({ name }) => name);
  const { grpc, http } = gateway.addresses;
  onEvent(`gateway ready: grpc ${grpc}, rest ${http}`);
  return {
    ...{ id, timeScale, backend, crashes, gatewayProcess: gateway.process },
    get gateway() {
      return { grpc, http, pid: gateway.process.pid, machine: gateway.machine };
    },
    get workers() {
      return workers.served.map((one) => ({ ...one, replica: names[one.replica] }));
    },
    gatewayLost: Promise.race([gateway.process.lost, ...(gone === undefined ? [] : [gone])]),
    stop: async () => {
      await stop();
      onEvent("deployment stopped");
    },
  };
}

/** Throws Fault("usage") for options that exclude each other. */
async function refuseUnfit(options: DeploymentOptions): Promise<void> {
  const { timeScale = 1, backend, host = LOOPBACK, certificates, inventory } = options;
  if (timeScale !== 1 && backend !== "replay") {
    throw new Fault("usage", `time scale ${timeScale} needs the replay backend`, {
      hint: "real models take the time they take",
    });
  }
  const { gateway: elsewhereOn } = { gateway: undefined, ...inventory?.inventory };
  if (host !== LOOPBACK && elsewhereOn !== undefined) {
    throw new Fault("usage", "--host needs a gateway here, and the inventory has it elsewhere", {
      hint: "leave it out, or take `gateway` out of the inventory",
    });
  }
  await requireSafeBinding(host, certificates !== undefined);
}

async function awaitReady(
  http: string,
  access: ClientAccess,
  crashes: readonly ChildExit[],
): Promise<void> {
  const giveUpAt = Date.now() + HEALTH_TIMEOUT_MS;
  for (;;) {
    const { status } = await getJson(`${http}/v2/health/ready`, access);
    if (status === 200) return;
    const [crash] = crashes;
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
