/** Files that are either whole or not there: written beside their place, then renamed. */
import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { makeFolder } from "../sweep/make-folder.ts";

/** A file that is written in pieces, and in its place once it is kept. */
export class AtomicFile {
  readonly #path: string;
  readonly #descriptor: number;
  #open = true;

  constructor(path: string) {
    makeFolder(dirname(path));
    this.#path = path;
    this.#descriptor = openSync(`${path}.part`, "w");
  }

  write(piece: string): void {
    const bytes = Buffer.from(piece);
    for (let at = 0; at < bytes.length; ) at += writeSync(this.#descriptor, bytes, at);
  }

  keep(): void {
    this.#open = false;
    closeSync(this.#descriptor);
    renameSync(`${this.#path}.part`, this.#path);
  }

  /** Unless it is kept, there will be none. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#descriptor);
    rmSync(`${this.#path}.part`);
  }
}

export function writeAtomically(path: string, content: string): void {
  const file = new AtomicFile(path);
  file.write(content);
  file.keep();
}

export function writeJson(path: string, document: unknown): void {
  writeAtomically(path, `${JSON.stringify(document, null, 1)}\n`);
}
