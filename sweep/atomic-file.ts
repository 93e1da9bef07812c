/** Files that are either whole or not there: written beside their place, then renamed. */
import {
  closeSync,
  existsSync,
  mkdirSync,
  openSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from "node:fs";
import { dirname, resolve } from "node:path";
import { Fault } from "../engine/basics/fault.ts";

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

  write(piece: string | Uint8Array): void {
    try {
      writeAll(this.#descriptor, typeof piece === "string" ? Buffer.from(piece) : piece);
    } catch (error) {
      // As in Node's own messages: a full disk is found by a descriptor, which has no name.
      if (error instanceof Error) error.message += ` '${this.#path}'`;
      throw error;
    }
  }

  keep(): void {
    this.#open = false;
    closeSync(this.#descriptor);
    try {
      renameSync(`${this.#path}.part`, this.#path);
    } catch (error) {
      rmSync(`${this.#path}.part`);
      throw error;
    }
  }

  /** Removes the file unless it was kept. */
  close(): void {
    if (!this.#open) return;
    this.#open = false;
    closeSync(this.#descriptor);
    rmSync(`${this.#path}.part`);
  }
}

/** Writes all bytes where the file stands: a call of the system may take only some. */
export function writeAll(descriptor: number, bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}

export function writeAtomically(path: string, content: string): void {
  const file = new AtomicFile(path);
  try {
    file.write(content);
    file.keep();
  } finally {
    file.close();
  }
}

export function writeJson(path: string, document: unknown): void {
  writeAtomically(path, `${JSON.stringify(document, null, 1)}\n`);
}

/**
 * Makes a folder and those above it. Node's own `recursive` does not end in folders such as /proc.
 * Throws Fault("usage").
 */
export function makeFolder(path: string): void {
  const folder = resolve(path);
  if (isFolder(folder)) return;
  if (!existsSync(folder)) makeFolder(dirname(folder));
  try {
    mkdirSync(folder);
  } catch (cause) {
    // Another process may have been quicker.
    if (isFolder(folder)) return;
    throw new Fault("usage", `cannot make the folder ${path}: ${(cause as Error).message}`, {
      hint: "name another folder, or free the place",
      cause,
    });
  }
}

function isFolder(path: string): boolean {
  return existsSync(path) && statSync(path).isDirectory();
}
