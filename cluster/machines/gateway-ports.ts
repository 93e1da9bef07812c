/**
 * Ports of this machine's loopback that lead to a gateway on another. Any command that runs a program there will do:
 *
 *   client ── port here ── stream of HTTP/2 ══ ssh or srun ══ `forward.ts` there ── port of the gateway
 */
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { type ClientHttp2Session, connect as connectHttp2, type Http2Session } from "node:http2";
import { connect, createServer, type Server, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pipeline, type Readable } from "node:stream";
import { Fault } from "../../engine/basics/fault.ts";
import { type LastingCommand, lastingCommand } from "./client-command.ts";

/** First line of `forward.ts`: a login shell may write others before. */
export const FORWARDS = "tandem: forwards\n";
const WINDOW_BYTES = 2 ** 24;
export const FORWARD_SETTINGS = { initialWindowSize: WINDOW_BYTES, enablePush: false };

const HOST = "127.0.0.1";

export interface Ports {
  readonly grpc: number;
  readonly http: number;
}

export class GatewayPorts {
  readonly #command: LastingCommand;
  readonly #servers: Server[] = [];
  readonly #sockets = new Set<Socket>();
  #session: Promise<ClientHttp2Session | null> = Promise.resolve(null);
  #here: Ports | null = null;

  /** `command` runs `forward.ts` on the gateway's machine. */
  constructor(command: () => readonly string[], onEvent: (line: string) => void) {
    const name = "the connection to the gateway";
    const onStart = (child: ChildProcessWithoutNullStreams): void => {
      this.#session = this.#open(child).catch(() => null);
    };
    this.#command = lastingCommand({ name, command, onStart, onEvent });
  }

  /**
   * Leads the ports here (0: any free one) to those there; later calls change nothing. A connection waits until the
   * machine is reached. Rejects with Fault("cluster-failure") for a port in use.
   */
  async lead(there: Ports, asked: Ports): Promise<Ports> {
    if (this.#here !== null) return this.#here;
    this.#command.start();
    this.#here = {
      grpc: await this.#listen(asked.grpc, there.grpc),
      http: await this.#listen(asked.http, there.http),
    };
    return this.#here;
  }

  close(): void {
    this.#command.close();
    for (const server of this.#servers) server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #listen(port: number, there: number): Promise<number> {
    const server = createServer(
      { allowHalfOpen: true },
      (socket) => void this.#forward(socket, there),
    );
    this.#servers.push(server);
    return new Promise((resolve, reject) => {
      server.once("error", (cause) => {
        const message = `cannot lead ${HOST}:${port} to the gateway: ${cause.message}`;
        reject(new Fault("cluster-failure", message, { hint: "give another --port", cause }));
      });
      server.listen(port, HOST, () => resolve((server.address() as { port: number }).port));
    });
  }

  /** Resolves once the machine is reached. Rejects when the command ends before. */
  async #open({ stdout, stdin }: ChildProcessWithoutNullStreams): Promise<ClientHttp2Session> {
    const [near, far] = await connectedPair();
    far.pipe(stdin);
    stdout.once("close", () => far.destroy());
    await new Promise<void>((resolve, reject) => {
      stdout.once("close", reject);
      let said = Buffer.alloc(0);
      const look = (piece: Buffer): void => {
        said = Buffer.concat([said, piece]);
        const at = said.indexOf(FORWARDS);
        if (at < 0) return;
        stdout.off("data", look);
        far.write(said.subarray(at + FORWARDS.length));
        stdout.pipe(far);
        resolve();
      };
      stdout.on("data", look);
    });
    const settings = FORWARD_SETTINGS;
    const session = connectHttp2(`http://${HOST}`, { createConnection: () => near, settings });
    // The command ends with it, and says why.
    session.on("error", () => undefined);
    await once(session, "connect");
    session.setLocalWindowSize(WINDOW_BYTES);
    answerPieces(stdout, session);
    this.#command.works();
    return session;
  }

  async #forward(socket: Socket, there: number): Promise<void> {
    this.#sockets.add(socket);
    socket.once("close", () => this.#sockets.delete(socket));
    socket.on("error", () => undefined);
    socket.setNoDelay(true);
    const session = await this.#session;
    if (session === null || session.destroyed) {
      socket.destroy();
      return;
    }
    const to = { ":method": "CONNECT", ":authority": `${HOST}:${there}` };
    const stream = session.request(to, { endStream: false });
    pipeline(socket, stream, () => undefined);
    pipeline(stream, socket, () => undefined);
  }
}

/** Longer than the frames of a ping and its answer together, which ask for no answer. */
const PINGS_BYTES = 64;

/**
 * Answers each piece that arrives by a ping. Slurm's connection of a step keeps a piece back until the one before is
 * acknowledged (Nagle's algorithm), and TCP delays an acknowledgement up to 40 ms, unless data go back.
 */
export function answerPieces(input: Readable, session: Http2Session): void {
  input.on("data", (piece: Buffer) => {
    if (piece.length > PINGS_BYTES && !session.destroyed) session.ping(() => undefined);
  });
}

/**
 * Both ends of a connection within this process: Node's HTTP/2 takes any stream, but may fail an assertion as one
 * that is no socket ends.
 */
export async function connectedPair(): Promise<readonly [Socket, Socket]> {
  const folder = mkdtempSync(join(tmpdir(), "tandem-pair-"));
  const server = createServer().listen(join(folder, "s"));
  try {
    await once(server, "listening");
    const near = connect(join(folder, "s"));
    const [far] = (await once(server, "connection")) as [Socket];
    for (const end of [near, far]) end.on("error", () => undefined);
    return [near, far];
  } finally {
    server.close();
    rmSync(folder, { recursive: true });
  }
}
