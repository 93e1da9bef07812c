import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Fault } from "../../engine/basics/fault.ts";
import { encodeBytes } from "../../models/tensor.ts";
import { bytesTensor, decodeBytes, elementsOf } from "./tensors.ts";

const elements = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 20 });

describe("BYTES tensors", () => {
  it("are unchanged after encoding and decoding", () => {
    fc.assert(
      fc.property(elements, (given) => {
        const decoded = decodeBytes(encodeBytes(given), given.length);
        expect(decoded.map((element) => [...element])).toEqual(given.map((e) => [...e]));
      }),
    );
  });

  it("carry each element's length in four little-endian bytes", () => {
    const raw = encodeBytes([Uint8Array.of(7, 8, 9), new Uint8Array(0)]);
    expect([...raw]).toEqual([3, 0, 0, 0, 7, 8, 9, 0, 0, 0, 0]);
  });

  it("copy a large element unless its length precedes it in memory", () => {
    const large = new Uint8Array(20_000).fill(7);
    const raw = encodeBytes([large]);
    const [element] = decodeBytes(raw, 1);
    const again = encodeBytes([element]);
    expect(again.equals(raw)).toBe(true);
    expect(again.buffer).toBe(element.buffer);
    for (const other of [large, element.subarray(1), element.subarray(0, -1)]) {
      const copied = encodeBytes([other]);
      expect(copied.buffer).not.toBe(other.buffer);
      expect(Buffer.compare(decodeBytes(copied, 1)[0], other)).toBe(0);
    }
  });

  it("are refused with a Fault when cut anywhere", () => {
    fc.assert(
      fc.property(elements, fc.nat(), (given, cut) => {
        const raw = encodeBytes(given);
        fc.pre(raw.length > 0);
        const shorter = raw.subarray(0, cut % raw.length);
        expect(() => decodeBytes(shorter, given.length)).toThrow(Fault);
      }),
    );
  });

  it("never read beyond their bytes", () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 64 }), fc.nat({ max: 4 }), (raw, count) => {
        try {
          const decoded = decodeBytes(raw, count);
          const size = decoded.reduce((sum, element) => sum + 4 + element.length, 0);
          expect(size).toBe(raw.length);
        } catch (error) {
          expect(error).toBeInstanceOf(Fault);
        }
      }),
    );
  });

  it("are found by name, in any shape", () => {
    const { tensor, raw } = bytesTensor("b", [Uint8Array.of(1)]);
    const other = bytesTensor("a", []);
    expect(elementsOf([other.tensor, tensor], [other.raw, raw], "b")).toEqual([Buffer.of(1)]);
    const square = { ...tensor, shape: [1, 1, 1] };
    expect(elementsOf([square], [raw], "b")).toEqual([Buffer.of(1)]);
    expect(elementsOf([tensor], [raw], "c")).toBeNull();
  });

  it("are refused for a wrong shape, datatype or number of contents", () => {
    const { tensor, raw } = bytesTensor("b", [Uint8Array.of(1)]);
    expect(() => elementsOf([{ ...tensor, shape: [2] }], [raw], "b")).toThrow(/shape says 2/);
    expect(() => elementsOf([{ ...tensor, datatype: "FP32" }], [raw], "b")).toThrow(/FP32/);
    expect(() => elementsOf([tensor], [raw, raw], "b")).toThrow(/2 raw contents for 1 tensors/);
    expect(() => elementsOf([{ ...tensor, shape: [-1] }], [raw], "b")).toThrow(/shape \[-1\]/);
  });
});
