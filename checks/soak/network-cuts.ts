/**
 * Connections that can be cut: every packet from a port of loopback is dropped, and neither side hears of it.
 * Needs root and `nft`. The rules are removed when this process ends, however it ends.
 */
import { type ChildProcess, execFileSync, spawn } from "node:child_process";

let tables = 0;

export class NetworkCuts {
  readonly #table = `tandem${process.pid}x${++tables}`;
  readonly #guard: ChildProcess;

  /** Throws an Error when the system refuses the rules. */
  constructor() {
    nft(`table inet ${this.#table} {
      set ports { type inet_service; }
      chain input { type filter hook input priority 0; tcp sport @ports drop; }
    }`);
    // It outlives this process by a moment.
    const script = `cat; nft delete table inet ${this.#table}`;
    const stdio = ["pipe", "ignore", "ignore"] as const;
    this.#guard = spawn("sh", ["-c", script], { stdio: [...stdio], detached: true });
    this.#guard.unref();
  }

  /** Why there can be none here; null when there can. */
  static missing(): string | null {
    try {
      new NetworkCuts().close();
      return null;
    } catch (error) {
      return `network cuts need root and nft: ${(error as Error).message.split("\n")[0]}`;
    }
  }

  cut(port: number): void {
    nft(`add element inet ${this.#table} ports { ${port} }`);
  }

  heal(port: number): void {
    nft(`delete element inet ${this.#table} ports { ${port} }`);
  }

  close(): void {
    this.#guard.stdin?.end();
  }
}

function nft(commands: string): void {
  execFileSync("nft", ["-f", "-"], { input: commands, stdio: ["pipe", "ignore", "pipe"] });
}
