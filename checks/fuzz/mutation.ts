/** Valid bytes with something wrong: what a parser is most easily misled by. */
import fc from "fast-check";

type Change =
  | { readonly kind: "flip"; readonly at: number; readonly bit: number }
  | { readonly kind: "set"; readonly at: number; readonly value: number }
  | { readonly kind: "cut"; readonly at: number }
  | { readonly kind: "insert"; readonly at: number; readonly bytes: Uint8Array }
  | { readonly kind: "repeat"; readonly at: number; readonly times: number };

const at = fc.double({ min: 0, max: 0.999, noNaN: true });
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.record({ kind: fc.constant("flip" as const), at, bit: fc.integer({ min: 0, max: 7 }) }),
  fc.record({
    kind: fc.constant("set" as const),
    at,
    value: fc.constantFrom(0, 1, 0x7f, 0x80, 0xff),
  }),
  fc.record({ kind: fc.constant("cut" as const), at }),
  fc.record({
    kind: fc.constant("insert" as const),
    at,
    bytes: fc.uint8Array({ minLength: 1, maxLength: 24 }),
  }),
  fc.record({ kind: fc.constant("repeat" as const), at, times: fc.integer({ min: 2, max: 40 }) }),
);

/** One of the valid ones, changed in one to six places. */
export function mutated(valid: readonly Uint8Array[]): fc.Arbitrary<Uint8Array> {
  return fc
    .tuple(fc.constantFrom(...valid), fc.array(change, { minLength: 1, maxLength: 6 }))
    .map(([bytes, changes]) => changes.reduce(changed, bytes));
}

function changed(bytes: Uint8Array, change: Change): Uint8Array {
  const i = Math.floor(change.at * bytes.length);
  switch (change.kind) {
    case "flip":
      return bytes.map((byte, j) => (j === i ? byte ^ (1 << change.bit) : byte));
    case "set":
      return bytes.map((byte, j) => (j === i ? change.value : byte));
    case "cut":
      return bytes.subarray(0, i);
    case "insert":
      return Buffer.concat([bytes.subarray(0, i), change.bytes, bytes.subarray(i)]);
    case "repeat":
      return Buffer.concat([
        bytes,
        ...Array.from({ length: change.times }, () => bytes.subarray(i, i + 64)),
      ]);
  }
}
