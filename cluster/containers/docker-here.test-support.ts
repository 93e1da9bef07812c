/**
 * A Docker daemon of the test's own, and images built without a network on a base made from this machine's
 * files. The daemon has no default bridge and changes no firewall: `--bridge=none --iptables=false`. Needs
 * root, `dockerd` and `docker`. It ends with this process.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

const ROOT = join(import.meta.dirname, "../..");
export const BASE = "tandem-test-base";
const START_MS = 60_000;

/** The parts of `node:20-bookworm-slim` that the Dockerfile uses: Node, npm, a shell, and tools of the shell. */
const BASE_SCRIPT = `
set -eu
root=$1
mkdir -p "$root/usr/bin" "$root/usr/lib64" "$root/usr/lib/node_modules" "$root/etc" "$root/root"
mkdir -p "$root/proc" "$root/sys" "$root/dev" "$root/run"
mkdir -m 1777 "$root/tmp"
for name in bin lib lib64; do ln -s "usr/$name" "$root/$name"; done
programs=$(readlink -f "$(command -v node)")
for name in sh env tar find rm mkdir sleep; do programs="$programs $(command -v $name)"; done
cp -L $programs "$root/usr/bin/"
for library in $(ldd $programs | grep -o '/lib[^ ]*' | sort -u) /lib/*/libnss_dns.so.2 \\
  /lib/*/libnss_files.so.2 /lib/*/libresolv.so.2 /lib/*/librt.so.1 /usr/lib/*/libstdc++.so.6; do
  [ -e "$library" ] || continue
  mkdir -p "$root$(dirname "$library")"
  cp -L "$library" "$root$library"
done
npm=$(dirname "$(dirname "$(readlink -f "$(command -v npm)")")")
cp -r "$npm" "$root/usr/lib/node_modules/npm"
ln -s ../lib/node_modules/npm/bin/npm-cli.js "$root/usr/bin/npm"
cp /etc/passwd /etc/group /etc/nsswitch.conf "$root/etc/"
`;

interface Ended {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export function canRunDocker(): boolean {
  const has = (name: string): boolean => spawnSync(name, ["--version"]).status === 0;
  return process.getuid?.() === 0 && ["dockerd", "docker", "tar", "npm"].every(has);
}

export class DockerHere {
  readonly folder = mkdtempSync(join(tmpdir(), "tandem-docker-"));
  readonly host = `unix://${this.folder}/d.sock`;
  #daemon: ChildProcess | null = null;

  /** Rejects with an Error and the daemon's last words when it does not start. */
  async start(): Promise<void> {
    const log = join(this.folder, "daemon.log");
    const place = (name: string): string => join(this.folder, name);
    const words = [
      ...["--data-root", place("data"), "--exec-root", place("exec"), "--host", this.host],
      ...["--pidfile", place("d.pid"), "--bridge=none", "--iptables=false", "--ip-masq=false"],
    ];
    writeFileSync(log, "");
    this.#daemon = spawn("sh", ["-c", `exec dockerd "$@" >${log} 2>&1`, "sh", ...words]);
    const giveUpAt = Date.now() + START_MS;
    while (this.docker("info").status !== 0) {
      if (this.#daemon.exitCode !== null || Date.now() > giveUpAt) {
        throw new Error(`dockerd did not start: ${readFileSync(log, "utf8").slice(-2000)}`);
      }
      await sleep(200);
    }
  }

  docker(...words: readonly string[]): Ended {
    return this.run("docker", ...words);
  }

  run(program: string, ...words: readonly string[]): Ended {
    const env = { ...process.env, DOCKER_HOST: this.host, DOCKER_BUILDKIT: "0" };
    return spawnSync(program, words, { env, encoding: "utf8", cwd: this.folder });
  }

  /** Builds `tandem-ROLE:tag` of each role from dist/, as a user does but for the base and the network. */
  build(roles: readonly string[], tag: string): void {
    this.#importBase();
    const context = join(this.folder, "context");
    mkdirSync(context);
    for (const name of ["package.json", "package-lock.json", ".npmrc", ".dockerignore", "dist"]) {
      cpSync(join(ROOT, name), join(context, name), { recursive: true });
    }
    this.#fillCache(context);
    for (const role of roles) {
      const file = join(context, "dist/deploy/docker/Dockerfile");
      const named = ["--target", role, "--tag", `tandem-${role}:${tag}`, "--file", file];
      const base = ["--build-arg", `BASE=${BASE}`, "--network", "none"];
      check(this.docker("build", ...base, ...named, context));
    }
    rmSync(context, { recursive: true });
  }

  /** Writes images of `build`, and their base, which sleeps, into a file. */
  save(file: string, roles: readonly string[], tag: string): void {
    const names = roles.map((role) => `tandem-${role}:${tag}`);
    check(this.docker("save", "--output", file, BASE, ...names));
  }

  /** Names of all containers, also of those that have ended. */
  containers(): readonly string[] {
    const { stdout } = this.docker("ps", "--all", "--format", "{{.Names}}");
    return stdout.split("\n").filter((name) => name !== "");
  }

  /** Kills a container's first process, as a crash would. */
  crash(container: string): void {
    const { stdout } = this.docker("inspect", "--format", "{{.State.Pid}}", container);
    process.kill(Number(stdout), "SIGKILL");
  }

  removeAll(): void {
    const containers = this.containers();
    if (containers.length > 0) this.docker("rm", "--force", ...containers);
  }

  async close(): Promise<void> {
    this.removeAll();
    const daemon = this.#daemon;
    if (daemon !== null && daemon.exitCode === null) {
      const ended = new Promise((resolve) => daemon.once("exit", resolve));
      daemon.kill("SIGTERM");
      await ended;
    }
    // The namespace of containers that share this machine's network stays mounted.
    spawnSync("umount", [join(this.folder, "exec/netns/default")]);
    // Layers of images have tens of thousands of files.
    spawnSync("rm", ["-rf", this.folder]);
  }

  #importBase(): void {
    const root = join(this.folder, "root");
    check(spawnSync("sh", ["-c", BASE_SCRIPT, "sh", root], { encoding: "utf8" }));
    const command = `--change 'CMD ["/usr/bin/sleep", "infinity"]'`;
    check(this.run("sh", "-c", `tar -C ${root} -c . | docker import ${command} - ${BASE}`));
    rmSync(root, { recursive: true });
  }

  /** npm's cache as docs/containers.md makes it. */
  #fillCache(context: string): void {
    const scratch = join(this.folder, "packages");
    mkdirSync(scratch);
    for (const name of ["package.json", "package-lock.json", ".npmrc"]) {
      cpSync(join(ROOT, name), join(scratch, name));
    }
    const cache = join(this.folder, "npm");
    const options = ["--omit=dev", "--ignore-scripts", "--prefix", scratch, "--cache", cache];
    check(this.run("npm", "ci", ...options));
    check(this.run("tar", "-cf", join(context, "npm-cache.tar"), "-C", cache, "_cacache"));
    rmSync(scratch, { recursive: true });
    rmSync(cache, { recursive: true });
  }
}

/** `docker compose`, or Debian's `docker-compose`; null without either. */
export function composeWords(): readonly string[] | null {
  const found = [["docker", "compose"], ["docker-compose"]].find(
    ([program, ...words]) => spawnSync(program, [...words, "version"]).status === 0,
  );
  return found ?? null;
}

function check({ status, stdout, stderr }: Ended): void {
  if (status !== 0) throw new Error(`${stdout.slice(-2000)}\n${stderr.slice(-2000)}`);
}
