/**
 * A lab of machines behind SSH on this one: network namespaces with an sshd each, and every port but 22 closed.
 * Needs root, `sshd`, `ip` and `nft`. It is removed when this process ends, however it ends.
 *
 *   this machine ── bridge ──┬── namespace a: sshd, firewall
 *                            ├── namespace b
 *                            └── namespace c
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const NAMES = ["a", "b", "c", "d", "e", "f"];

interface LabMachine {
  readonly name: string;
  readonly namespace: string;
  /** Our end of its cable. */
  readonly cable: string;
  readonly address: string;
}

export class SshLab {
  readonly folder: string;
  /** For `ssh -F`. */
  readonly config: string;
  readonly names: readonly string[];
  readonly #bridge: string;
  readonly #machines: readonly LabMachine[];
  readonly #guard: ChildProcess;

  /** Throws an Error when the system refuses a part; none is left then. */
  constructor(count: number) {
    this.folder = mkdtempSync(join(tmpdir(), "tandem-lab-"));
    this.config = join(this.folder, "config");
    const id = `${process.pid % 100_000}`;
    this.#bridge = `tl${id}`;
    const net = `198.19.${randomInt(0, 256)}`;
    this.#machines = NAMES.slice(0, count).map((name, i) => ({
      name,
      namespace: `tandemlab${id}${name}`,
      cable: `tl${id}${name}`,
      address: `${net}.${i + 1}`,
    }));
    this.names = this.#machines.map(({ name }) => name);
    const namespaces = this.#machines.map(({ namespace }) => namespace);
    this.#guard = guard(namespaces, this.#bridge);
    try {
      this.#makeKeys();
      run("ip", "link", "add", this.#bridge, "type", "bridge");
      run("ip", "addr", "add", `${net}.254/24`, "dev", this.#bridge);
      run("ip", "link", "set", this.#bridge, "up");
      for (const machine of this.#machines) this.#make(machine);
      this.#writeConfig();
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Why there can be none here; null when there can. */
  static missing(): string | null {
    if (process.getuid?.() !== 0) return "a lab of SSH machines (root)";
    for (const [program, words] of [
      ["/usr/sbin/sshd", ["-?"]],
      ["nft", ["--version"]],
      ["ip", ["netns", "list"]],
    ] as const) {
      try {
        execFileSync(program, [...words], { stdio: "ignore" });
      } catch (error) {
        // sshd has no option that succeeds.
        if ((error as NodeJS.ErrnoException).code === undefined && program.endsWith("sshd"))
          continue;
        return `a lab of SSH machines (${program})`;
      }
    }
    return null;
  }

  addressOf(name: string): string {
    return this.#machine(name).address;
  }

  /** An inventory file of all machines, with `keys` besides. */
  inventory(file: string, keys: object = {}): string {
    const path = join(this.folder, file);
    const machines = Object.fromEntries(this.names.map((name) => [name, {}]));
    const inventory = { kind: "ssh", config: "config", machines, cache: this.cache, ...keys };
    writeFileSync(path, JSON.stringify(inventory));
    return path;
  }

  /** Where its machines keep what is sent to them: they share this machine's disk. */
  get cache(): string {
    return join(this.folder, "cache");
  }

  /** The firewall of a machine lets these ports in. */
  open(name: string, first: number, last: number): void {
    const rule = [
      "add",
      "rule",
      "inet",
      "lab",
      "input",
      "tcp",
      "dport",
      `${first}-${last}`,
      "accept",
    ];
    run("ip", "netns", "exec", this.#machine(name).namespace, "nft", ...rule);
  }

  /** Gives a machine a small disk of its own at a folder. */
  mountDisk(name: string, folder: string, size: string): void {
    const [sshd] = this.pids(name);
    const mount = ["mount", "-t", "tmpfs", "-o", `size=${size}`, "tmpfs", folder];
    run("nsenter", "-t", String(sshd), "-m", ...mount);
  }

  /** Replaces a command of a machine by lines of a shell, for those who log in. */
  replace(name: string, command: string, lines: string): void {
    const file = join(this.#commands(name), command);
    writeFileSync(file, `#!/bin/sh\n${lines}\n`, { mode: 0o755 });
  }

  restoreCommands(): void {
    for (const name of this.names) {
      for (const command of readdirSync(this.#commands(name))) {
        rmSync(join(this.#commands(name), command));
      }
    }
  }

  /** Runs a command on a machine, as one of its processes. */
  spawn(name: string, ...command: readonly string[]): ChildProcess {
    const words = ["netns", "exec", this.#machine(name).namespace, ...command];
    return spawn("ip", words, { stdio: "ignore" });
  }

  /** SSH clients of this machine that lead to the lab. */
  clients(pattern = ""): readonly number[] {
    return readdirSync("/proc")
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .filter((pid) => {
        const command = commandOf(pid);
        return (
          command[0] === "ssh" &&
          command.includes(this.config) &&
          command.join(" ").includes(pattern)
        );
      });
  }

  /** The machine is gone from the network; neither side hears of it. */
  cut(name: string): void {
    run("ip", "link", "set", this.#machine(name).cable, "down");
  }

  heal(name: string): void {
    run("ip", "link", "set", this.#machine(name).cable, "up");
  }

  /** Every process of the machine dies; its sshd starts again with `boot`. */
  crash(name: string): void {
    for (const pid of this.pids(name)) kill(pid);
  }

  boot(name: string): void {
    this.#startSshd(this.#machine(name));
  }

  /** Its processes, the oldest first: sshd. Numbers of processes begin again, so they do not tell. */
  pids(name: string): readonly number[] {
    const { namespace } = this.#machine(name);
    return execFileSync("ip", ["netns", "pids", namespace], { encoding: "utf8" })
      .split("\n")
      .filter((line) => line !== "")
      .map(Number)
      .sort((a, b) => startOf(a) - startOf(b));
  }

  /** Its processes of Node, by their command lines. */
  workers(name: string): readonly number[] {
    return this.pids(name).filter((pid) => commandOf(pid).includes("--stdio"));
  }

  close(): void {
    for (const { name } of this.#machines) {
      try {
        this.crash(name);
      } catch {
        // It was not made.
      }
    }
    this.#guard.stdin?.end();
    for (const { namespace } of this.#machines) remove("netns", "del", namespace);
    remove("link", "del", this.#bridge);
    rmSync(this.folder, { recursive: true, force: true });
  }

  #commands(name: string): string {
    return join(this.folder, `commands-${name}`);
  }

  #machine(name: string): LabMachine {
    return this.#machines[this.names.indexOf(name)];
  }

  #makeKeys(): void {
    for (const key of ["id", "stranger", "host"]) {
      run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", join(this.folder, key));
    }
    mkdirSync("/run/sshd", { recursive: true });
  }

  #make(machine: LabMachine): void {
    const { namespace, cable, address } = machine;
    run("ip", "netns", "add", namespace);
    run(
      "ip",
      ...["link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", namespace],
    );
    run("ip", "link", "set", cable, "master", this.#bridge, "up");
    run("ip", "-n", namespace, "addr", "add", `${address}/24`, "dev", "eth0");
    run("ip", "-n", namespace, "link", "set", "lo", "up");
    run("ip", "-n", namespace, "link", "set", "eth0", "up");
    execFileSync("ip", ["netns", "exec", namespace, "nft", "-f", "-"], { input: FIREWALL });
    mkdirSync(this.#commands(machine.name));
    this.#startSshd(machine);
  }

  #startSshd({ name, namespace, address }: LabMachine): void {
    const file = join(this.folder, `sshd-${name}`);
    writeFileSync(
      file,
      [
        ...["Port 22", `ListenAddress ${address}`, `HostKey ${join(this.folder, "host")}`],
        ...[`AuthorizedKeysFile ${join(this.folder, "id.pub")}`, "StrictModes no", "UsePAM no"],
        ...["PermitRootLogin prohibit-password", "MaxStartups 100", `PidFile ${file}.pid`],
        ...[`SetEnv PATH=${this.#commands(name)}:${process.env.PATH}`, ""],
      ].join("\n"),
    );
    run("ip", "netns", "exec", namespace, "/usr/sbin/sshd", "-f", file, "-E", `${file}.log`);
  }

  #writeConfig(): void {
    const key = readFileSync(join(this.folder, "host.pub"), "utf8")
      .split(" ")
      .slice(0, 2)
      .join(" ");
    const known = join(this.folder, "known_hosts");
    writeFileSync(known, this.#machines.map(({ address }) => `${address} ${key}\n`).join(""));
    const hosts = this.#machines.map(({ name, address }) =>
      [
        ...[`Host ${name}`, `HostName ${address}`, "User root", "IdentitiesOnly yes"],
        ...[`IdentityFile ${join(this.folder, "id")}`, `UserKnownHostsFile ${known}`],
      ].join("\n  "),
    );
    writeFileSync(this.config, `${hosts.join("\n")}\n`);
  }
}

const FIREWALL = `
table inet lab {
  chain input {
    type filter hook input priority 0; policy drop;
    iif lo accept
    ct state established,related accept
    tcp dport 22 accept
  }
}
`;

function run(program: string, ...words: readonly string[]): void {
  execFileSync(program, [...words], { stdio: ["ignore", "ignore", "pipe"] });
}

function remove(...words: readonly string[]): void {
  try {
    run("ip", ...words);
  } catch {
    // It was not made, or is gone.
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It has ended.
  }
}

function commandOf(pid: number): readonly string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, "utf8").split("\0");
  } catch {
    return [];
  }
}

/** Outlives this process by a moment, to remove what it has left. */
function guard(namespaces: readonly string[], bridge: string): ChildProcess {
  const script = `cat; sleep 0.2
for name in ${namespaces.join(" ")}; do
  for pid in $(ip netns pids $name 2>/dev/null); do kill -9 $pid; done
  ip netns del $name 2>/dev/null
done
ip link del ${bridge} 2>/dev/null`;
  const child = spawn("sh", ["-c", script], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  child.unref();
  return child;
}

/** When a process started, in ticks since boot: field 22 of its stat line (proc(5)); the latest where it has ended. */
function startOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    return Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[19]);
  } catch {
    return Number.MAX_SAFE_INTEGER;
  }
}
