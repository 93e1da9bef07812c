/**
 * Checks a message's bytes before protobufjs builds objects of them. protobufjs cuts a string short
 * that runs over its message's end, where other implementations refuse the message. And two bytes may
 * be a tensor without a name, which becomes an object of a hundred: a message of 64 MiB could fill the
 * heap.
 */
import protobuf from "protobufjs";
import { LIMITS } from "../security/limits.ts";

const VARINT_TYPES = new Set(["bool", "int32", "int64", "uint32", "uint64"]);
const LENGTH = 2;
const GROUP = 3;
const GROUP_END = 4;
const CONTINUES = 0x80;
const INTEGERS = LIMITS.typedIntegers;
const BEYOND = "a field that reaches beyond its message";

/** The length-delimited fields of a message by number: what is inside each, where it matters. */
type Layout = Map<number, Layout | "integers">;

export function layoutOf(type: protobuf.Type): Layout {
  const layout: Layout = new Map();
  for (const field of type.fieldsArray) {
    const inner = field.resolve().resolvedType;
    if (inner instanceof protobuf.Type) {
      // An entry of a map is a message too: { key = 1, value = 2 }.
      const own = layoutOf(inner);
      layout.set(field.id, field.map ? new Map([[2, own]]) : own);
    } else if (VARINT_TYPES.has(field.type)) layout.set(field.id, "integers");
  }
  return layout;
}

/** Throws an Error where `bytes` is no message of the layout, or has more parts than `LIMITS` allows. */
export function checkParts(layout: Layout, bytes: Uint8Array): void {
  const reader = protobuf.Reader.create(bytes);
  let parts = 0;
  let integers = 0;

  const check = (of: Layout | undefined, end: number): void => {
    while (reader.pos < end) {
      if (++parts > LIMITS.messageParts) throw new Error(`more than ${LIMITS.messageParts} parts`);
      const tag = reader.uint32();
      const wireType = tag & 7;
      if (tag >>> 3 === 0) throw new Error("a field without a number");
      if (wireType === GROUP || wireType === GROUP_END) throw new Error(`wire type ${wireType}`);
      if (wireType === LENGTH) checkInside(of?.get(tag >>> 3), end);
      else reader.skipType(wireType);
    }
    if (reader.pos > end) throw new Error(BEYOND);
  };

  const checkInside = (inner: Layout | "integers" | undefined, end: number): void => {
    const length = reader.uint32();
    const to = reader.pos + length;
    if (to > end) throw new Error(BEYOND);
    if (inner === "integers") {
      integers += varints(reader.pos, to);
      if (integers > INTEGERS) throw new Error(`more than ${INTEGERS} integers in typed contents`);
    } else if (inner !== undefined) {
      check(inner, to);
      return;
    }
    reader.pos = to;
  };

  /** Varints between two places: each ends in a byte without the highest bit. */
  const varints = (from: number, to: number): number => {
    let found = 0;
    for (let at = from; at < to; at++) if (bytes[at] < CONTINUES) found++;
    return found;
  };

  check(layout, reader.len);
}
