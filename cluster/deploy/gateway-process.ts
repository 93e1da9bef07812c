/** Starts the gateway's process, keeps it alive on the same ports, and stops it. */
import { readdirSync, readFileSync, rmSync } from "node:fs";
import { join, resolve } from "node:path";
import { GatewayPorts, type Ports } from "../machines/gateway-ports.ts";
import { GATEWAY, type Machine } from "../machines/machine.ts";
import { type ChildExit, type ChildOptions, KeptChild } from "../processes/child.ts";
import type { FileText } from "../processes/child-side.ts";
import { ownFolder } from "../processes/own-folder.ts";
import type { WorkerQuestion, WorkerReply } from "../run/replica-control.ts";
import type { GatewayReady, GatewaySpecification } from "../run/specification.ts";
import { securityPaths } from "../security/access.ts";
import { authority, reachableHost, readIdentity } from "../security/tls.ts";
import { type Elsewhere, OWN_CERTIFICATES, takeText } from "./elsewhere.ts";
import { type DeploymentOptions, plainInputs } from "./options.ts";
import type { WorkerPool } from "./worker-pool.ts";

const READY_TIMEOUT_MS = 30_000;
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

export class GatewayProcess {
  readonly id: string;
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
    this.id = id;
    const { host = "127.0.0.1", basePort, directory = ownFolder(), restart = true } = options;
    this.#options = options;
    this.#workers = workers;
    this.#elsewhere = elsewhere;
    this.#host = host;
    this.#here = { http: basePort ?? 0, grpc: basePort === undefined ? 0 : basePort + 1 };
    const machine = this.#machine;
    this.#own = machine === null ? this.#here : { http: 0, grpc: 0 };
    this.#controlFile = join(directory, `${CONTROLS}${this.id}.json`);
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
  async #answer({ question, what, replica, address = "" }: WorkerQuestion): Promise<void> {
    try {
      if (what === "attach") this.#workers.attach(replica, address);
      else if (what === "stop") await this.#workers.remove(replica);
      const started = what === "start" ? await this.#workers.add(replica) : address;
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
      ...{ name: "gateway", entry: "gateway/main", specification: this.#specification() },
      ...{ readyTimeoutMs: READY_TIMEOUT_MS, signal, nodeOptions: STEADY_HEAP },
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
      ...{ id: this.id, document, inputs: plainInputs(this.#options.inputs), backend, seed },
      ...{ timeScale, bounds, origins, spareReplicas, trace, record },
      ...{ host: this.#host, grpcPort: this.#own.grpc, httpPort: this.#own.http },
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
      ...{ workerCertificates: null, controlFile: null },
      elsewhere: { callers, workers: readIdentity(workerCertificates, "gateway") },
    };
  }
}
