/** Runs one command on a machine over SSH and collects its output. */
import { spawn } from "node:child_process";
import { dyingWithParent } from "../../../build/dying-with-parent.ts";
import { Fault } from "../../../core/fault.ts";
import { remoteCommand } from "./ssh-command.ts";

export interface RemoteHost {
  /** The inventory's name of it. */
  readonly name: string;
  /** As `ssh` takes it. */
  readonly host: string;
  /** `ssh` and its options. */
  readonly ssh: readonly string[];
}

interface RemoteOutput {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** OpenSSH's exit code for its own failures. */
const SSH_FAILED = 255;
const MOST_OUTPUT = 1_000_000;

/**
 * Resolves with the command's end, whatever its code is. `feed` writes its standard input.
 * Rejects with Fault("cluster-failure") where SSH itself fails.
 */
export async function runRemote(
  remote: RemoteHost,
  words: readonly string[],
  feed: string | ((input: NodeJS.WritableStream) => Promise<void>),
  signal?: AbortSignal,
): Promise<RemoteOutput> {
  const command = remoteCommand(remote.ssh, remote.host, words);
  const [program, ...rest] = [...dyingWithParent("KILL"), ...command];
  const child = spawn(program, rest, {
    stdio: ["pipe", "pipe", "pipe"],
    detached: true,
    ...(signal === undefined ? {} : { signal }),
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout = (stdout + text).slice(-MOST_OUTPUT);
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr = (stderr + text).slice(-MOST_OUTPUT);
  });
  // A command that ends early does not read all.
  child.stdin.on("error", () => undefined);
  const ended = new Promise<number>((resolve, reject) => {
    child.once("error", (cause) => reject(notStarted(remote, cause)));
    child.once("close", (code) => resolve(code ?? SSH_FAILED));
  });
  if (typeof feed === "string") child.stdin.end(feed);
  else await Promise.race([feed(child.stdin), ended]);
  const code = await ended;
  if (code === SSH_FAILED) throw sshFault(remote, stderr);
  return { stdout, stderr, code };
}

function notStarted({ name }: RemoteHost, cause: NodeJS.ErrnoException): Fault {
  if (cause.name === "AbortError") return new Fault("interrupted", "interrupted", { cause });
  const hint = cause.code === "ENOENT" ? "install an OpenSSH client, e.g. openssh-client" : "";
  return new Fault("cluster-failure", `cannot run ssh to ${name}: ${cause.message}`, {
    ...(hint === "" ? {} : { hint }),
    cause,
  });
}

/** What OpenSSH says, by a part of its words, and the next step. */
const KNOWN_FAILURES: readonly (readonly [RegExp, string, string])[] = [
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

export function sshFault({ name, host }: RemoteHost, stderr: string): Fault {
  const words = stderr.trim().split("\n").at(-1) ?? "";
  const found = KNOWN_FAILURES.find(([pattern]) => pattern.test(stderr));
  const what = found?.[1] ?? "SSH failed";
  return new Fault("cluster-failure", `${name}: ${what}${words === "" ? "" : `: ${words}`}`, {
    hint: (found?.[2] ?? "`ssh HOST true` must work without a question").replace("HOST", host),
  });
}
