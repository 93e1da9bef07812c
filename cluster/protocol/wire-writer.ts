/**
 * Writes Protocol Buffers' wire format: fields one after another, each a tag (number and wire type)
 * and a value. https://protobuf.dev/programming-guides/encoding
 */

/** Wire types. */
export const VARINT = 0;
export const FIXED64 = 1;
export const LENGTH = 2;
export const FIXED32 = 5;

const FIRST_SIZE = 4096;
const LARGEST_VARINT = 10;
const TWO_32 = 4294967296;

/** One buffer for message after message; it grows to the largest. */
export class WireWriter {
  #bytes = Buffer.allocUnsafeSlow(FIRST_SIZE);
  #at = 0;

  /** Forgets what was written. */
  reset(): this {
    this.#at = 0;
    return this;
  }

  /** A copy of what was written. */
  copy(): Buffer {
    const copy = Buffer.allocUnsafe(this.#at);
    this.copyTo(copy, 0);
    return copy;
  }

  /** Puts what was written into `target`; gives where it ends there. */
  copyTo(target: Buffer, start: number): number {
    return start + this.#bytes.copy(target, start, 0, this.#at);
  }

  get length(): number {
    return this.#at;
  }

  bool(field: number, value: boolean): void {
    this.#room(0);
    this.#tag(field, VARINT);
    this.#bytes[this.#at++] = value ? 1 : 0;
  }

  /** int64 or uint64; a fraction is cut off. */
  int64(field: number, value: number): void {
    this.#room(0);
    this.#tag(field, VARINT);
    this.#varint(Math.trunc(value));
  }

  double(field: number, value: number): void {
    this.#room(0);
    this.#tag(field, FIXED64);
    this.#at = this.#bytes.writeDoubleLE(value, this.#at);
  }

  string(field: number, text: string): void {
    this.#room(3 * text.length);
    this.#tag(field, LENGTH);
    if (text.length >= 0x80 || !this.#ascii(text)) this.#utf8(text);
  }

  bytes(field: number, value: Uint8Array): void {
    this.#room(value.length);
    this.#tag(field, LENGTH);
    this.#varint(value.length);
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
  }

  /** Packed. */
  int64s(field: number, values: readonly number[]): void {
    if (values.length === 0) return;
    this.#room(LARGEST_VARINT * values.length);
    const start = this.open(field);
    for (const value of values) this.#varint(Math.trunc(value));
    this.close(start);
  }

  /** Starts a message or packed field inside this one; what it returns goes to `close`. */
  open(field: number): number {
    this.#room(0);
    this.#tag(field, LENGTH);
    return ++this.#at;
  }

  /** Ends it: one byte was kept for its length, which moves it on when it needs more. */
  close(start: number): void {
    const length = this.#at - start;
    if (length < 0x80) {
      this.#bytes[start - 1] = length;
      return;
    }
    this.#room(0);
    const size = varintSize(length);
    this.#bytes.copyWithin(start - 1 + size, start, this.#at);
    this.#at = start - 1;
    this.#varint(length);
    this.#at += length;
  }

  /** Makes room for `size` bytes besides a tag, a length and a number. */
  #room(size: number): void {
    const needed = this.#at + size + 3 * LARGEST_VARINT;
    if (needed <= this.#bytes.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(larger, 0, 0, this.#at);
    this.#bytes = larger;
  }

  /** Fields of this protocol are below 16, so a tag is a byte. */
  #tag(field: number, type: number): void {
    this.#bytes[this.#at++] = (field << 3) | type;
  }

  #varint(value: number): void {
    let low = value >>> 0;
    let high = Math.floor((value - low) / TWO_32) >>> 0;
    const bytes = this.#bytes;
    while (high !== 0 || low >= 0x80) {
      bytes[this.#at++] = (low & 0x7f) | 0x80;
      low = ((low >>> 7) | (high << 25)) >>> 0;
      high >>>= 7;
    }
    bytes[this.#at++] = low;
  }

  /** Text of less than 128 characters; false, with nothing written, when it is not ASCII. */
  #ascii(text: string): boolean {
    const bytes = this.#bytes;
    const start = this.#at + 1;
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code >= 0x80) return false;
      bytes[start + i] = code;
    }
    bytes[start - 1] = text.length;
    this.#at = start + text.length;
    return true;
  }

  #utf8(text: string): void {
    this.#varint(Buffer.byteLength(text));
    this.#at += this.#bytes.write(text, this.#at);
  }
}

/** Bytes that a length takes as a varint. */
export function varintSize(value: number): number {
  let size = 1;
  for (let rest = value; rest >= 0x80; rest = Math.floor(rest / 0x80)) size++;
  return size;
}
