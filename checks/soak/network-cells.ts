/**
 * Networks that can be cut: one namespace for each worker, joined to this one by a pair of virtual
 * interfaces. A cut drops every packet from the worker; neither side hears of it. Needs root and
 * `ip`. They are removed when this process ends, however it ends.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { randomInt } from "node:crypto";
import type { WorkerPlace } from "../../cluster/deploy/options.ts";

/** Addresses from 198.18.0.0/15, which is reserved for network tests. */
const PREFIX = "198.18";
const MAX_CELLS = 60;

export class NetworkCells {
  readonly places: readonly WorkerPlace[];
  readonly #names: readonly string[];
  readonly #gateways: readonly string[];
  readonly #guard: ChildProcess;

  /** Throws an Error when the system refuses one; none is left then. */
  constructor(count: number) {
    const block = randomInt(0, 256);
    const cells = Array.from({ length: Math.min(count, MAX_CELLS) }, (_, i) => i);
    this.#names = cells.map((i) => `tandem${process.pid % 100_000}x${i}`);
    this.#gateways = cells.map((i) => `${PREFIX}.${block}.${4 * i + 1}`);
    const hosts = cells.map((i) => `${PREFIX}.${block}.${4 * i + 2}`);
    this.places = cells.map((i) => ({
      host: hosts[i],
      command: ["ip", "netns", "exec", this.#names[i]],
    }));
    this.#guard = guard(this.#names);
    try {
      for (const i of cells)
        this.#make(this.#names[i], `t${block}x${i}`, this.#gateways[i], hosts[i]);
    } catch (error) {
      this.close();
      throw error;
    }
  }

  /** Why there can be none here; null when there can. */
  static missing(): string | null {
    if (process.getuid?.() !== 0) return "network cuts need root";
    const name = `tandem${process.pid % 100_000}probe`;
    try {
      ip("netns", "add", name);
      ip("netns", "del", name);
      return null;
    } catch (error) {
      return `network cuts need \`ip netns\`: ${(error as Error).message.split("\n")[0]}`;
    }
  }

  /** Packets from the cell to the gateway vanish. */
  cut(cell: number): void {
    this.#inside(cell, "route", "add", "blackhole", `${this.#gateways[cell]}/32`);
  }

  heal(cell: number): void {
    this.#inside(cell, "route", "del", "blackhole", `${this.#gateways[cell]}/32`);
  }

  close(): void {
    this.#guard.stdin?.end();
    for (const name of this.#names) remove(name);
  }

  #make(name: string, link: string, gateway: string, host: string): void {
    ip("netns", "add", name);
    ip("link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", name);
    ip("addr", "add", `${gateway}/30`, "dev", link);
    ip("link", "set", link, "up");
    ip("-n", name, "addr", "add", `${host}/30`, "dev", "eth0");
    ip("-n", name, "link", "set", "lo", "up");
    ip("-n", name, "link", "set", "eth0", "up");
  }

  #inside(cell: number, ...command: readonly string[]): void {
    ip("-n", this.#names[cell], ...command);
  }
}

function ip(...command: readonly string[]): void {
  execFileSync("ip", [...command], { stdio: ["ignore", "ignore", "pipe"] });
}

function remove(name: string): void {
  try {
    ip("netns", "del", name);
  } catch {
    // It was not made, or is gone.
  }
}

/** Outlives this process by a moment, to remove what it has left. */
function guard(names: readonly string[]): ChildProcess {
  const script = `cat; sleep 0.2; for name in ${names.join(" ")}; do ip netns del $name; done`;
  const child = spawn("sh", ["-c", script], {
    stdio: ["pipe", "ignore", "ignore"],
    detached: true,
  });
  child.unref();
  return child;
}
