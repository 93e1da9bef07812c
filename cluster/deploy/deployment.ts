/**
 * A real deployment on this machine, or with workers on those of an inventory: starts and watches worker
 * processes, then the gateway. Each process ends when its parent is gone, so the end of this process ends all.
 */
import { randomUUID } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { Fault } from "../../engine/basics/fault.ts";
import type { BackendName } from "../../scenario/schema/run.ts";
import { GatewayPorts, type Ports } from "../machines/gateway-ports.ts";
import { GATEWAY, type Machine } from "../machines/machine.ts";
import { traceTarget } from "../observe/open-tracing.ts";
import {
  type ChildExit,
  type ChildOptions,
  KeptChild,
  type Speaking,
  unlessAborted,
} from "../processes/child.ts";
import type { FileText } from "../processes/child-side.ts";
import { ownFolder } from "../processes/own-folder.ts";
import type { WorkerQuestion, WorkerReply } from "../run/replica-control.ts";
import type { GatewayReady, GatewaySpecification } from "../run/specification.ts";
import { SecurityFiles, securityPaths } from "../security/access.ts";
import { type ClientAccess, getJson, healthAccess } from "../security/client-access.ts";
import { authority, reachableHost, readIdentity, requireSafeBinding } from "../security/tls.ts";
import {
  type DeploymentOptions,
  deployedSystem,
  type Elsewhere,
  gatewayInputs,
  OWN_CERTIFICATES,
  openElsewhere,
  takeText,
} from "./options.ts";
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
const READY_TIMEOUT_MS = 30_000;
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
    id,
    timeScale,
    backend,
    crashes,
    gatewayProcess: gateway.process,
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
  const giveUpAt = performance.now() + HEALTH_TIMEOUT_MS;
  for (;;) {
    const { status } = await getJson(`${http}/v2/health/ready`, access);
    if (status === 200) return;
    const [crash] = crashes;
    if (crash !== undefined) {
      throw new Fault("cluster-failure", `${crash.name} ended while the deployment started`, {
        hint: crash.stderrTail,
      });
    }
    if (performance.now() > giveUpAt) {
      throw new Fault(
        "cluster-failure",
        `the gateway did not see every replica within ${HEALTH_TIMEOUT_MS / 1000} s`,
      );
    }
    await new Promise((resolve) => setTimeout(resolve, HEALTH_POLL_MS));
  }
}

/** A deployment's file of settings: this and its id. */
const CONTROLS = "tandem-controls-";
/**
 * Collects garbage when it equals the live memory, not four times that, so that a gateway that lives for
 * months takes only the memory that it needs. The young generation has room for the requests of 0.1 s.
 */
const STEADY_HEAP = [
  "--initial-old-space-size=96",
  "--heap-growing-percent=100",
  "--min-semi-space-size=32",
  "--max-semi-space-size=32",
];

/** Removes files of killed deployments; call it when none runs in the folder. */
export function removeLeftovers(folder: string): void {
  for (const name of readdirSync(folder)) {
    const isOurs = name.startsWith(CONTROLS) || name.startsWith(OWN_CERTIFICATES);
    if (isOurs) rmSync(join(folder, name), { recursive: true });
  }
}

/** Starts the gateway's process, keeps it alive on the same ports, and stops it. */
class GatewayProcess {
  readonly #id: string;
  readonly #options: DeploymentOptions;
  readonly #workers: WorkerPool;
  readonly #elsewhere: Elsewhere | null;
  readonly process: KeptChild<GatewayReady>;
  readonly #host: string;
  readonly #controlFile: string;
  /** On its machine, and here: the same where it runs here. */
  #own: Ports;
  #here: Ports;
  /** Null for a gateway here. */
  readonly #ports: GatewayPorts | null;

  constructor(
    options: DeploymentOptions,
    id: string,
    { workers, elsewhere }: { readonly workers: WorkerPool; readonly elsewhere: Elsewhere | null },
    crashed: (exit: ChildExit) => void,
  ) {
    this.#id = id;
    const { host = LOOPBACK, directory = ownFolder(), restart = true } = options;
    const port = options.basePort ?? options.gatewayPort;
    this.#options = options;
    this.#workers = workers;
    this.#elsewhere = elsewhere;
    this.#host = host;
    this.#here = { http: port ?? 0, grpc: port === undefined ? 0 : port + 1 };
    const machine = this.#machine;
    this.#own = machine === null ? this.#here : { http: 0, grpc: 0 };
    this.#controlFile = join(directory, `${CONTROLS}${id}.json`);
    const onEvent = (line: string): void => options.onEvent?.(line);
    const forward = (): readonly string[] => machine?.command("forward", GATEWAY) ?? [];
    this.#ports = machine === null ? null : new GatewayPorts(forward, onEvent);
    this.process = new KeptChild<GatewayReady>({
      name: "gateway",
      options: () => this.#child(),
      restart,
      patient: machine !== null,
      onReady: async ({ ready: { grpcPort: grpc, httpPort: http } }) => {
        this.#own = { grpc, http };
        this.#here = (await this.#ports?.lead(this.#own, this.#here)) ?? this.#own;
      },
      onExit: crashed,
      onEvent,
    });
  }

  /** Null: this one. */
  get machine(): string | null {
    return this.#machine?.name ?? null;
  }

  /** Known, and constant, once it has started. */
  get addresses(): { readonly grpc: string; readonly http: string } {
    const host = reachableHost(this.#host);
    const scheme = this.#options.certificates === undefined ? "http" : "https";
    return {
      grpc: authority(host, this.#here.grpc),
      http: `${scheme}://${authority(host, this.#here.http)}`,
    };
  }

  async stop(): Promise<void> {
    await this.process.stop();
    this.#ports?.close();
    rmSync(this.#controlFile, { force: true });
  }

  get #machine(): Machine | null {
    return this.#elsewhere?.machines.gateway ?? null;
  }

  #hear(message: WorkerQuestion | FileText): void {
    void ("appendTo" in message ? takeText(this.#options, message) : this.#answer(message));
  }

  /** Starts and stops workers for the gateway, and replies with the result. */
  async #answer({ question, what, replicas, address = "" }: WorkerQuestion): Promise<void> {
    try {
      if (what === "attach") this.#workers.attach(replicas, address);
      else if (what === "stop") await this.#workers.remove(replicas);
      const started = what === "start" ? await this.#workers.add(replicas) : address;
      this.process.send({ question, address: started } satisfies WorkerReply);
    } catch (error) {
      const message = (error as Error).message;
      this.process.send({ question, error: message } satisfies WorkerReply);
    }
  }

  #child(): ChildOptions {
    const { directory, signal } = this.#options;
    const command = this.#machine?.command("gateway", GATEWAY, STEADY_HEAP);
    const leaseMs = this.#elsewhere?.machines.leaseMs ?? 0;
    return {
      name: "gateway",
      entry: "gateway/main",
      specification: this.#specification(),
      readyTimeoutMs: READY_TIMEOUT_MS,
      signal,
      nodeOptions: STEADY_HEAP,
      elsewhere: command && { command, leaseMs },
      onProgress: (message) => this.#hear(message as WorkerQuestion | FileText),
      logFile: directory && join(directory, "gateway.log"),
    };
  }

  #specification(): GatewaySpecification {
    const { document, backend, seed, timeScale = 1, bounds = {}, origins = [] } = this.#options;
    const { certificates, workerCertificates = certificates } = this.#options;
    const { trace = null, record = null, spareReplicas = 0 } = this.#options;
    return {
      id: this.#id,
      document,
      inputs: gatewayInputs(this.#options.inputs),
      backend,
      seed,
      timeScale,
      bounds,
      origins,
      spareReplicas,
      trace,
      record,
      host: this.#host,
      grpcPort: this.#own.grpc,
      httpPort: this.#own.http,
      security: securityPaths(this.#options),
      workerCertificates: workerCertificates === undefined ? null : resolve(workerCertificates),
      replicas: this.#workers.served.map(({ replica, address }) => ({ replica, address })),
      controlFile: this.#controlFile,
      ...(this.#machine === null ? {} : this.#withoutFiles()),
    };
  }

  /** A gateway elsewhere sees no file of this machine. */
  #withoutFiles(): Partial<GatewaySpecification> {
    const { certificates, workerCertificates = certificates as string, tokens } = this.#options;
    const callers = {
      identity: certificates === undefined ? null : readIdentity(certificates, "gateway"),
      tokens: tokens === undefined ? null : readFileSync(tokens, "utf8"),
    };
    return {
      security: { certificates: null, tokens: null },
      workerCertificates: null,
      controlFile: null,
      elsewhere: { callers, workers: readIdentity(workerCertificates, "gateway") },
    };
  }
}
