/** Which processes of this host belong to a run: what they use is measured, what others use disturbs it. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from "node:fs";
import { hostname, networkInterfaces } from "node:os";
import { replays } from "../scenario/schema/implementation-kinds.ts";
import type { BackendName } from "../scenario/schema/run.ts";
import type { ScenarioDocument } from "../scenario/schema/scenario.ts";

/** Tells which processes of this kernel belong to a run. */
export interface RunHere {
  /** Id of its deployment; null: it has none. */
  readonly deployment: string | null;
  /** Ports of this host at which models on servers of the user listen. */
  readonly serverPorts: readonly number[];
}

export const NO_RUN: RunHere = { deployment: null, serverPorts: [] };

export function runHere(
  { models }: ScenarioDocument,
  backend: BackendName,
  deployment: string | null = null,
): RunHere {
  const addresses = Object.values(models).flatMap(({ implementation, tokens }) => [
    ...(replays(backend) ? [] : [implementation?.external?.address]),
    ...(backend === "engines" ? [tokens?.external?.url] : []),
  ]);
  return { deployment, serverPorts: addresses.flatMap(portHere) };
}

function portHere(address: string | undefined): number[] {
  if (address === undefined) return [];
  const url = new URL(address.includes("://") ? address : `grpc://${address}`);
  const host = url.hostname.replace(/^\[|\]$/g, "");
  const addresses = Object.values(networkInterfaces()).flatMap((one = []) =>
    one.map((own) => own.address),
  );
  if (!["localhost", hostname(), ...addresses].includes(host)) return [];
  return [Number(url.port || (url.protocol === "https:" ? 443 : 80))];
}

export interface HostProcess {
  readonly name: string;
  readonly parent: number;
  /** With those of its children that have ended. */
  readonly ticks: number;
}

/** By pid. Throws where there is no /proc. */
export function processesNow(): ReadonlyMap<number, HostProcess> {
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return new Map(pids.map(Number).flatMap(processOf));
}

/** Fields 4 and 14 to 17 of its stat line (proc(5)); empty for a process that has ended. */
function processOf(pid: number): [number, HostProcess][] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [open, close] = [stat.indexOf("("), stat.lastIndexOf(")")];
    const fields = stat
      .slice(close + 2)
      .split(" ")
      .map(Number);
    const ticks = fields.slice(11, 15).reduce((sum, one) => sum + one, 0);
    return [[pid, { name: stat.slice(open + 1, close), parent: fields[1], ticks }]];
  } catch {
    return [];
  }
}

/**
 * This process, the run's servers, and those below them; and in namespaces or containers of this kernel those of the
 * deployment, what carries them (a session of sshd, a shim of containers, a daemon of a Slurm step), and the other
 * sessions of the same sshd, which carry tunnels.
 */
export function ownProcesses(
  processes: ReadonlyMap<number, HostProcess>,
  { deployment, serverPorts }: RunHere,
): ReadonlySet<number> {
  const chainOf = (pid: number): number[] => {
    const parent = processes.get(pid)?.parent ?? 0;
    return parent > 1 ? [pid, ...chainOf(parent)] : [pid];
  };
  const pids = [...processes.keys()];
  const above = new Set(chainOf(process.pid).slice(1));
  const tagged = deployment === null ? [] : pids.filter((pid) => belongsTo(pid, deployment));
  const roots = new Set([process.pid, ...tagged, ...listenersOf(serverPorts, pids)]);
  const carriers = tagged.flatMap(chainOf).filter((pid) => !above.has(pid));
  const own = new Set([
    ...pids.filter((pid) => chainOf(pid).some((one) => roots.has(one))),
    ...carriers,
  ]);
  const isSshd = (pid: number): boolean => processes.get(pid)?.name.startsWith("sshd") ?? false;
  const listeners = new Set(carriers.filter(isSshd));
  for (const pid of pids.filter(isSshd)) {
    if (chainOf(pid).some((one) => listeners.has(one))) own.add(pid);
  }
  return own;
}

function belongsTo(pid: number, deployment: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").includes(`--deployment=${deployment}`);
  } catch {
    return false;
  }
}

/** Only root sees the sockets of another user's processes. */
function listenersOf(ports: readonly number[], pids: readonly number[]): readonly number[] {
  if (ports.length === 0) return [];
  const sockets = new Set(listeningSockets(ports).map((inode) => `socket:[${inode}]`));
  return pids.filter((pid) => openFiles(pid).some((file) => sockets.has(file)));
}

/** Inodes of the sockets that listen at these ports, in any address (proc_net(5)). */
function listeningSockets(ports: readonly number[]): readonly string[] {
  const LISTENS = "0A";
  return ["/proc/net/tcp", "/proc/net/tcp6"].filter(existsSync).flatMap((file) => {
    const lines = readFileSync(file, "utf8").trim().split("\n").slice(1);
    return lines.flatMap((line) => {
      const [, local, , state, , , , , , inode] = line.trim().split(/\s+/);
      const port = Number.parseInt(local.split(":")[1], 16);
      return state === LISTENS && ports.includes(port) ? [inode] : [];
    });
  });
}

function openFiles(pid: number): readonly string[] {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).flatMap((file) => {
      try {
        return [readlinkSync(`${folder}/${file}`)];
      } catch {
        return []; // closed meanwhile
      }
    });
  } catch {
    return [];
  }
}
