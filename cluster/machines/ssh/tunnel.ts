/** Sockets or ports here that lead to ports of a machine, through an SSH connection that is made again when it ends. */
import { type ChildProcess, spawn } from "node:child_process";
import { rmSync } from "node:fs";
import { createConnection, type NetConnectOpts } from "node:net";
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
  readonly #ends: readonly string[];
  readonly #onEvent: (line: string) => void;
  #ports: readonly number[] = [];
  #ssh: ChildProcess | null = null;
  #stderr = "";
  #pauseMs = FIRST_PAUSE_MS;
  #pause: NodeJS.Timeout | undefined;
  #closed = false;

  /** `ends`: paths of sockets, or `host:port`. */
  constructor(remote: RemoteHost, ends: readonly string[], onEvent: (line: string) => void) {
    this.#remote = remote;
    this.#ends = ends;
    this.#onEvent = onEvent;
  }

  /** The process of the connection; 0 while there is none. */
  get pid(): number {
    return this.#ssh?.pid ?? 0;
  }

  /**
   * Leads to the ports, one for each end. Resolves once the server `answers` there: sshd takes a connection
   * before it knows that the port is closed, or that it must not forward. Rejects with
   * Fault("cluster-failure") when it does not within `timeoutMs`.
   */
  async lead(
    ports: readonly number[],
    answers: () => Promise<boolean>,
    timeoutMs: number,
  ): Promise<void> {
    // A port here is free again only once the connection before has ended.
    if (this.#ssh === null || ports.join() !== this.#ports.join()) this.#openTo(ports);
    const giveUpAt = Date.now() + timeoutMs;
    while (!(await answers())) {
      if (Date.now() > giveUpAt) throw this.#fault();
      await sleep(TRY_MS);
    }
    this.#pauseMs = FIRST_PAUSE_MS;
  }

  close(): void {
    this.#closed = true;
    clearTimeout(this.#pause);
    this.#ssh?.kill();
    for (const end of this.#ends) rmSync(end, { force: true });
  }

  #fault(): Fault {
    return sshFault(this.#remote, this.#stderr === "" ? "the tunnel timed out" : this.#stderr);
  }

  #openTo(ports: readonly number[]): void {
    this.#ports = ports;
    clearTimeout(this.#pause);
    const former = this.#ssh;
    this.#ssh = null;
    former?.kill();
    this.#open();
  }

  #open(): void {
    if (this.#closed) return;
    const { ssh, host } = this.#remote;
    const forwards = this.#ends.map((end, i) => [end, this.#ports[i]] as const);
    const tunnel = tunnelCommand(ssh, host, forwards);
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

/** Whether a server of HTTP/2 is there, as that speaks first. Those who use it check its certificate. */
export function speaksHttp2(at: NetConnectOpts, secure: boolean): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = secure
      ? connect({ ...at, rejectUnauthorized: false, ALPNProtocols: ["h2"] })
      : createConnection(at);
    const end = (found: boolean) => (): void => {
      probe.destroy();
      resolve(found);
    };
    probe.setTimeout(2000, end(false));
    probe.once(secure ? "secureConnect" : "data", end(true));
    probe.once("error", end(false)).once("close", end(false));
  });
}
