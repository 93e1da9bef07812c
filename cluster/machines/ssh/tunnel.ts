/** A socket here that leads to a port of a machine, through an SSH connection that is made again when it ends. */
import { rmSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:tls";
import { lastingCommand } from "../lasting-command.ts";
import { type RemoteHost, sshFault, tunnelCommand } from "./ssh-command.ts";

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
      const giveUpAt = Date.now() + timeoutMs;
      while (!(await speaksTls(socket))) {
        if (Date.now() > giveUpAt) throw sshFault(remote, ssh.stderr() || "the tunnel timed out");
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
