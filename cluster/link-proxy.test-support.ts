/**
 * A proxy in front of a worker's port that can let its links die, or be slow, and its gRPC connections
 * live. It tells them apart as the worker does, by what a connection begins with. Bytes of a dead link vanish
 * in both directions, and neither end hears of it, as when a network forgets a connection.
 */
import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Server, type Socket } from "node:net";
import { LINK_GREETING } from "./protocol/link-greeting.ts";

interface Passage {
  readonly ends: readonly [Socket, Socket];
  readonly isLink: boolean;
  dead: boolean;
}

export class LinkProxy {
  /** Links that came so far. */
  links = 0;
  readonly #server: Server;
  readonly #worker: { readonly host: string; readonly port: number };
  readonly #open = new Set<Passage>();
  #swallows = false;
  #bytesPerMs = Number.POSITIVE_INFINITY;

  private constructor(server: Server, worker: string) {
    const { hostname, port } = new URL(`tcp://${worker}`);
    this.#worker = { host: hostname, port: Number(port) };
    this.#server = server;
    server.on("connection", (socket) => this.#take(socket));
  }

  /** `worker` is its address, host:port. */
  static async before(worker: string): Promise<LinkProxy> {
    const server = createServer({ noDelay: true });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return new LinkProxy(server, worker);
  }

  get address(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Links die: those that there are, and those that come until `let`. */
  swallow(): void {
    this.#swallows = true;
    for (const passage of this.#open) if (passage.isLink) passage.dead = true;
  }

  /** Links that come from now on live. */
  let(): void {
    this.#swallows = false;
  }

  /** So much passes links from now on, in either direction. */
  slow(bytesPerMs: number): void {
    this.#bytesPerMs = bytesPerMs;
  }

  close(): void {
    this.#server.close();
    for (const { ends } of this.#open) for (const end of ends) end.destroy();
  }

  #take(near: Socket): void {
    near.on("error", () => undefined);
    near.once("data", (begun: Buffer) => {
      // A greeting is written at once, before anything else.
      const isLink = begun.subarray(0, LINK_GREETING.length).equals(LINK_GREETING);
      if (isLink) this.links++;
      const far = connect({ ...this.#worker, noDelay: true });
      const passage: Passage = { ends: [near, far], isLink, dead: isLink && this.#swallows };
      this.#open.add(passage);
      if (!passage.dead) far.write(begun);
      this.#pass(passage, near, far);
      this.#pass(passage, far, near);
    });
  }

  /** What comes from one end goes to the other. */
  #pass(passage: Passage, from: Socket, to: Socket): void {
    from.on("data", (piece: Buffer) => {
      if (!passage.dead) to.write(piece);
      if (!passage.isLink || this.#bytesPerMs === Number.POSITIVE_INFINITY) return;
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
