/**
 * A gateway or a worker whose starter is an orchestrator, not a deployment of ours: it reads a
 * configuration file, ends on SIGTERM or with its process, and says whether it is healthy.
 */
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { closeSync, openSync, rmSync, utimesSync } from "node:fs";
import { promisify } from "node:util";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { Fault } from "../../engine/basics/fault.ts";
import { type Child, type ChildOptions, startChild } from "../processes/child.ts";
import { SecurityFiles } from "../security/access.ts";
import { type ClientAccess, getJson, healthAccess } from "../security/client-access.ts";
import { authority, reachableHost, requireSafeBinding } from "../security/tls.ts";
import {
  gatewaySpecification,
  isBeyondSet,
  LIVE_SERVICE,
  readConfiguration,
  type ServicePlace,
  workerSpecification,
} from "./container-plan.ts";

export interface ServeOptions extends ServicePlace {
  readonly role: "gateway" | "worker";
  readonly config: string;
  readonly name: string;
  /** Where to answer gRPC health checks, without TLS; null: nowhere. */
  readonly healthPort: number | null;
  /** File that is touched each second while it serves; null: none. */
  readonly readyFile: string | null;
  /** Aborted, it ends in order. */
  readonly signal: AbortSignal;
  readonly onEvent: (line: string) => void;
}

const GATEWAY_READY_MS = 30_000;
/** Loading models takes long on a cold volume. */
const WORKER_READY_MS = 600_000;
const LOOK_MS = 1000;
/** Looks without a sign of life: counted, so that a paused container is not taken for dead. */
const SILENT_LOOKS = 10;

/**
 * Serves until `signal` is aborted. Rejects with Fault("cluster-failure") when the process ends by
 * itself, Fault("usage") or Fault("invalid-input") for options and files that it cannot serve with.
 */
export async function serve(options: ServeOptions): Promise<void> {
  const { role, name, host, certificates, tokens, signal, onEvent } = options;
  const configuration = readConfiguration(options.config);
  if (role === "worker" && isBeyondSet(configuration, name)) {
    await idle(options);
    return;
  }
  const child = childOf(options, configuration);
  await requireSafeBinding(host, certificates !== null);
  // Reports wrong files before any process starts.
  const files = new SecurityFiles({ certificates, tokens }, role);
  files.close();
  const report = await openHealth(options);
  try {
    const process = await startChild<unknown>(child).catch((error: unknown) => {
      if (signal.aborted) return null;
      throw error;
    });
    if (process === null) return;
    onEvent(`${child.name} ready, pid ${process.pid}`);
    const access = healthAccess(files.identity);
    const looks = watch(process, report, role === "worker" ? null : healthUrl(options), access);
    const asked = signal.aborted ? null : once(signal, "abort").then(() => null);
    const exit = await Promise.race([process.exited, asked]);
    clearInterval(looks);
    report.set(exit === null, false);
    if (exit !== null) {
      throw new Fault(
        "cluster-failure",
        `${child.name} ended with ${exit.signal ?? `exit code ${exit.code}`}`,
        { hint: exit.stderrTail },
      );
    }
    await process.stop();
    onEvent(`${child.name} stopped`);
  } finally {
    report.close();
  }
}

/**
 * A pod that `kubectl scale` adds has no replica in the scenario. It is never ready, and does not start again and again,
 * until it is scaled away.
 */
async function idle(options: ServeOptions): Promise<void> {
  const { name, signal, onEvent } = options;
  const report = await openHealth(options);
  onEvent(
    `${name} has no replica in the scenario and serves nothing: change the scenario's replicas and deploy it again, or scale back`,
  );
  if (!signal.aborted) await once(signal, "abort");
  report.close();
}

function childOf(
  options: ServeOptions,
  configuration: ReturnType<typeof readConfiguration>,
): ChildOptions {
  const { role, name, signal } = options;
  const common = { signal, echo: true };
  if (role === "gateway") {
    return {
      ...common,
      name: role,
      entry: "gateway/main",
      readyTimeoutMs: GATEWAY_READY_MS,
      specification: gatewaySpecification(configuration, options, randomUUID()),
    };
  }
  return {
    ...common,
    name: `worker ${name}`,
    entry: "worker/main",
    readyTimeoutMs: WORKER_READY_MS,
    specification: workerSpecification(configuration, options, name),
  };
}

function healthUrl({ host, port, certificates }: ServeOptions): string {
  const scheme = certificates === null ? "http" : "https";
  return `${scheme}://${authority(reachableHost(host), port)}/v2/health`;
}

/**
 * Looks each second. A worker serves once its models are loaded. A gateway serves from the first
 * moment when it sees every replica: a replica that is lost later must not take the gateway away
 * from its callers.
 */
function watch(
  child: Child<unknown>,
  report: Awaited<ReturnType<typeof openHealth>>,
  gateway: string | null,
  access: ClientAccess,
): NodeJS.Timeout {
  let heard = -1;
  let silent = 0;
  let hasServed = gateway === null;
  const answers = (path: string): Promise<boolean> =>
    getJson(`${gateway}/${path}`, access, LOOK_MS * SILENT_LOOKS).then(
      ({ status }) => status === 200,
      () => false,
    );
  const look = async (): Promise<void> => {
    silent = child.heard === heard ? silent + 1 : 0;
    heard = child.heard;
    const live = silent < SILENT_LOOKS;
    const serves = gateway === null || (await answers(hasServed ? "live" : "ready"));
    hasServed ||= serves;
    report.set(live, live && serves);
  };
  void look();
  return setInterval(() => void look(), LOOK_MS);
}

/** A health check is a few bytes. */
const CHANNEL = {
  "grpc.max_receive_message_length": 4096,
  "grpc.max_concurrent_streams": 16,
  "grpc.max_connection_idle_ms": 60_000,
};

/**
 * Tells orchestrators whether a container serves: by the standard gRPC health service, which a
 * kubelet can ask, and by a file's time, which a shell can read. A probe that starts Node takes
 * 0.15 s of processor time, and that of a worker with one core is a late batch.
 * Rejects with Fault("cluster-failure") when the port is taken.
 */
async function openHealth({ host, healthPort, readyFile }: ServeOptions) {
  const health = new HealthImplementation({ "": "NOT_SERVING", [LIVE_SERVICE]: "SERVING" });
  const server = new Server(CHANNEL);
  const removeFile = (): void => {
    if (readyFile !== null) rmSync(readyFile, { force: true });
  };
  removeFile();
  if (healthPort !== null) {
    health.addToServer(server);
    const bind = promisify(server.bindAsync.bind(server));
    try {
      await bind(authority(host, healthPort), ServerCredentials.createInsecure());
    } catch (cause) {
      const message = `no health checks on port ${healthPort}: ${(cause as Error).message}`;
      const hint = "choose another --health-port, or leave it out";
      throw new Fault("cluster-failure", message, { hint, cause });
    }
  }
  return {
    set(live: boolean, serves: boolean): void {
      health.setStatus("", serves ? "SERVING" : "NOT_SERVING");
      health.setStatus(LIVE_SERVICE, live ? "SERVING" : "NOT_SERVING");
      if (serves && readyFile !== null) touch(readyFile);
      else removeFile();
    },
    close(): void {
      server.forceShutdown();
      removeFile();
    },
  };
}

function touch(file: string): void {
  closeSync(openSync(file, "a"));
  const now = new Date();
  utimesSync(file, now, now);
}
