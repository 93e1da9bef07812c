import { once } from "node:events";
import {
  type ClientHttp2Session,
  connect,
  createServer,
  type Http2Server,
  type ServerHttp2Stream,
} from "node:http2";
import type { AddressInfo } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import { eventually } from "../deployment.test-support.ts";
import { sendAhead } from "./send-ahead.ts";

let server: Http2Server | undefined;
let client: ClientHttp2Session | undefined;

afterEach(() => {
  client?.destroy();
  server?.close();
});

/** Both ends of one HTTP/2 stream. */
async function stream() {
  server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  client = connect(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
  const caller = client.request({ ":path": "/" });
  const [answering] = (await once(server, "stream")) as [ServerHttp2Stream];
  answering.respond({ ":status": 200 });
  await once(caller, "response");
  const sent = { taken: 0, left: 0 };
  const send = sendAhead(
    (message, callback) => void answering.write(message, callback),
    answering,
    () => void sent.left++,
  );
  /** One after another as each is taken, as grpc-js does. */
  const sendAll = async (messages: readonly Buffer[]): Promise<void> => {
    for (const message of messages) {
      await new Promise<void>((resolve) => send(message, resolve));
      sent.taken++;
    }
  };
  return { caller, answering, sendAll, sent };
}

describe("sendAhead", () => {
  it("lets messages that come together leave together, in order", async () => {
    const { caller, answering, sendAll, sent } = await stream();
    const pieces: Buffer[] = [];
    caller.on("data", (piece: Buffer) => pieces.push(piece));
    await sendAll(Array.from({ length: 64 }, (_, i) => Buffer.alloc(100, i)));
    answering.end();
    await once(caller, "end");
    const received = Buffer.concat(pieces);
    expect(received.length).toBe(6400);
    for (let i = 0; i < 64; i++) expect(received[100 * i + 50]).toBe(i);
    // A turn of the event loop for each made a piece for each.
    expect(pieces.length).toBeLessThan(8);
    expect(sent.left).toBe(64);
  });

  it("takes no more than a window and some from who does not read", async () => {
    const { caller, sendAll, sent } = await stream();
    caller.pause();
    const messages = Array.from({ length: 40 }, () => Buffer.alloc(10_000));
    const sending = sendAll(messages);
    expect(await eventually(async () => sent.taken > 6)).toBe(true);
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(sent.taken).toBeLessThan(20);
    caller.resume();
    await sending;
    expect(await eventually(async () => sent.left === 40)).toBe(true);
  });
});
