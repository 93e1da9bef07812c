/**
 * Everything that a machine does for us by the OpenSSH client: commands, whose words a login shell leaves as they are,
 * tunnels, and scripts that come through standard input, with what they say of the machine.
 */
import { rmSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import { Fault } from "../../../engine/basics/fault.ts";
import { shellWord } from "../../../scenario/inventory/command-words.ts";
import type { LoadedInventory } from "../../../scenario/inventory/read-inventory.ts";
import type { InventoryOf } from "../../../scenario/inventory/schema.ts";
import {
  type KnownFailure,
  lastingCommand,
  runTool,
  type ToolOptions,
  type ToolOutput,
  toolFault,
} from "../client-command.ts";

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

export function sshFault({ name, host, jump, ssh }: RemoteHost, stderr: string): Fault {
  const known = jump === undefined ? KNOWN_FAILURES : [JUMP_FAILURE, ...KNOWN_FAILURES];
  const { message, hint = "" } = toolFault(name, stderr, known, OTHER_FAILURE);
  // By hand, too, ssh reads the inventory's configuration.
  const config = ssh.includes("-F") ? `-F ${shellWord(ssh[ssh.indexOf("-F") + 1])} ` : "";
  const named = hint.replace("HOST", config + host).replace("JUMP", config + (jump ?? ""));
  return new Fault("cluster-failure", message, { hint: named });
}

const TRY_MS = 50;
const PROBE_MS = 2000;

export type Tunnel = ReturnType<typeof openTunnel>;

export function openTunnel(remote: RemoteHost, socket: string, onEvent: (line: string) => void) {
  let port = 0;
  const ssh = lastingCommand({
    name: `the tunnel to ${remote.name}`,
    command: () => tunnelCommand(remote, socket, port),
    onEvent,
  });
  return {
    /**
     * Leads to the port. Resolves once the worker answers there: sshd takes a connection before it knows that the
     * port is closed, or that it must not forward. Rejects with Fault("cluster-failure") when it does not within
     * `timeoutMs`.
     */
    async lead(there: number, timeoutMs: number): Promise<void> {
      if (!ssh.runs() || there !== port) {
        port = there;
        ssh.start();
      }
      const giveUpAt = performance.now() + timeoutMs;
      while (!(await speaksTls(socket))) {
        if (performance.now() > giveUpAt)
          throw sshFault(remote, ssh.stderr() || "the tunnel timed out");
        await sleep(TRY_MS);
      }
      ssh.works();
    },
    close(): void {
      ssh.close();
      rmSync(socket, { force: true });
    },
  };
}

/** Whether a TLS server is there. The gateway checks its certificate. */
function speaksTls(path: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    const end = (found: boolean) => (): void => {
      probe.destroy();
      resolve(found);
    };
    probe.setTimeout(PROBE_MS, end(false));
    probe.once("secureConnect", end(true));
    probe.once("error", end(false)).once("close", end(false));
  });
}

/** Prefix of their lines, as a login shell may write others. */
const MARK = "tandem:";

export interface MachineFacts {
  /** As `uname -sm` says, e.g. `Linux x86_64`. */
  readonly system: string;
  /** e.g. `glibc 2.36` or `musl`; empty: not known. */
  readonly libc: string;
  /** Path of Node.js; empty: none was found. */
  readonly node: string;
  /** Without `v`; empty: none. */
  readonly nodeVersion: string;
  readonly processors: number;
  /** Absolute home folder. */
  readonly home: string;
  /** Free bytes where the cache is; NaN: not known. */
  readonly freeBytes: number;
  readonly taskset: boolean;
  /** NVIDIA's GPUs; NaN: its tool is not there. */
  readonly gpus: number;
  /** Numbers of its cores, as Linux lists them, e.g. `0-3,8`; empty: not known. */
  readonly online: string;
}

/** POSIX shell. `$1` is the path of Node.js or empty, `$2` the cache's folder. */
export const PROBE_SCRIPT = `
say() { echo "${MARK} $1 $2"; }
node=$1; cache=$2
if [ -z "$node" ]; then
  node=$(command -v node 2>/dev/null)
  [ -n "$node" ] || node=$("\${SHELL:-/bin/sh}" -lc 'command -v node' 2>/dev/null </dev/null | tail -n 1)
  for path in "$HOME"/.nvm/versions/node/*/bin/node /usr/local/bin/node /opt/node*/bin/node; do
    [ -x "$node" ] || { [ -x "$path" ] && node=$path; }
  done
fi
cd || exit 1
say system "$(uname -sm)"
libc=$(getconf GNU_LIBC_VERSION 2>/dev/null) || libc=$(ldd --version 2>&1 | head -n 1)
case $libc in *musl*) libc=musl ;; esac
say libc "$libc"
if [ -x "$node" ]; then
  say node "$node"
  say nodeVersion "$("$node" -p process.versions.node 2>/dev/null)"
fi
say processors "$(nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)"
say home "$(pwd -P)"
there=$cache
while [ ! -d "$there" ] && [ "$there" != "$(dirname "$there")" ]; do there=$(dirname "$there"); done
say freeKiB "$(df -Pk "$there" 2>/dev/null | tail -n 1 | awk '{ print $4 }')"
say online "$(cat /sys/devices/system/cpu/online 2>/dev/null)"
if command -v taskset >/dev/null 2>&1; then say taskset yes; fi
if command -v nvidia-smi >/dev/null 2>&1; then say gpus "$(nvidia-smi -L | grep -c '^GPU')"; fi
say end
`;

/** Null where the script did not run to its end. */
export function factsOf(output: string): MachineFacts | null {
  const said = new Map<string, string>();
  for (const line of output.split("\n")) {
    const [, key, value] = /^tandem: (\w+) ?(.*)$/.exec(line.trim()) ?? [];
    if (key !== undefined && !said.has(key)) said.set(key, value.trim());
  }
  const one = (key: string): string => said.get(key) ?? "";
  if (!said.has("end")) return null;
  return {
    system: one("system"),
    libc: one("libc"),
    node: one("node"),
    nodeVersion: one("nodeVersion"),
    processors: Math.max(1, Number(one("processors")) || 1),
    home: one("home"),
    freeBytes: one("freeKiB") === "" ? Number.NaN : Number(one("freeKiB")) * 1024,
    taskset: one("taskset") === "yes",
    gpus: one("gpus") === "" ? Number.NaN : Number(one("gpus")),
    online: one("online"),
  };
}

/**
 * For Node.js: compares the files of a folder with its manifest, and puts a folder that is whole in its place.
 * Arguments: the folder as sent (or empty: look only), its place, the manifest's name, its digest.
 */
export const VERIFY_SCRIPT = `
const { createHash } = require("node:crypto");
const { readFileSync, renameSync, rmSync } = require("node:fs");
const { join } = require("node:path");
const [sent, place, name, digest] = process.argv.slice(2);
const sumOf = (bytes) => createHash("sha256").update(bytes).digest("hex");
const wrongIn = (folder) => {
  let manifest;
  try {
    manifest = readFileSync(join(folder, name), "utf8");
  } catch {
    return ["nothing"];
  }
  if (!sumOf(manifest).startsWith(digest)) return [name];
  return Object.entries(JSON.parse(manifest).sums).flatMap(([path, sum]) => {
    try {
      return sumOf(readFileSync(join(folder, path))) === sum ? [] : [path];
    } catch {
      return [path];
    }
  });
};
let wrong = wrongIn(sent === "" ? place : sent);
// Machines that share a folder, or other deployments, may do the same at this moment.
for (let tries = 0; sent !== "" && wrong.length === 0 && tries < 5; tries++) {
  try {
    renameSync(sent, place);
    break;
  } catch {}
  if (wrongIn(place).length === 0) break;
  try {
    renameSync(place, sent + ".broken");
    rmSync(sent + ".broken", { recursive: true, force: true });
  } catch {}
}
if (sent !== "" && wrong.length === 0) wrong = wrongIn(place);
if (sent !== "") rmSync(sent, { recursive: true, force: true });
console.log("${MARK} wrong " + JSON.stringify(wrong.slice(0, 5)));
`;

/** Paths of files that are missing or other than sent; null where the script did not run to its end. */
export function wrongFilesOf(output: string): readonly string[] | null {
  const [, json] = /^tandem: wrong (.*)$/m.exec(output) ?? [];
  return json === undefined ? null : (JSON.parse(json) as string[]);
}

/**
 * POSIX shell for Linux: finds the processes with `--deployment=$1`; `$2` is `end` to end them. Says each as
 * `process PID COMMAND`.
 */
export const LEFTOVER_SCRIPT = `
found=
for file in $(grep -lsF -- "--deployment=$1" /proc/[0-9]*/cmdline); do
  line=$({ tr '\\0' '\\n' <"$file"; } 2>/dev/null) || continue
  case "
$line
" in *"
--deployment=$1
"*) pid=\${file#/proc/}; pid=\${pid%/cmdline}; found="$found $pid"; echo "${MARK} process $pid" ;; esac
done
if [ "$2" = end ] && [ -n "$found" ]; then
  kill $found 2>/dev/null
  for i in 1 2 3 4 5 6; do kill -0 $found 2>/dev/null || break; sleep 0.5; done
  kill -9 $found 2>/dev/null
fi
echo "${MARK} asked"
`;

/** Process ids; null where the script did not run to its end. */
export function leftoverPids(output: string): readonly number[] | null {
  if (!/^tandem: asked$/m.test(output)) return null;
  return [...output.matchAll(/^tandem: process (\d+)$/gm)].map(([, pid]) => Number(pid));
}
