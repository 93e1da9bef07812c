/**
 * The open connections of one server, by address. An address that has as many as it may loses its longest idle one to
 * the next, so that idle connections shut nobody out; where all are busy, the next is refused.
 */
import type { Socket } from "node:net";
import type { Refusals } from "./refusals.ts";

interface Connection {
  readonly socket: Socket;
  /** Ends it; undefined while a request runs. */
  idle: NodeJS.Timeout | undefined;
}

export interface ConnectionBounds {
  /** Most of one address. */
  readonly most: number;
  /** An idle connection is closed after this time. */
  readonly idleMs: number;
}

export class Connections {
  readonly #bounds: ConnectionBounds;
  readonly #refusals: Refusals;
  /** By address, then by port; the longest idle first. */
  readonly #open = new Map<string, Map<number, Connection>>();

  constructor(bounds: ConnectionBounds, refusals: Refusals) {
    this.#bounds = bounds;
    this.#refusals = refusals;
  }

  /** Whether the connection may stay; else it is closed. */
  take(socket: Socket): boolean {
    const { remoteAddress: address = "", remotePort: port = 0 } = socket;
    const own = this.#open.get(address) ?? new Map<number, Connection>();
    if (own.size >= this.#bounds.most) {
      this.#refusals.connection(address);
      const idle = [...own.values()].find((one) => one.idle !== undefined);
      (idle?.socket ?? socket).destroy();
      if (idle === undefined) return false;
    }
    this.#open.set(address, own);
    own.set(port, { socket, idle: this.#closing(socket) });
    socket.once("close", () => {
      clearTimeout(own.get(port)?.idle);
      own.delete(port);
      if (own.size === 0 && this.#open.get(address) === own) this.#open.delete(address);
    });
    return true;
  }

  /** A request has come. `socket` may be the TLS side of the connection. */
  busy({ remoteAddress, remotePort }: Socket): void {
    const connection = this.#open.get(remoteAddress ?? "")?.get(remotePort ?? 0);
    if (connection === undefined) return;
    clearTimeout(connection.idle);
    connection.idle = undefined;
  }

  /** Its request has its answer. */
  idle({ remoteAddress, remotePort }: Socket): void {
    const own = this.#open.get(remoteAddress ?? "");
    const connection = own?.get(remotePort ?? 0);
    if (own === undefined || connection === undefined) return;
    own.delete(remotePort as number);
    clearTimeout(connection.idle);
    connection.idle = this.#closing(connection.socket);
    own.set(remotePort as number, connection);
  }

  #closing(socket: Socket): NodeJS.Timeout {
    return setTimeout(() => socket.destroy(), this.#bounds.idleMs).unref();
  }
}
