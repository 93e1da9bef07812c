/** Reads Protocol Buffers' wire format. Throws an Error where it is malformed. */
import { asBuffer } from "./bytes-tensor.ts";
import { FIXED32, FIXED64, LENGTH, VARINT } from "./wire-writer.ts";

const TWO_32 = 4294967296;
const LARGEST_VARINT = 10;
const LARGEST_FIELD = 536_870_911;

/**
 * A cursor over a message and the messages inside it:
 *
 *   const end = reader.enter();
 *   while (reader.next(end)) switch (reader.field) { … default: reader.skip(); }
 */
export class WireReader {
  /** Number and wire type of the field that `next` came to. */
  field = 0;
  type = 0;
  readonly #bytes: Buffer;
  #at = 0;
  /** Of the message that is being read. */
  #end: number;
  /** Of the number that was read last. */
  #low = 0;
  #high = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = asBuffer(bytes);
    this.#end = bytes.length;
  }

  get end(): number {
    return this.#bytes.length;
  }

  /** Reads a tag; false at the end of the message that ends at `end`. */
  next(end: number): boolean {
    this.#end = end;
    if (this.#at >= end) return false;
    const tag = this.#length();
    this.field = Math.floor(tag / 8);
    this.type = tag & 7;
    if (this.field === 0 || this.field > LARGEST_FIELD) throw malformed("a field has no number");
    return true;
  }

  /** The end of the message that the field holds; the cursor is at its start. */
  enter(): number {
    return this.#span();
  }

  bool(): boolean {
    this.#expect(VARINT);
    return this.#int64() !== 0;
  }

  /** Beyond 2^53 it loses precision. */
  int64(): number {
    this.#expect(VARINT);
    return this.#int64();
  }

  uint64(): number {
    this.#expect(VARINT);
    const value = this.#int64();
    return value < 0 ? value + TWO_32 * TWO_32 : value;
  }

  double(): number {
    this.#expect(FIXED64);
    const start = this.#take(8);
    return this.#bytes.readDoubleLE(start);
  }

  string(): string {
    const end = this.#span();
    const start = this.#at;
    this.#at = end;
    return knownText(this.#bytes, start, end);
  }

  /** A view, not a copy. */
  bytes(): Uint8Array {
    const end = this.#span();
    const view = this.#bytes.subarray(this.#at, end);
    this.#at = end;
    return view;
  }

  /** Adds the field's values, packed or one, to at most `most` in all. */
  int64s(values: number[], most: number): void {
    const outer = this.#end;
    const packed = this.type !== VARINT;
    if (packed) this.#end = this.#span();
    do {
      if (packed && this.#at >= this.#end) break;
      if (values.length === most) throw malformed(`more than ${most} values in a list`);
      values.push(this.#int64());
    } while (packed);
    this.#end = outer;
  }

  /** Adds the low and the high half of the field's whole numbers, packed or one. */
  words(halves: number[]): void {
    const outer = this.#end;
    const packed = this.type === LENGTH;
    if (packed) this.#end = this.#span();
    else this.#expect(VARINT);
    do {
      if (packed && this.#at >= this.#end) break;
      this.#varint();
      halves.push(this.#low, this.#high);
    } while (packed);
    this.#end = outer;
  }

  /** Adds the bytes of the field's numbers of `size` bytes, packed or one, as a view. */
  fixed(size: 4 | 8, pieces: Uint8Array[]): void {
    if (this.type === LENGTH) {
      const packed = this.bytes();
      if (packed.length % size !== 0) throw malformed(`field ${this.field} ends within a number`);
      pieces.push(packed);
      return;
    }
    this.#expect(size === 4 ? FIXED32 : FIXED64);
    const start = this.#take(size);
    pieces.push(this.#bytes.subarray(start, start + size));
  }

  /** Passes over a field of whatever type. */
  skip(): void {
    switch (this.type) {
      case VARINT:
        this.#int64();
        break;
      case FIXED64:
        this.#take(8);
        break;
      case FIXED32:
        this.#take(4);
        break;
      case LENGTH:
        this.#at = this.#span();
        break;
      default:
        throw malformed(`field ${this.field} has wire type ${this.type}`);
    }
  }

  #expect(type: number): void {
    if (this.type !== type) {
      throw malformed(`field ${this.field} has wire type ${this.type}, not ${type}`);
    }
  }

  /** Moves on by `size` bytes; gives where they start. */
  #take(size: number): number {
    const start = this.#at;
    if (start + size > this.#end) throw malformed("a field ends beyond its message");
    this.#at = start + size;
    return start;
  }

  /** The end of a length-delimited field, whose start the cursor comes to. */
  #span(): number {
    this.#expect(LENGTH);
    const length = this.#length();
    const end = this.#at + length;
    if (end > this.#end) throw malformed("a field ends beyond its message");
    return end;
  }

  /** A varint that is no negative number. */
  #length(): number {
    const first = this.#bytes[this.#at];
    if (first < 0x80 && this.#at < this.#end) {
      this.#at++;
      return first;
    }
    const value = this.#int64();
    if (value < 0) throw malformed("a length is negative");
    return value;
  }

  #int64(): number {
    this.#varint();
    return (this.#high | 0) * TWO_32 + this.#low;
  }

  /** Reads a number into its two halves. */
  #varint(): void {
    const bytes = this.#bytes;
    let low = 0;
    let high = 0;
    for (let i = 0; i < LARGEST_VARINT; i++) {
      if (this.#at >= this.#end) throw malformed("a number ends beyond its message");
      const byte = bytes[this.#at++];
      const bits = byte & 0x7f;
      if (i < 4) low |= bits << (7 * i);
      else if (i === 4) {
        low |= bits << 28;
        high = bits >>> 4;
      } else high |= bits << (7 * i - 32);
      if (byte < 0x80) {
        this.#low = low >>> 0;
        this.#high = high >>> 0;
        return;
      }
    }
    throw malformed("a number has more than ten bytes");
  }
}

/** Names and datatypes repeat from message to message: the last text of each mark is kept. */
const MARKS = 256;
const LONGEST_KEPT = 32;
const kept = new Array<string>(MARKS).fill("");

function knownText(bytes: Buffer, start: number, end: number): string {
  const length = end - start;
  if (length === 0) return "";
  if (length > LONGEST_KEPT) return bytes.toString("utf8", start, end);
  const mark = (length * 31 + bytes[start] * 7 + bytes[end - 1]) % MARKS;
  const known = kept[mark];
  if (isText(known, bytes, start, length)) return known;
  const text = bytes.toString("utf8", start, end);
  kept[mark] = text;
  return text;
}

/** Whether the bytes are that text. A text that is not ASCII is never taken for known. */
function isText(text: string, bytes: Buffer, start: number, length: number): boolean {
  if (text.length !== length) return false;
  for (let i = 0; i < length; i++) {
    const byte = bytes[start + i];
    if (byte >= 0x80 || text.charCodeAt(i) !== byte) return false;
  }
  return true;
}

function malformed(what: string): Error {
  return new Error(`malformed message: ${what}`);
}
