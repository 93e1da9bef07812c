import { once } from "node:events";
import { type AddressInfo, connect, createServer, type Socket } from "node:net";
import { afterEach, describe, expect, it } from "vitest";
import type { ModelInferRequest, ModelStreamInferResponse } from "./messages.ts";
import { ANSWERS, LinkEnd, type LinkListener, REQUESTS } from "./worker-link.ts";

type Near = LinkEnd<ModelInferRequest, ModelStreamInferResponse>;
type Far = LinkEnd<ModelStreamInferResponse, ModelInferRequest>;

const closers: (() => void)[] = [];
afterEach(() => {
  for (const close of closers.splice(0)) close();
});

/** What an end has heard. */
class Heard<T> implements LinkListener<T> {
  readonly messages: T[] = [];
  beats = 0;
  parts = 0;
  readonly ends: string[] = [];

  received(message: T): void {
    this.messages.push(message);
  }

  beat(): void {
    this.beats++;
  }

  partly(): void {
    this.parts++;
  }

  ended(reason: string): void {
    this.ends.push(reason);
  }
}

/** Two sockets, connected. */
async function pair(): Promise<[Socket, Socket]> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const near = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [far] = (await once(server, "connection")) as [Socket];
  closers.push(() => {
    near.destroy();
    far.destroy();
    server.close();
  });
  return [near, far];
}

async function link() {
  const [nearSocket, farSocket] = await pair();
  const atNear = new Heard<ModelStreamInferResponse>();
  const atFar = new Heard<ModelInferRequest>();
  const near: Near = new LinkEnd(nearSocket, REQUESTS, ANSWERS, atNear);
  const far: Far = new LinkEnd(farSocket, ANSWERS, REQUESTS, atFar);
  return { near, far, atNear, atFar, nearSocket, farSocket };
}

const request = (id: string, bytes: number): ModelInferRequest => ({
  modelName: "m",
  id,
  inputs: [],
  rawInputContents: [Buffer.alloc(bytes, id)],
});

async function until(holds: () => boolean): Promise<void> {
  for (let i = 0; i < 1000 && !holds(); i++) await new Promise((resolve) => setTimeout(resolve, 2));
  expect(holds()).toBe(true);
}

describe("a link", () => {
  it("carries messages of any size in order, both ways at once", async () => {
    const { near, far, atNear, atFar } = await link();
    const sizes = Array.from({ length: 300 }, (_, i) => [1, 20_000, 300_000, 7][i % 4]);
    sizes.forEach((size, i) => {
      near.send(request(String(i), size));
      far.send({ inferResponse: { modelName: "m", id: String(i), outputs: [] } });
    });
    await until(() => atFar.messages.length === 300 && atNear.messages.length === 300);
    expect(atFar.messages.map(({ id }) => id)).toEqual(sizes.map((_, i) => String(i)));
    expect(atFar.messages.map((one) => one.rawInputContents?.[0].length)).toEqual(sizes);
    expect(atNear.messages.map((one) => one.inferResponse?.id)).toEqual(
      sizes.map((_, i) => String(i)),
    );
    expect([...atNear.ends, ...atFar.ends]).toEqual([]);
    expect(atFar.parts).toBeGreaterThan(0);
  });

  it("carries signs of life between messages", async () => {
    const { near, atFar } = await link();
    near.beat();
    near.send(request("1", 9));
    near.beat();
    await until(() => atFar.beats === 2 && atFar.messages.length === 1);
  });

  it("ends once what was sent has arrived, and both ends are told", async () => {
    const { far, atNear, atFar } = await link();
    far.send({ inferResponse: { modelName: "m", id: "last", outputs: [] } });
    far.finish();
    await until(() => atNear.ends.length === 1 && atFar.ends.length === 1);
    expect(atNear.messages.map((one) => one.inferResponse?.id)).toEqual(["last"]);
  });

  it("that one end closes is told to the other end alone", async () => {
    const { near, atNear, atFar } = await link();
    near.close();
    near.send(request("1", 1));
    await until(() => atFar.ends.length === 1);
    expect(atNear.ends).toEqual([]);
    expect(atFar.messages).toEqual([]);
  });

  it.each([
    ["another protocol", Buffer.from("GET / HTTP/1.1\r\n\r\n"), "a field that it does not have"],
    ["an element that is too large", Buffer.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f), "at most"],
    ["an element that is no request", Buffer.of(0x0a, 2, 0x0a, 5), "beyond its message"],
  ])("on which %s comes is ended, and says why", async (_, bytes, reason) => {
    const { near, nearSocket, atNear, atFar } = await link();
    nearSocket.write(bytes);
    await until(() => atFar.ends.length === 1 && atNear.ends.length === 1);
    expect(atFar.ends[0]).toContain(reason);
    expect(atFar.messages).toEqual([]);
    near.send(request("1", 1));
  });
});
