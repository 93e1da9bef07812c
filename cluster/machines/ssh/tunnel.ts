/** A socket here that leads to a port of a machine, through an SSH connection that is made again when it ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import { dyingWithParent } from "../../../build/dying-with-parent.ts";
import type { Fault } from "../../../core/fault.ts";
import { type RemoteHost, sshFault } from "./run-remote.ts";
import { tunnelCommand } from "./ssh-command.ts";

const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 2000;
const TRY_MS = 50;
const STDERR_TAIL = 4000;

export class Tunnel {
  readonly #remote: RemoteHost;
  readonly #socket: string;
  readonly #onEvent: (line: string) => void;
  #port = 0;
  #ssh: ChildProcess | null = null;
  #stderr = "";
  #pauseMs = FIRST_PAUSE_MS;
  #pause: NodeJS.Timeout | undefined;
  #closed = false;

  constructor(remote: RemoteHost, socket: string, onEvent: (line: string) => void) {
    this.#remote = remote;
    this.#socket = socket;
    this.#onEvent = onEvent;
  }

  /** The process of the connection; 0 while there is none. */
  get pid(): number {
    return this.#ssh?.pid ?? 0;
  }

  /**
   * Resolves once a TLS server answers at the other end. Rejects with Fault("cluster-failure") when none does
   * within `timeoutMs`.
   */
  async lead(port: number, timeoutMs: number): Promise<void> {
    this.#port = port;
    clearTimeout(this.#pause);
    const former = this.#ssh;
    this.#ssh = null;
    former?.kill();
    this.#open();
    const giveUpAt = Date.now() + timeoutMs;
    while (!(await answers(this.#socket))) {
      if (Date.now() > giveUpAt) throw this.#fault();
      await sleep(TRY_MS);
    }
    this.#pauseMs = FIRST_PAUSE_MS;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#pause);
    this.#ssh?.kill();
    rmSync(this.#socket, { force: true });
  }

  #fault(): Fault {
    return sshFault(this.#remote, this.#stderr === "" ? "the tunnel timed out" : this.#stderr);
  }

  #open(): void {
    if (this.#closed) return;
    const { ssh, host } = this.#remote;
    const tunnel = tunnelCommand(ssh, host, this.#socket, this.#port);
    const [program, ...words] = [...dyingWithParent("KILL"), ...tunnel];
    const child = spawn(program, words, { stdio: ["ignore", "ignore", "pipe"], detached: true });
    this.#ssh = child;
    this.#stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      if (this.#ssh === child) this.#stderr = (this.#stderr + text).slice(-STDERR_TAIL);
    });
    child.once("error", () => this.#ended(child));
    child.once("exit", () => this.#ended(child));
  }

  #ended(child: ChildProcess): void {
    if (this.#closed || this.#ssh !== child) return;
    this.#ssh = null;
    const [said = ""] = this.#stderr.trim().split("\n").slice(-1);
    this.#onEvent(
      `the tunnel to ${this.#remote.name} ended${said === "" ? "" : `: ${said}`}; made again`,
    );
    this.#pause = setTimeout(() => this.#open(), this.#pauseMs);
    this.#pauseMs = Math.min(LONGEST_PAUSE_MS, 2 * this.#pauseMs);
  }
}

/**
 * Whether a TLS server is at the other end: sshd takes a connection before it knows that the port is closed, or
 * that it must not forward. The worker's certificate is checked by those who use it.
 */
function answers(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = connect({ path: socket, rejectUnauthorized: false, ALPNProtocols: ["h2"] });
    const end = (found: boolean) => (): void => {
      probe.destroy();
      resolve(found);
    };
    probe.setTimeout(2000, end(false));
    probe.once("secureConnect", end(true)).once("error", end(false)).once("close", end(false));
  });
}
