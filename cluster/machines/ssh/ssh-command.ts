/** Commands of the OpenSSH client: its options, words that a login shell leaves as they are, and its failures. */
import { dirname, resolve } from "node:path";
import { shellWord } from "../../../core/command-words.ts";
import { Fault } from "../../../core/fault.ts";
import type { LoadedInventory } from "../../../core/inventory/read-inventory.ts";
import type { InventoryOf } from "../../../core/inventory/schema.ts";
import {
  type KnownFailure,
  runTool,
  type ToolOptions,
  type ToolOutput,
  toolFault,
} from "../run-tool.ts";

export type SshInventory = InventoryOf<"ssh">;

/** Connections without an answer to so many signs of life end. */
const SIGNS = 3;

/**
 * A machine of the inventory, with the options of `ssh` for it. The user's own configuration holds, but for settings
 * that would ask a question or share a connection: sshd allows ten sessions on one.
 */
export function remoteHost({ inventory, file }: LoadedInventory, name: string): RemoteHost {
  const { config, connectTimeoutS, aliveIntervalS, machines } = inventory as SshInventory;
  const { host = name, user, port, jump } = machines[name];
  const settings = [
    ...["BatchMode=yes", `ConnectTimeout=${Math.ceil(connectTimeoutS)}`],
    ...[`ServerAliveInterval=${Math.ceil(aliveIntervalS)}`, `ServerAliveCountMax=${SIGNS}`],
    ...["ControlMaster=no", "ControlPath=none", "PermitLocalCommand=no"],
    ...["RemoteCommand=none", "LogLevel=ERROR"],
  ];
  const ssh = [
    ...["ssh", "-T", "-a", "-x"],
    ...(config === undefined ? [] : ["-F", resolve(dirname(file), config)]),
    ...settings.flatMap((setting) => ["-o", setting]),
    ...(user === undefined ? [] : ["-l", user]),
    ...(port === undefined ? [] : ["-p", String(port)]),
    ...(jump === undefined ? [] : ["-J", jump]),
  ];
  return { name, host, jump, ssh };
}

/** As the gateway reaches the machine's workers without a tunnel. */
export function addressOf({ machines }: SshInventory, name: string): string {
  const { address, host = name } = machines[name];
  return address ?? host;
}

export interface RemoteHost {
  /** The inventory's name of it. */
  readonly name: string;
  /** As `ssh` takes it. */
  readonly host: string;
  /** Hosts on the way, as of `ssh -J`; undefined: as the OpenSSH client is configured. */
  readonly jump: string | undefined;
  /** `ssh` and its options. */
  readonly ssh: readonly string[];
}

/** A command there. Its words reach it as they are; csh and fish read them alike but for line breaks and `!`. */
export function remoteCommand(
  { ssh, host }: Pick<RemoteHost, "ssh" | "host">,
  words: readonly string[],
): readonly string[] {
  return [...ssh, "-o", "ClearAllForwardings=yes", host, words.map(shellWord).join(" ")];
}

/**
 * Forwards a socket here to a port of the machine's loopback; others of the user's may be taken already. It also runs
 * `cat`, because sshd sets TCP_NODELAY only for a connection with a session (session.c, packet.c): without it, an answer
 * after another waited up to 40 ms for an acknowledgement.
 */
export function tunnelCommand(
  { ssh, host }: Pick<RemoteHost, "ssh" | "host">,
  socket: string,
  port: number,
): readonly string[] {
  return [
    ...ssh,
    ...["-o", "ExitOnForwardFailure=no", "-o", "StreamLocalBindUnlink=yes"],
    ...["-L", `${socket}:127.0.0.1:${port}`, host, "exec cat"],
  ];
}

/** OpenSSH's exit code for its own failures. */
const SSH_FAILED = 255;
const MISSING = "install an OpenSSH client, e.g. openssh-client";

/**
 * Resolves with the command's end, whatever its code is. Rejects with Fault("cluster-failure") where SSH itself
 * fails, and as `runTool` does.
 */
export async function runRemote(
  remote: RemoteHost,
  words: readonly string[],
  feed: ToolOptions["feed"],
  signal?: AbortSignal,
): Promise<ToolOutput> {
  const command = remoteCommand(remote, words);
  const output = await runTool(command, { missing: MISSING, feed, signal });
  if (output.code === null || output.code === SSH_FAILED) throw sshFault(remote, output.stderr);
  return output;
}

const KNOWN_FAILURES: readonly KnownFailure[] = [
  [
    /Permission denied/,
    "it refuses our key",
    "add a key that it accepts to the agent or the configuration; `ssh HOST true` must work without a question",
  ],
  [
    /Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED/,
    "its host key is not known, or has changed",
    "connect once by hand, `ssh HOST true`, and compare its key",
  ],
  [
    /Could not resolve hostname/,
    "its name cannot be resolved",
    "give `host:` in the inventory, or in the configuration of OpenSSH",
  ],
  [
    /timed out|No route to host|Connection refused|unreachable|Timeout, server/,
    "it does not answer",
    "is it on, and is its SSH port open? `connectTimeoutS` in the inventory says how long we wait",
  ],
  [
    /Bad configuration option|Can't open user config file/,
    "the configuration of OpenSSH is wrong",
    "see `config:` in the inventory; its path starts at the inventory's folder",
  ],
];

const OTHER_FAILURE = ["SSH failed", "`ssh HOST true` must work without a question"] as const;

/** On the way through a jump host, OpenSSH looks only for that one by itself. */
const JUMP_FAILURE: KnownFailure = [
  /^ssh: (Could not resolve hostname|connect to host)/m,
  "its jump host cannot be reached",
  "see `jump:` in the inventory; `ssh JUMP true` must work without a question",
];

export function sshFault({ name, host, jump }: RemoteHost, stderr: string): Fault {
  const known = jump === undefined ? KNOWN_FAILURES : [JUMP_FAILURE, ...KNOWN_FAILURES];
  const { message, hint = "" } = toolFault(name, stderr, known, OTHER_FAILURE);
  const named = hint.replace("HOST", host).replace("JUMP", jump ?? "");
  return new Fault("cluster-failure", message, { hint: named });
}
