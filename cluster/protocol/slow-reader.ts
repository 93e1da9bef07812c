/** A caller that sends requests and does not read its answers gets no more taken. */
import type { Readable, Writable } from "node:stream";

/** No request is read while answers wait that the caller has no room for. */
export function readsAsFastAsItsCaller(stream: Readable & Writable): void {
  stream.on("data", () => {
    if (!stream.writableNeedDrain) return;
    stream.pause();
    stream.once("drain", () => stream.resume());
  });
}
