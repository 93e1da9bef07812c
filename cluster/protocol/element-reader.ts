/**
 * Reads an endless message of one repeated field (`proto/worker-link.proto`) from a socket's pieces:
 * an element that came whole is a view of its piece, one in several pieces is put together once.
 */
import { Fault } from "../../core/fault.ts";
import { ELEMENTS } from "./infer-fields.ts";
import { LENGTH } from "./wire-writer.ts";

const TAG = (ELEMENTS << 3) | LENGTH;
/** Of a length below 2^31. */
const LONGEST_LENGTH = 5;

/** An element without contents. */
export const EMPTY_ELEMENT: Uint8Array = Uint8Array.of(TAG, 0);

export class ElementReader {
  readonly #maxBytes: number;
  readonly #take: (element: Uint8Array) => void;
  /** The first bytes of an element whose length has not come whole. */
  #head: Buffer | null = null;
  /** An element of which `#filled` bytes have come. */
  #element: Buffer | null = null;
  #filled = 0;

  /** `maxBytes` of one element. */
  constructor(maxBytes: number, take: (element: Uint8Array) => void) {
    this.#maxBytes = maxBytes;
    this.#take = take;
  }

  /**
   * Whether an element has begun and more of it is to come. Throws Fault("invalid-input") for what is no
   * such message; then no more can be read.
   */
  read(piece: Buffer): boolean {
    let at = this.#fill(piece);
    let bytes = piece;
    if (this.#head !== null && at < piece.length) {
      bytes = Buffer.concat([this.#head, piece.subarray(at)]);
      this.#head = null;
      at = 0;
    }
    while (at < bytes.length) {
      const start = this.#startOf(bytes, at);
      if (start === 0) {
        this.#head = bytes.subarray(at);
        return true;
      }
      const end = start + this.#length;
      if (end > bytes.length) {
        this.#element = Buffer.allocUnsafe(this.#length);
        this.#filled = bytes.copy(this.#element, 0, start);
        return true;
      }
      this.#take(bytes.subarray(start, end));
      at = end;
    }
    return this.#element !== null;
  }

  /** Of the element that `#startOf` has found. */
  #length = 0;

  /** Where the contents of the element at `at` start; 0 when its length has not come whole. */
  #startOf(bytes: Buffer, at: number): number {
    if (bytes[at] !== TAG) throw malformed("a field that it does not have");
    let length = 0;
    for (let i = 1; i <= LONGEST_LENGTH; i++) {
      if (at + i === bytes.length) return 0;
      const byte = bytes[at + i];
      length += (byte & 0x7f) * 2 ** (7 * (i - 1));
      if (byte >= 0x80) continue;
      if (length > this.#maxBytes) throw malformed(`${length} bytes, at most ${this.#maxBytes}`);
      this.#length = length;
      return at + i + 1;
    }
    throw malformed("a length that is none");
  }

  /** Puts the start of a piece into the element that waits for it; gives how much that was. */
  #fill(piece: Buffer): number {
    const element = this.#element;
    if (element === null) return 0;
    const taken = piece.copy(element, this.#filled);
    this.#filled += taken;
    if (this.#filled === element.length) {
      this.#element = null;
      this.#take(element);
    }
    return taken;
  }
}

function malformed(what: string): Fault {
  return new Fault("invalid-input", `malformed message: ${what}`);
}
