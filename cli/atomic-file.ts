/** Files that are either whole or not there: written beside their place, then renamed. */
import { closeSync, mkdirSync, openSync, renameSync, writeSync } from "node:fs";
import { dirname } from "node:path";

/** `content` may come in pieces: no more than one is held. */
export function writeAtomically(path: string, content: string | Iterable<string>): void {
  mkdirSync(dirname(path), { recursive: true });
  const beside = `${path}.part`;
  const descriptor = openSync(beside, "w");
  try {
    for (const piece of typeof content === "string" ? [content] : content) {
      writeFully(descriptor, Buffer.from(piece));
    }
  } finally {
    closeSync(descriptor);
  }
  renameSync(beside, path);
}

export function writeJson(path: string, document: unknown): void {
  writeAtomically(path, `${JSON.stringify(document, null, 1)}\n`);
}

function writeFully(descriptor: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}
