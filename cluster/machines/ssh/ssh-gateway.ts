/** The gateway on a machine behind SSH: ports of this machine's loopback lead to it through one tunnel. */
import { createServer } from "node:net";
import { Fault } from "../../../core/fault.ts";
import type { GatewayMachine, GatewayPorts } from "../machine.ts";
import type { RemoteHost } from "./run-remote.ts";
import type { SshMachine } from "./ssh-machine.ts";
import { speaksHttp2, Tunnel } from "./tunnel.ts";

const HOST = "127.0.0.1";

export interface SshGatewayOptions {
  readonly remote: RemoteHost;
  readonly timeoutMs: number;
  readonly onEvent: (line: string) => void;
}

export class SshGateway implements GatewayMachine {
  readonly #machine: SshMachine;
  readonly #options: SshGatewayOptions;
  #tunnel: { readonly tunnel: Tunnel; readonly here: GatewayPorts } | null = null;

  constructor(machine: SshMachine, options: SshGatewayOptions) {
    this.#machine = machine;
    this.#options = options;
  }

  get name(): string {
    return this.#machine.name;
  }

  command(nodeOptions: readonly string[]): readonly string[] {
    return this.#machine.gatewayCommand(nodeOptions);
  }

  async reach(there: GatewayPorts, asked: GatewayPorts, secure: boolean): Promise<GatewayPorts> {
    const { remote, timeoutMs, onEvent } = this.#options;
    if (this.#tunnel === null) {
      const here = { grpc: await portHere(asked.grpc), http: await portHere(asked.http) };
      const ends = [`${HOST}:${here.grpc}`, `${HOST}:${here.http}`];
      this.#tunnel = { tunnel: new Tunnel(remote, ends, onEvent), here };
    }
    const { tunnel, here } = this.#tunnel;
    const answers = () => speaksHttp2({ host: HOST, port: here.grpc }, secure);
    await tunnel.lead([there.grpc, there.http], answers, timeoutMs);
    return here;
  }

  close(): void {
    this.#tunnel?.tunnel.close();
  }
}

/** The port, or a free one for 0. Rejects with Fault("cluster-failure") for one in use. */
function portHere(port: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once("error", (cause) => {
      const message = `cannot lead ${HOST}:${port} to the gateway: ${cause.message}`;
      reject(new Fault("cluster-failure", message, { hint: "give another --port", cause }));
    });
    server.listen(port, HOST, () => {
      const { port: found } = server.address() as { readonly port: number };
      server.close(() => resolve(found));
    });
  });
}
