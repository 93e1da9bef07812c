import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ElementReader, EMPTY_ELEMENT } from "./element-reader.ts";
import { WireWriter } from "./wire-writer.ts";

const MAX_BYTES = 1 << 20;

function endless(elements: readonly Uint8Array[]): Buffer {
  const writer = new WireWriter();
  for (const element of elements) writer.bytes(1, element);
  return writer.copy();
}

/** What a reader gives for bytes that come in pieces, cut at the places given. */
function read(bytes: Buffer, cuts: readonly number[] = []): Buffer[] {
  const elements: Buffer[] = [];
  const reader = new ElementReader(MAX_BYTES, (element) => elements.push(Buffer.from(element)));
  const places = [0, ...[...cuts].sort((a, b) => a - b), bytes.length];
  for (let i = 1; i < places.length; i++) reader.read(bytes.subarray(places[i - 1], places[i]));
  return elements;
}

describe("a reader of elements", () => {
  it("gives every element whole and in order, however the bytes are cut", () => {
    const sizes = fc.oneof(fc.nat({ max: 4 }), fc.constantFrom(127, 128, 300, 16_383, 16_384));
    const element = fc
      .tuple(sizes, fc.nat({ max: 255 }))
      .map(([size, byte]) => Buffer.alloc(size, byte));
    const cuts = fc.array(fc.nat({ max: 40_000 }), { maxLength: 30 });
    fc.assert(
      fc.property(fc.array(element, { maxLength: 8 }), cuts, (elements, places) => {
        const bytes = endless(elements);
        const within = places.map((at) => at % (bytes.length + 1));
        const given = read(bytes, within);
        expect(given.map(({ length }) => length)).toEqual(elements.map(({ length }) => length));
        expect(given.every((one, i) => one.equals(elements[i]))).toBe(true);
      }),
      { numRuns: 500 },
    );
  });

  it("gives them when each byte comes alone", () => {
    const elements = [Buffer.alloc(0), Buffer.alloc(300, 7), Buffer.of(1)];
    const bytes = endless(elements);
    const everywhere = Array.from({ length: bytes.length }, (_, i) => i);
    expect(read(bytes, everywhere)).toEqual(elements);
  });

  it("gives an empty element as one without bytes", () => {
    expect(read(Buffer.from(EMPTY_ELEMENT))).toEqual([Buffer.alloc(0)]);
  });

  it("refuses another field, a length that is none, and an element that is too large", () => {
    expect(() => read(Buffer.of(0x12, 0))).toThrow("malformed message: a field");
    expect(() => read(Buffer.from("GET / HTTP/1.1"))).toThrow("malformed message: a field");
    expect(() => read(Buffer.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0xff, 1))).toThrow(
      "a length that is none",
    );
    expect(() => read(Buffer.of(0x0a, 0x81, 0x80, 0x40))).toThrow(
      `${MAX_BYTES + 1} bytes, at most ${MAX_BYTES}`,
    );
  });
});
