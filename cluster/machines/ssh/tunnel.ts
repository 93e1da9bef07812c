/** A socket here that leads to a port of a machine, through an SSH connection that is made again when it ends. */
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import { LastingCommand } from "../lasting-command.ts";
import { type RemoteHost, sshFault, tunnelCommand } from "./ssh-command.ts";

const TRY_MS = 50;
const PROBE_MS = 2000;

export class Tunnel {
  readonly #remote: RemoteHost;
  readonly #socket: string;
  readonly #ssh: LastingCommand;
  #port = 0;

  constructor(remote: RemoteHost, socket: string, onEvent: (line: string) => void) {
    this.#remote = remote;
    this.#socket = socket;
    this.#ssh = new LastingCommand({
      name: `the tunnel to ${remote.name}`,
      command: () => tunnelCommand(remote, socket, this.#port),
      onEvent,
    });
  }

  /**
   * Leads to the port. Resolves once the worker answers there: sshd takes a connection before it knows that the
   * port is closed, or that it must not forward. Rejects with Fault("cluster-failure") when it does not within
   * `timeoutMs`.
   */
  async lead(port: number, timeoutMs: number): Promise<void> {
    if (!this.#ssh.runs || port !== this.#port) {
      this.#port = port;
      this.#ssh.start();
    }
    const giveUpAt = Date.now() + timeoutMs;
    while (!(await speaksTls(this.#socket))) {
      if (Date.now() > giveUpAt) {
        throw sshFault(this.#remote, this.#ssh.stderr || "the tunnel timed out");
      }
      await sleep(TRY_MS);
    }
    this.#ssh.works();
  }

  close(): void {
    this.#ssh.close();
    rmSync(this.#socket, { force: true });
  }
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
