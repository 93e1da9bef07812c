/**
 * The options of a deployment, and what those that name an inventory ask for: its machines, and certificates by which
 * gateway and workers trust each other.
 */
import { X509Certificate } from "node:crypto";
import { appendFileSync, mkdirSync, rmSync } from "node:fs";
import { isIP } from "node:net";
import { join, resolve } from "node:path";
import { Fault } from "../../engine/basics/fault.ts";
import { type System, withSpareReplicas } from "../../engine/system/system.ts";
import { prepareModels } from "../../models/store.ts";
import { compileSystem, type MeasuredInputs } from "../../scenario/compile/compile.ts";
import {
  type LoadedInventory,
  type ReplicaPlace,
  replicaPlaces,
} from "../../scenario/inventory/read-inventory.ts";
import { filesOf, needsStore, replays } from "../../scenario/schema/implementation-kinds.ts";
import type { BackendName } from "../../scenario/schema/run.ts";
import type { ScenarioDocument } from "../../scenario/schema/scenario.ts";
import type { Machines, ModelFiles } from "../machines/machine.ts";
import type { FileText } from "../processes/child-side.ts";
import { ownFolder } from "../processes/own-folder.ts";
import type { ServiceBounds } from "../run/specification.ts";
import { readIdentity, writeCertificates } from "../security/tls.ts";
import { closeMachines, openMachines } from "./open-machines.ts";

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
  /** The same for the gateway alone; workers take free ports. */
  readonly gatewayPort?: number;
  /** Where the scenario's nodes are; checked against the document. Default: here. */
  readonly inventory?: LoadedInventory | undefined;
  /** Folder of log files; default: no logs. */
  readonly directory?: string;
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
  const { profiles, stepProfiles, overheadProfile, traceColumns, schedulerFiles, folder } = inputs;
  return { profiles, stepProfiles, overheadProfile, traceColumns, schedulerFiles, folder };
}

/** Arrivals that fit into the specification of a gateway, also where that travels: some 100 kB. */
const MOST_ARRIVALS = 10_000;

/** With the traces that a gateway keeps for those who simulate its scenario: the short ones. */
export function gatewayInputs(inputs: MeasuredInputs): MeasuredInputs {
  const traces = Object.entries(inputs.traces ?? {});
  const short = traces.filter(([, { length }]) => length <= MOST_ARRIVALS);
  return { ...plainInputs(inputs), traces: Object.fromEntries(short) };
}

/** Folders of certificates that a deployment makes for itself: this and its id. */
export const OWN_CERTIFICATES = "tandem-workers-";
const CERTIFICATE_DAYS = 365;

interface ElsewhereOptions extends Omit<DeploymentOptions, "seed"> {
  /** Default: those of the document's replicas. */
  readonly places?: readonly ReplicaPlace[];
}

export interface Elsewhere {
  readonly machines: Machines;
  /** Folder of certificates between gateway and workers: traffic leaves this machine. */
  readonly workerCertificates: string;
  close(): Promise<void>;
}

/**
 * Prepares the machines of the inventory; null where all workers run here.
 * Rejects with a Fault that has every machine's problem; nothing is left open then.
 */
export async function openElsewhere(
  options: ElsewhereOptions,
  deployment: string,
): Promise<Elsewhere | null> {
  const { document, inventory: loaded, backend, signal, onEvent = () => undefined } = options;
  const { places = replicaPlaces(document) } = options;
  if (loaded === undefined || loaded.inventory.kind === "local") return null;
  const machines = await openMachines({
    loaded,
    deployment,
    backend,
    signal,
    onEvent,
    places,
    models: replays(backend) ? null : await modelFiles(document, options),
  });
  const given = options.workerCertificates ?? options.certificates;
  const own = join(resolve(options.directory ?? ownFolder()), `${OWN_CERTIFICATES}${deployment}`);
  const close = async (): Promise<void> => {
    await closeMachines(machines);
    rmSync(own, { recursive: true, force: true });
  };
  try {
    if (given !== undefined) requireNames(given, machines.hosts);
    else await makeCertificates(own, machines.hosts);
  } catch (error) {
    await close();
    throw error;
  }
  return { machines, workerCertificates: given ?? own, close };
}

/** Makes an authority of its own for these certificates, and drops its key. */
async function makeCertificates(folder: string, hosts: readonly string[]): Promise<void> {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const days = CERTIFICATE_DAYS;
  await writeCertificates(folder, { hosts, days, force: false, newAuthority: false });
  for (const name of ["ca", "client", "admin"]) rmSync(join(folder, `${name}.key`));
}

/** The gateway would never connect to a worker whose certificate has another name. */
function requireNames(folder: string, hosts: readonly string[]): void {
  const { cert } = readIdentity(folder, "worker");
  const certificate = new X509Certificate(cert);
  const missing = hosts.filter((host) => {
    const check = isIP(host) === 0 ? certificate.checkHost(host) : certificate.checkIP(host);
    return check === undefined;
  });
  if (missing.length === 0) return;
  const message = `the workers' certificate in ${folder} does not name ${missing.join(", ")}`;
  throw new Fault("invalid-input", message, {
    hint: `\`tandem cluster certs ${folder} --host ${missing.join(",")} --force\`, with the gateway's other names if it has some`,
  });
}

async function modelFiles(
  { models }: ScenarioDocument,
  { inputs }: ElsewhereOptions,
): Promise<ModelFiles | null> {
  const implementations = Object.values(models).flatMap(({ implementation }) =>
    implementation === undefined ? [] : [implementation],
  );
  const files = filesOf(implementations);
  const stored = needsStore(implementations);
  if (files.length === 0 && !stored) return null;
  const store = stored ? (await prepareModels()).dir : null;
  return { folder: inputs.folder ?? process.cwd(), files, store };
}

/** Takes the text of a process elsewhere to its file here; spans for an endpoint are sent as OTLP/HTTP does. */
export async function takeText(
  { onEvent, ...targets }: Pick<DeploymentOptions, FileText["appendTo"] | "onEvent">,
  { appendTo, text }: FileText,
): Promise<void> {
  const target = targets[appendTo];
  if (target === undefined) return;
  try {
    if (target.startsWith("http")) await post(target, text);
    else appendFileSync(target, text);
  } catch (error) {
    onEvent?.(`${target} was not written to: ${(error as Error).message}`);
  }
}

async function post(url: string, body: string): Promise<void> {
  const { OTEL_EXPORTER_OTLP_HEADERS, OTEL_EXPORTER_OTLP_TRACES_HEADERS } = process.env;
  const { parseKeyPairsIntoRecord } = await import("@opentelemetry/core");
  const headers = {
    "content-type": "application/json",
    ...parseKeyPairsIntoRecord(OTEL_EXPORTER_OTLP_TRACES_HEADERS ?? OTEL_EXPORTER_OTLP_HEADERS),
  };
  const { status } = await fetch(url, { method: "POST", headers, body });
  if (status >= 300) throw new Error(`status ${status}`);
}
