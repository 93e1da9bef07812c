import { describe, expect, it } from "vitest";
import { Outbox } from "./outbox.ts";

const LARGE = Buffer.alloc(17 * 1024);

/** What an outbox sends of messages that are put into it, by turn of the event loop. */
async function sent(...turns: readonly (readonly Buffer[])[]): Promise<number[][][]> {
  const bundles: (readonly Buffer[])[][] = [];
  const outbox = new Outbox<Buffer>(
    (message) => [message],
    (bundle) => bundles.at(-1)?.push(bundle),
  );
  for (const turn of turns) {
    bundles.push([]);
    for (const message of turn) outbox.put(message);
    expect(bundles.at(-1)).toEqual([]);
    await new Promise((resolve) => setImmediate(resolve));
  }
  return bundles.map((turn) => turn.map((bundle) => bundle.map((message) => message[0] ?? -1)));
}

const small = (...numbers: readonly number[]): Buffer[] => numbers.map((n) => Buffer.of(n));

describe("an outbox", () => {
  it("sends what one turn put into it together, in order", async () => {
    expect(await sent(small(1, 2, 3), small(4))).toEqual([[[1, 2, 3]], [[4]]]);
  });

  it("sends what comes on the heels of a bundle when the turn is over", async () => {
    const bundles: (readonly number[])[] = [];
    let nowUs = 0;
    const outbox = new Outbox<number>(
      () => [],
      (bundle) => bundles.push(bundle),
      () => nowUs,
    );
    outbox.put(1);
    outbox.put(2);
    await Promise.resolve();
    expect(bundles).toEqual([[1, 2]]);
    nowUs = 40;
    outbox.put(3);
    await Promise.resolve();
    outbox.put(4);
    expect(bundles).toEqual([[1, 2]]);
    await new Promise((resolve) => setImmediate(resolve));
    expect(bundles).toEqual([
      [1, 2],
      [3, 4],
    ]);
    nowUs = 100;
    outbox.put(5);
    await Promise.resolve();
    expect(bundles.at(-1)).toEqual([5]);
  });

  it("sends a large message alone, and keeps the order", async () => {
    expect(await sent([...small(1, 2), LARGE, LARGE, ...small(3)])).toEqual([
      [[1, 2], [0], [0], [3]],
    ]);
    expect(await sent([LARGE])).toEqual([[[0]]]);
  });

  it("lays only so many together", async () => {
    const [bundles] = await sent(small(...new Array<number>(130).fill(7)));
    expect(bundles.map(({ length }) => length)).toEqual([64, 64, 2]);
  });

  it("sends what is left when it is told to, once", async () => {
    const bundles: (readonly Buffer[])[] = [];
    const outbox = new Outbox<Buffer>(
      (message) => [message],
      (bundle) => bundles.push(bundle),
    );
    outbox.put(Buffer.of(1));
    outbox.flush();
    await new Promise((resolve) => setImmediate(resolve));
    expect(bundles).toEqual([[Buffer.of(1)]]);
  });
});
