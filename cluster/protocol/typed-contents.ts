/**
 * Elements of a tensor that came in the field of their datatype (`InferTensorContents`), as raw
 * contents: whoever reads a message finds them in one form.
 */
import { encodeBytes } from "./bytes-tensor.ts";
import { DATATYPE_BYTES } from "./datatypes.ts";
import type { WireReader } from "./wire-reader.ts";

const BOOL = 1;
const INT = 2;
const INT64 = 3;
const UINT = 4;
const UINT64 = 5;
const FP32 = 6;
const FP64 = 7;
const BYTES = 8;

/** The field that elements of a datatype come in; 16-bit floats only come raw. */
const FIELD_OF: Readonly<Record<string, number>> = {
  BOOL,
  INT8: INT,
  INT16: INT,
  INT32: INT,
  INT64,
  UINT8: UINT,
  UINT16: UINT,
  UINT32: UINT,
  UINT64,
  FP32,
  FP64,
  BYTES,
};

const NOTHING = Buffer.alloc(0);

export class TypedContents {
  /** Of the last field that had elements; a well-formed message has elements in one. */
  #field = 0;
  /** Low and high halves of whole numbers. */
  readonly #words: number[] = [];
  /** Floats as they came, and elements of BYTES. */
  readonly #pieces: Uint8Array[] = [];

  /** Reads the message that the cursor is at; several add up. */
  read(reader: WireReader): void {
    const end = reader.enter();
    while (reader.next(end)) {
      const { field } = reader;
      if (field === BYTES) this.#pieces.push(reader.bytes());
      else if (field === FP32) reader.fixed(4, this.#pieces);
      else if (field === FP64) reader.fixed(8, this.#pieces);
      else if (field >= BOOL && field <= UINT64) reader.words(this.#words);
      else {
        reader.skip();
        continue;
      }
      this.#field = field;
    }
  }

  /** Raw contents; none where elements came in another datatype's field, or are too large for theirs. */
  raw(datatype: string): Uint8Array {
    if (this.#field === 0 || FIELD_OF[datatype] !== this.#field) return NOTHING;
    if (this.#field === BYTES) return encodeBytes(this.#pieces);
    if (this.#field >= FP32) return joined(this.#pieces);
    return this.#whole(DATATYPE_BYTES[datatype]);
  }

  /** Whether each whole number, which came in 32 bits, has so few bytes. */
  #fits(width: number): boolean {
    const values = 2 ** (8 * width);
    const least = this.#field === INT ? -values / 2 : 0;
    for (let i = 0; i < this.#words.length; i += 2) {
      const value = this.#field === INT ? this.#words[i] | 0 : this.#words[i];
      if (value < least || value >= least + values) return false;
    }
    return true;
  }

  #whole(width: number): Buffer {
    const words = this.#words;
    if (width < 4 && !this.#fits(width)) return NOTHING;
    const raw = Buffer.allocUnsafe((words.length / 2) * width);
    for (let i = 0, at = 0; i < words.length; i += 2, at += width) {
      if (width === 1) raw[at] = words[i];
      else if (width === 2) raw.writeUInt16LE(words[i] & 0xffff, at);
      else raw.writeUInt32LE(words[i], at);
      if (width === 8) raw.writeUInt32LE(words[i + 1], at + 4);
    }
    return raw;
  }
}

function joined(pieces: readonly Uint8Array[]): Uint8Array {
  return pieces.length === 1 ? pieces[0] : Buffer.concat(pieces);
}
