/** Ports that lead to another machine's through a command; here the command runs on this machine. */
import { spawnSync } from "node:child_process";
import { once } from "node:events";
import { connect as connectHttp2, performServerHandshake } from "node:http2";
import { connect, createServer, type Server, type Socket } from "node:net";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listening } from "../../checks/support/listening.test-support.ts";
import { eventually } from "../deployment.test-support.ts";
import { entryPoint } from "../processes/link.ts";
import { answerPieces, connectedPair, GatewayPorts } from "./gateway-ports.ts";

const FORWARD = fileURLToPath(entryPoint("machines/forward"));
/** As a login shell that greets. */
const COMMAND = ["sh", "-c", 'echo "welcome to box1"; exec "$0" "$1"', process.execPath, FORWARD];

const echo: Server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
const events: string[] = [];
let starts = 0;
const ports = new GatewayPorts(
  () => {
    starts++;
    return COMMAND;
  },
  (line) => events.push(line),
);
let here = { grpc: 0, http: 0 };

beforeAll(async () => {
  const port = await listening(echo);
  here = await ports.lead({ grpc: port, http: 1 }, { grpc: 0, http: 0 });
});
afterAll(() => {
  ports.close();
  echo.close();
});

/** Sends bytes, and returns the answer up to its end. */
async function answered(port: number, sent: Buffer): Promise<Buffer> {
  const socket: Socket = connect(port, "127.0.0.1");
  const pieces: Buffer[] = [];
  socket.on("data", (piece) => pieces.push(piece)).on("error", () => undefined);
  socket.end(sent);
  await once(socket, "close");
  return Buffer.concat(pieces);
}

test("carry many connections at once, whatever their bytes, and their ends", async () => {
  const texts = Array.from({ length: 8 }, (_, i) => Buffer.alloc(400_000 + i, i));
  const back = await Promise.all(texts.map((text) => answered(here.grpc, text)));
  expect(back.map((bytes, i) => bytes.equals(texts[i]))).toEqual(texts.map(() => true));
});

test("end a connection to a port on which nobody listens there", async () => {
  expect(await answered(here.http, Buffer.from("x"))).toEqual(Buffer.alloc(0));
});

test("stay the same, and work again, after the command has died", async () => {
  const socket = connect(here.grpc, "127.0.0.1").on("error", () => undefined);
  socket.write("kill me");
  await once(socket, "data");
  const [pid] = spawnSync("pgrep", ["-P", String(process.pid), "-f", FORWARD], { encoding: "utf8" })
    .stdout.trim()
    .split("\n");
  process.kill(Number(pid), "SIGKILL");
  await once(socket, "close");
  expect(await eventually(() => starts === 2)).toBe(true);
  expect(await answered(here.grpc, Buffer.from("again"))).toEqual(Buffer.from("again"));
  expect(events[0]).toMatch(/^the connection to the gateway ended.*tried again in /);
  expect(await ports.lead({ grpc: 5, http: 5 }, { grpc: 0, http: 0 })).toEqual(here);
});

test("answer each piece that arrives by a ping, and pings by none", async () => {
  const [near, far] = await connectedPair();
  const there = performServerHandshake(far);
  let pings = 0;
  there.on("ping", () => pings++);
  const session = connectHttp2("http://127.0.0.1", { createConnection: () => near });
  await once(session, "connect");
  const input = new PassThrough();
  answerPieces(input, session);
  for (const bytes of [1000, 17, 34, 65]) {
    input.write(Buffer.alloc(bytes));
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  expect(await eventually(() => pings === 2)).toBe(true);
  session.destroy();
  there.destroy();
});

test("a port in use is an error with the next step", async () => {
  const other = new GatewayPorts(
    () => COMMAND,
    () => undefined,
  );
  const taken = other.lead({ grpc: 1, http: 1 }, { grpc: here.grpc, http: 0 });
  await expect(taken).rejects.toMatchObject({ hint: "give another --port" });
  other.close();
});
