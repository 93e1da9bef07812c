import { expect, test } from "vitest";
import { decodeStrings, encodeStrings } from "./byte-strings.ts";

test("strings of any script come back as they were", () => {
  const strings = ["", "plate", "Zürich", "日本", "a\u0000b"];
  expect(decodeStrings(encodeStrings(strings), strings.length)).toEqual(strings);
});

test("bytes that are no text are refused, not replaced", () => {
  const raw = Uint8Array.of(1, 0, 0, 0, 0x61, 2, 0, 0, 0, 0xff, 0xfe);
  expect(() => decodeStrings(raw, 2)).toThrow("element 1 is no UTF-8");
});
