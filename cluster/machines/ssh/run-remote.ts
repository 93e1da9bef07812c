/** Runs one command on a machine over SSH and collects its output. */
import { Fault } from "../../../core/fault.ts";
import {
  type KnownFailure,
  runTool,
  type ToolOptions,
  type ToolOutput,
  toolFault,
} from "../run-tool.ts";
import { remoteCommand } from "./ssh-command.ts";

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
  const command = remoteCommand(remote.ssh, remote.host, words);
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
