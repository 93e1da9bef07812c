/** The scripts that a machine runs for us, through standard input, and what they say of it. */

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
export function probeScript(): string {
  return `
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
}

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
export function verifyScript(): string {
  return `
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
}

/** Paths of files that are missing or other than sent; null where the script did not run to its end. */
export function wrongFilesOf(output: string): readonly string[] | null {
  const [, json] = /^tandem: wrong (.*)$/m.exec(output) ?? [];
  return json === undefined ? null : (JSON.parse(json) as string[]);
}

/**
 * POSIX shell for Linux: finds the processes with `--deployment=$1`; `$2` is `end` to end them. Says each as
 * `process PID COMMAND`.
 */
export function leftoverScript(): string {
  return `
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
}

/** Process ids; null where the script did not run to its end. */
export function leftoverPids(output: string): readonly number[] | null {
  if (!/^tandem: asked$/m.test(output)) return null;
  return [...output.matchAll(/^tandem: process (\d+)$/gm)].map(([, pid]) => Number(pid));
}
