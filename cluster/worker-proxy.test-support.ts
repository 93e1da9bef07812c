/**
 * A proxy in front of a worker's port that can let its connections die, or be slow. Bytes of a dead
 * connection vanish in both directions, and neither end hears of it, as when a network forgets it.
 */
import { connect, createServer, type Server, type Socket } from "node:net";
import { listening } from "../checks/support/listening.test-support.ts";

interface Passage {
  readonly ends: readonly [Socket, Socket];
  dead: boolean;
}

export class WorkerProxy {
  readonly address: string;
  /** Connections that came so far. */
  connections = 0;
  readonly #server: Server;
  readonly #worker: { readonly host: string; readonly port: number };
  readonly #open = new Set<Passage>();
  #swallows = false;
  #bytesPerMs = Number.POSITIVE_INFINITY;

  private constructor(server: Server, worker: string, ownPort: number) {
    this.address = `127.0.0.1:${ownPort}`;
    const { hostname, port } = new URL(`tcp://${worker}`);
    this.#worker = { host: hostname, port: Number(port) };
    this.#server = server;
    server.on("connection", (socket) => this.#take(socket));
  }

  /** `worker` is its address, host:port. */
  static async before(worker: string): Promise<WorkerProxy> {
    const server = createServer({ noDelay: true });
    return new WorkerProxy(server, worker, await listening(server));
  }

  /** Connections die: those that there are, and those that come until `let`. */
  swallow(): void {
    this.#swallows = true;
    for (const passage of this.#open) passage.dead = true;
  }

  /** Connections that come from now on live. */
  let(): void {
    this.#swallows = false;
  }

  /** So much passes a connection from now on, in either direction. */
  slow(bytesPerMs: number): void {
    this.#bytesPerMs = bytesPerMs;
  }

  close(): void {
    this.#server.close();
    for (const { ends } of this.#open) for (const end of ends) end.destroy();
  }

  #take(near: Socket): void {
    near.on("error", () => undefined);
    this.connections++;
    const far = connect({ ...this.#worker, noDelay: true });
    const passage: Passage = { ends: [near, far], dead: this.#swallows };
    this.#open.add(passage);
    this.#pass(passage, near, far);
    this.#pass(passage, far, near);
  }

  /** Forwards bytes from each end to the other. */
  #pass(passage: Passage, from: Socket, to: Socket): void {
    from.on("data", (piece: Buffer) => {
      if (!passage.dead) to.write(piece);
      if (this.#bytesPerMs === Number.POSITIVE_INFINITY) return;
      from.pause();
      setTimeout(() => from.resume(), piece.length / this.#bytesPerMs);
    });
    from.on("error", () => undefined);
    from.once("close", () => {
      if (passage.dead) return;
      this.#open.delete(passage);
      to.destroy();
    });
  }
}
