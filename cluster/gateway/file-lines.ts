/** The lines of a file, of which only the beginnings are kept: it may be larger than memory should be. */
import { readSync } from "node:fs";

export interface FileLine {
  /** Where it begins, in bytes. */
  readonly at: number;
  /** Bytes, without the line's end. */
  readonly length: number;
  /** Its first bytes, each as a character. */
  readonly head: string;
}

const NEWLINE = 10;
const CHUNK_BYTES = 256 * 1024;

/** Of the first `size` bytes, in order; `headBytes` at most of each. */
export function* linesOf(
  descriptor: number,
  size: number,
  headBytes: number,
): Generator<FileLine, void, void> {
  const chunk = Buffer.allocUnsafe(CHUNK_BYTES);
  let chunkAt = 0;
  let chunkEnd = 0;
  const read = (at: number): void => {
    chunkAt = at;
    chunkEnd = at + readSync(descriptor, chunk, 0, Math.min(CHUNK_BYTES, size - at), at);
  };
  for (let at = 0; at < size; ) {
    if (at + headBytes > chunkEnd) read(at);
    const headEnd = Math.min(at + headBytes, chunkEnd);
    const head = chunk.toString("latin1", at - chunkAt, headEnd - chunkAt);
    let end = -1;
    for (let from = at; end < 0 && from < size; from = chunkEnd) {
      if (from >= chunkEnd) read(from);
      const found = chunk.subarray(0, chunkEnd - chunkAt).indexOf(NEWLINE, from - chunkAt);
      if (found >= 0) end = chunkAt + found;
      else if (chunkEnd === from) break;
    }
    if (end < 0) end = size;
    yield { at, length: end - at, head };
    at = end + 1;
  }
}
