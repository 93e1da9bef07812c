/**
 * A deployment that outlives its command: `up` leaves a supervisor process behind, `status` and
 * `down` find it through a state file.
 */
import { fork } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { Fault } from "../../engine/basics/fault.ts";
import type { LoadedInventory } from "../../scenario/inventory/read-inventory.ts";
import type { Inventory } from "../../scenario/inventory/schema.ts";
import type { Leftovers } from "../machines/machine.ts";
import type { GatewayStatus } from "../observe/gateway-status.ts";
import type { ChildMessage } from "../processes/child-side.ts";
import { entryPoint } from "../processes/link.ts";
import { lives } from "../processes/own-folder.ts";
import type { RunReport } from "../run/specification.ts";
import { deleteAt, gatewayClientAccess, getJson, postJson } from "../security/client-access.ts";
import { type Deployment, removeLeftovers } from "./deployment.ts";
import { machineLeftovers } from "./open-machines.ts";
import type { DeploymentOptions } from "./options.ts";

export interface ClusterState {
  readonly id: string;
  readonly scenario: string;
  readonly backend: string;
  readonly timeScale: number;
  readonly startedAt: string;
  /** Starts it again; null where a program started it. */
  readonly command: string | null;
  readonly supervisorPid: number;
  /** Folder of certificates, if it speaks TLS. */
  readonly certificates: string | null;
  readonly gateway: Deployment["gateway"];
  /** Null: all workers run here. */
  readonly inventory: { readonly file: string; readonly inventory: Inventory } | null;
  readonly workers: Deployment["workers"];
}

export interface ClusterStatus {
  readonly state: ClusterState;
  /** Whether the gateway of this very deployment answers. */
  readonly alive: boolean;
  /** Whether the process lives that starts its parts again. */
  readonly supervised: boolean;
  /** The gateway's report on its replicas and its run; null without the right to ask. */
  readonly report: RunReport | null;
  readonly now: GatewayStatus | null;
  /** If the gateway is gone: what its machines still have of it. */
  readonly leftovers: Leftovers | null;
}

/** A deployment belongs to a folder, whose `.tandem/` holds its state and its logs. */
export interface ClusterFolder {
  /** Default: the current folder. */
  readonly directory?: string | undefined;
}

export interface ClusterAccess extends ClusterFolder {
  /** File with a bearer token. Default: the deployment's own certificates are shown, if it has some. */
  readonly tokenFile?: string | undefined;
}

export interface ClusterAddOptions extends ClusterAccess {
  /** Node of the scenario. Default: one with room. */
  readonly node?: string | undefined;
}

type Failed = Extract<ChildMessage<never>, { readonly kind: "failed" }>;

export interface ClusterOptions extends Omit<DeploymentOptions, "onEvent" | "directory"> {
  readonly command?: string | undefined;
}

const NOTHING = { report: null, now: null };
const FOLDER = ".tandem";
const DOWN_TIMEOUT_MS = 20_000;
const DOWN_POLL_MS = 50;

export function stateFile(directory: string): string {
  return join(resolve(directory), FOLDER, "cluster.json");
}

/**
 * Starts a detached deployment for a working directory (default: the current one).
 * Throws Fault("usage") when one is up already, Fault("cluster-failure") when it does not start.
 */
export async function clusterUp(
  options: ClusterOptions,
  directory = process.cwd(),
): Promise<ClusterState> {
  const folder = join(resolve(directory), FOLDER);
  mkdirSync(folder, { recursive: true });
  const unlock = lockStart(folder);
  try {
    const running = await clusterStatus({ directory });
    if (running !== null && (running.alive || isSupervisor(running.state.supervisorPid))) {
      throw new Fault("usage", `a cluster is already up (${running.state.scenario})`, {
        hint: "stop it with `tandem cluster down`",
      });
    }
    removeLeftovers(folder);
    return await startSupervisor(options, directory, folder);
  } finally {
    unlock();
  }
}

async function startSupervisor(
  options: ClusterOptions,
  directory: string,
  folder: string,
): Promise<ClusterState> {
  const log = openSync(join(folder, "supervisor.log"), "a");
  const supervisor = fork(fileURLToPath(entryPoint("deploy/supervisor")), [], {
    detached: true,
    stdio: ["ignore", log, log, "ipc"],
    serialization: "advanced",
    execArgv: [],
  });
  const state = await new Promise<ClusterState>((settle, reject) => {
    const fail = (message: string, more: Partial<Failed> = {}): void => {
      const { code = "cluster-failure", hint, issues = [] } = more;
      reject(new Fault(code, message, { issues, hint }));
    };
    supervisor.once("error", (error) => fail(`the supervisor did not start: ${error.message}`));
    supervisor.once("exit", (code, signal) => fail(`the supervisor ended with ${signal ?? code}`));
    supervisor.on("message", (received) => {
      const message = received as ChildMessage<ClusterState>;
      if (message.kind === "ready") settle(message.value);
      else if (message.kind === "failed") fail(message.message, message);
    });
    supervisor.send({ options, directory: resolve(directory) });
  });
  supervisor.removeAllListeners();
  supervisor.disconnect();
  supervisor.unref();
  return state;
}

/** The deployment of a folder; null where none was started. */
export async function clusterStatus({
  directory = process.cwd(),
  tokenFile,
}: ClusterAccess = {}): Promise<ClusterStatus | null> {
  const state = readState(directory);
  if (state === null) return null;
  const access = gatewayClientAccess(state.certificates, "admin", tokenFile);
  const gone = async (): Promise<ClusterStatus> => {
    const leftovers = isSupervisor(state.supervisorPid) ? null : await leftoversOf(state, false);
    return { state, alive: false, supervised: leftovers === null, ...NOTHING, leftovers };
  };
  try {
    const { value } = await getJson(`${state.gateway.http}/v2`, access);
    if (value.deployment !== state.id) return gone();
    const ask = async (path: string): Promise<unknown> => {
      const answer = await getJson(`${state.gateway.http}${path}`, access);
      return answer.status === 200 ? answer.value : null;
    };
    return {
      state,
      alive: true,
      supervised: isSupervisor(state.supervisorPid),
      report: (await ask("/run")) as RunReport | null,
      now: (await ask("/status")) as GatewayStatus | null,
      leftovers: null,
    };
  } catch (error) {
    if (error instanceof Fault) return gone();
    throw error;
  }
}

export interface ClusterReplica {
  readonly name: string;
  readonly task: string;
  readonly node: string | null;
  readonly address: string;
}

/**
 * Adds a replica to a task of a folder's deployment; resolves once it takes jobs. Throws Fault("not-found") where
 * none is up, and the gateway's own refusal.
 */
export async function clusterAdd(
  task: string,
  { node: wanted, ...at }: ClusterAddOptions = {},
): Promise<ClusterReplica> {
  const { url, access } = replicasOf(at);
  const { status, value } = await postJson(url, { task, node: wanted }, access);
  if (status !== 201) throw refusal(value);
  const { name, node, address } = value as unknown as ClusterReplica;
  return { name, task, node, address };
}

/** Removes a replica once its batch has ended. Throws as `clusterAdd` does. */
export async function clusterRemove(name: string, at: ClusterAccess = {}): Promise<void> {
  const { url, access } = replicasOf(at);
  const { status, text } = await deleteAt(`${url}/${encodeURIComponent(name)}`, access);
  if (status !== 204) throw refusal(JSON.parse(text));
}

function replicasOf({ directory = process.cwd(), tokenFile }: ClusterAccess) {
  const state = readState(directory);
  if (state === null) {
    throw new Fault("not-found", "no cluster is up in this folder", {
      hint: "start one with `tandem cluster up`, or go to its folder",
    });
  }
  const access = gatewayClientAccess(state.certificates, "admin", tokenFile);
  return { url: `${state.gateway.http}/v1/replicas`, access };
}

function refusal(answer: Readonly<Record<string, unknown>>): Fault {
  const { error, hint } = answer as { readonly error?: string; readonly hint?: string };
  const message = error ?? JSON.stringify(answer);
  return new Fault("invalid-input", message, { hint });
}

export interface ClusterEnd {
  readonly state: ClusterState;
  /** Whether its processes here ran until now. */
  readonly ran: boolean;
  /** Processes and files that other machines still had then; ended by now. */
  readonly leftovers: Leftovers;
}

/**
 * Stops the deployment of a folder, also one whose processes here are gone; null when none was up.
 * The state file stays while a machine cannot be asked, so that a later call asks again.
 */
export async function clusterDown({
  directory = process.cwd(),
}: ClusterFolder = {}): Promise<ClusterEnd | null> {
  const state = readState(directory);
  if (state === null) return null;
  const { supervisorPid: pid } = state;
  const ran = isSupervisor(pid);
  if (ran) process.kill(pid, "SIGTERM");
  const giveUpAt = performance.now() + DOWN_TIMEOUT_MS;
  while (isSupervisor(pid) && performance.now() < giveUpAt) {
    await new Promise((settle) => setTimeout(settle, DOWN_POLL_MS));
  }
  // Its processes notice its end.
  if (isSupervisor(pid)) process.kill(pid, "SIGKILL");
  removeLeftovers(join(resolve(directory), FOLDER));
  const leftovers = await leftoversOf(state, true);
  if (leftovers.unknown.length === 0) rmSync(stateFile(directory), { force: true });
  // Its supervisor has removed it, as it did all that it could.
  else writeState(directory, state);
  return ran || state.inventory !== null ? { state, ran, leftovers } : null;
}

async function leftoversOf({ id, inventory }: ClusterState, end: boolean): Promise<Leftovers> {
  if (inventory === null) return { found: [], unknown: [] };
  const loaded = { ...inventory, positions: new Map() };
  return machineLeftovers({ loaded, deployment: id }, end);
}

/** The part of an inventory that a state file holds. */
export function savedInventory(loaded: LoadedInventory | undefined): ClusterState["inventory"] {
  if (loaded === undefined || loaded.inventory.kind === "local") return null;
  return { file: resolve(loaded.file), inventory: loaded.inventory };
}

export function writeState(directory: string, state: ClusterState): void {
  const file = stateFile(directory);
  writeFileSync(`${file}.new`, `${JSON.stringify(state, null, 2)}\n`);
  renameSync(`${file}.new`, file);
}

function readState(directory: string): ClusterState | null {
  const file = stateFile(directory);
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, "utf8")) as ClusterState;
  } catch (error) {
    throw new Fault("invalid-input", `${file} is no state file`, {
      hint: "remove it if no cluster is up",
      cause: error,
    });
  }
}

/** Whether the process lives and, where the system can tell, is a supervisor and not another process with its pid. */
function isSupervisor(pid: number): boolean {
  if (!lives(pid)) return false;
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes("supervisor");
  } catch {
    return !existsSync("/proc/self/cmdline");
  }
}

/**
 * Locks a folder, as two starts at once would each take the other's state file for their own. Returns a
 * function that unlocks it. Throws Fault("usage") while another living process holds the lock.
 */
function lockStart(folder: string): () => void {
  const file = join(folder, "starting");
  try {
    writeFileSync(file, String(process.pid), { flag: "wx" });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    const holder = Number(readFileSync(file, "utf8"));
    if (lives(holder)) {
      throw new Fault("usage", `process ${holder} is starting a cluster in this folder`, {
        hint: `\`tandem cluster status\` shows it once it is up; if that process is another's, remove ${file}`,
      });
    }
    writeFileSync(file, String(process.pid));
  }
  return () => rmSync(file, { force: true });
}
