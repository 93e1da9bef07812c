/** `cluster`: the real deployment of a working directory; and `web`: the web app before it, or before another server. */
import { once } from "node:events";
import { appendFileSync } from "node:fs";
import { createServer } from "node:net";
import { hostname } from "node:os";
import { join, resolve } from "node:path";
import { gatewayInputs } from "../cluster/deploy/options.ts";
import { type ClusterFolder, type ClusterState, clusterUp } from "../cluster/deploy/state.ts";
import { traceTarget } from "../cluster/observe/open-tracing.ts";
import { startRecord } from "../cluster/observe/run-sink.ts";
import { appendToken, createToken, type Role } from "../cluster/security/access.ts";
import { getJson } from "../cluster/security/client-access.ts";
import { serveWeb } from "../cluster/web/web-server.ts";
import { Fault, requireWhole } from "../engine/basics/fault.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { replicationSeed } from "../sim/replication.ts";
import type { ReadyScenario } from "../sweep/configuration-work.ts";
import { tryOutForReal } from "./check.ts";
import type { Watch } from "./follow.ts";
import { checkedOptions, type Given } from "./option.ts";
import { CLUSTER_UP, SERVE, WEB } from "./options.ts";
import {
  contentOf,
  inputsOf,
  inventoryFor,
  refuseInProgram,
  requireBackend,
  type Scenario,
} from "./scenario.ts";

export interface ClusterUpOptions extends ClusterFolder, Given<typeof CLUSTER_UP> {
  /** Without a port, REST on 8000 and gRPC on 8001 where both are free. Default: false. */
  readonly usualPorts?: boolean | undefined;
  /** Starts it again, for `status` of a cluster whose supervisor is gone. Default: unknown. */
  readonly command?: string | undefined;
}

const USUAL_PORT = 8000;

/**
 * Starts a gateway and a worker for each replica, which outlive the program. Throws Fault("usage") where
 * one is up already or an option is wrong, Fault("cluster-failure") where it does not start.
 */
export async function clusterOn(
  loaded: ReadyScenario & Pick<Scenario, "inProgram">,
  options: ClusterUpOptions = {},
): Promise<ClusterState> {
  const values = checkedOptions(CLUSTER_UP, options);
  const { backend, port, spare, host, certs, tokens, on, record } = values;
  const { origins, connectionsPerAddress } = values;
  refuseInProgram(loaded, "the gateway is a process of its own");
  requireBackend(loaded, backend);
  const { document } = loaded;
  tryOutForReal(loaded);
  const inventory = on === undefined ? undefined : inventoryFor(on, [document]);
  const trace = traceTarget(options.trace);
  if (trace !== null && !trace.startsWith("http")) checkTraceFile(trace);
  if (port !== undefined) checkPort(port, compileSystem(document, loaded).replicas.length);
  checkOrigins(origins);
  if (record !== undefined) startRecord(resolve(record));
  const seed = replicationSeed(document.run.seed, 0);
  const start = (gatewayPort?: number) =>
    clusterUp(
      {
        ...(gatewayPort === undefined ? {} : { gatewayPort }),
        ...(connectionsPerAddress === undefined ? {} : { bounds: { connectionsPerAddress } }),
        document,
        inputs: gatewayInputs(inputsOf(loaded)),
        backend,
        seed,
        spareReplicas: spare,
        origins,
        inventory,
        command: options.command,
        ...(port === undefined ? {} : { basePort: port }),
        ...(host === undefined ? {} : { host }),
        ...(certs === undefined ? {} : { certificates: resolve(certs) }),
        ...(tokens === undefined ? {} : { tokens: resolve(tokens) }),
        ...(record === undefined ? {} : { record: resolve(record) }),
        ...(trace === null ? {} : { trace }),
      },
      options.directory,
    );
  if (port !== undefined || options.usualPorts !== true) return start();
  if (!(await areFree(host ?? "127.0.0.1", [USUAL_PORT, USUAL_PORT + 1]))) return start();
  return start(USUAL_PORT).catch((error: unknown) => {
    // Another program was quicker.
    if (!(error instanceof Fault && /EADDRINUSE/.test(`${error.message} ${error.hint}`)))
      throw error;
    return start();
  });
}

async function areFree(host: string, ports: readonly number[]): Promise<boolean> {
  const tried = ports.map(async (port) => {
    const server = createServer().listen(port, host);
    await once(server, "listening");
    await new Promise((resolve) => server.close(resolve));
  });
  return (await Promise.allSettled(tried)).every(({ status }) => status === "fulfilled");
}

export interface ClusterServeOptions extends Pick<Watch, "onNote">, Given<typeof SERVE> {
  readonly signal: AbortSignal;
}

/**
 * Runs one gateway or worker of `tandem deploy`, as containers start it, until `signal` is aborted. Rejects with
 * Fault("cluster-failure") when its process ends by itself.
 */
export async function clusterServe(options: ClusterServeOptions): Promise<void> {
  const { serve } = await import("../cluster/containers/serve.ts");
  const { PORTS } = await import("../cluster/containers/container-plan.ts");
  const { signal, onNote } = options;
  const { role, certs, tokens, healthPort, readyFile, ...values } = checkedOptions(SERVE, options);
  const { name = hostname(), port = role === "gateway" ? PORTS.http : PORTS.worker } = values;
  await serve({
    ...values,
    role,
    name,
    port,
    signal,
    certificates: certs === undefined ? null : resolve(certs),
    tokens: tokens === undefined ? null : resolve(tokens),
    healthPort: healthPort ?? null,
    readyFile: readyFile ?? null,
    onEvent: (line) => onNote?.(line),
  });
}

/** A new bearer token, whose text is kept nowhere; `file` gets its hash. */
export async function clusterToken(role: Role, name: string, file?: string) {
  const made = createToken(role, name);
  if (file !== undefined) appendToken(file, made.line);
  return made;
}

const LAST_PORT = 65_535;

/** REST takes the port, gRPC the next, and each of `workers` processes one more. Throws Fault("usage"). */
function checkPort(port: number, workers: number): void {
  const hint = `REST takes it, gRPC the next, and ${workers} workers those after; without, any that are free`;
  requireWhole("the port is", port, [1, LAST_PORT - 1 - workers], hint);
}

/** Throws Fault("usage") where a file for traces cannot be written. */
function checkTraceFile(path: string): void {
  try {
    appendFileSync(path, "");
  } catch (cause) {
    const why = (cause as Error).message;
    throw new Fault("usage", `traces cannot be written to ${path}: ${why}`, { cause });
  }
}

/** Throws Fault("usage") for a text that is no origin. */
function checkOrigins(texts: readonly string[]): void {
  const wrong = texts.find((text) => !URL.canParse(text) || new URL(text).origin !== text);
  if (wrong === undefined) return;
  throw new Fault("usage", `an allowed origin is https://host[:port], got ${wrong}`, {
    hint: "scheme, host and port, in small letters, without a path",
  });
}

export interface WebOptions extends Given<typeof WEB> {}

export interface WebServer {
  /** Address of the page. */
  readonly page: string;
  /** Address of the server behind it; null without one. */
  readonly server: string | null;
  /** Why that server does not answer; null where it does. */
  readonly silence: Promise<string | null>;
  close(): Promise<void>;
}

/**
 * Serves the web app on loopback until it is closed. Rejects with Fault("usage") for a bad address or port,
 * Fault("not-found") for a file that cannot be read, Fault("cluster-failure") for a port in use.
 */
export async function web(options: WebOptions): Promise<WebServer> {
  const { port, ca, certs } = checkedOptions(WEB, options);
  const url = options.url === undefined ? null : checkedUrl(options.url);
  const file = ca ?? (certs === undefined ? undefined : join(certs, "ca.crt"));
  const authority = file === undefined ? null : contentOf(file, file).toString();
  const tls = authority === null ? null : { ca: authority, pair: null, server: null };
  const server = await serveWeb({ url, port, ca: authority });
  const answered = url === null ? Promise.resolve() : getJson(`${url}/v2`, { tls, token: null });
  const silence = answered.then(
    () => null,
    (error: Error) => error.message,
  );
  const page = `http://127.0.0.1:${server.port}/`;
  return { page, server: url, silence, close: () => server.close() };
}

function checkedUrl(text: string): string {
  const url = text.includes("://") ? text : `http://${text}`;
  const isHttp = /^https?:/.test(url) && URL.canParse(url);
  const isAddress = isHttp && /^[\w.:[\]-]+$/.test(new URL(url).hostname);
  if (isAddress && new URL(url).search === "") return url.replace(/\/$/, "");
  throw new Fault("usage", `--url: expected http(s)://host:port, got ${text}`, {
    hint: "`tandem cluster status` shows the REST address of a cluster that is up",
  });
}
