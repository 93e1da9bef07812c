/**
 * Answers of keyed requests, in two files of at most half the bytes each: when one is full, the older
 * goes. An answer is written before it is told, so that a gateway that was started again gives the
 * same one; it outlives the process, but, as nothing waits for the disk, not the machine.
 *
 * A record is a line: hash of its key, instant, length of the rest in bytes, the answer as JSON.
 */
import {
  closeSync,
  constants,
  existsSync,
  fstatSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import type { AnsweredKey, KeyHash, Place } from "./answered-keys.ts";
import { linesOf } from "./file-lines.ts";
import type { TaskResult } from "./live-request.ts";

/** What is needed to give an answer again. */
export interface KeptAnswer {
  readonly key: string;
  readonly fingerprint: string;
  readonly index: number | null;
  readonly pipeline: number;
  readonly arrivedUs: number;
  readonly endedUs: number;
  readonly results: readonly (TaskResult | null)[];
}

/** Appends only, and follows no link that somebody else may have laid. */
const OPEN_FLAGS =
  constants.O_CREAT | constants.O_APPEND | constants.O_RDWR | (constants.O_NOFOLLOW ?? 0);
const OWNER_ONLY = 0o600;
const HEAD = /^([0-9a-f]{8})([0-9a-f]{8}) (\d{1,15}) (\d{1,9}) /;
/** As long as a head can be. */
const HEAD_BYTES = 43;

/** `start`: how many bytes were written to files before it. */
interface JournalFile {
  readonly descriptor: number;
  readonly start: number;
  bytes: number;
}

export class AnswerJournal {
  readonly #file: string;
  readonly #maxBytes: number;
  #current: JournalFile | null = null;
  #older: JournalFile | null = null;
  #broken = false;

  /** Makes no file before the first answer. */
  constructor(file: string, maxBytes: number) {
    this.#file = file;
    this.#maxBytes = maxBytes;
  }

  /** Tells of all records of another process's, the oldest first. One that a kill has torn is passed over. */
  load(tell: (hash: KeyHash, key: AnsweredKey) => void): void {
    for (const file of [older(this.#file), this.#file]) {
      if (!existsSync(file)) continue;
      this.#older = this.#current;
      this.#current = opened(file, endOf(this.#older));
      const { descriptor, start, bytes } = this.#current;
      for (const { at, length, head } of linesOf(descriptor, bytes, HEAD_BYTES)) {
        const parts = HEAD.exec(head);
        if (parts === null) continue;
        const [whole, high, low, atMs, answerBytes] = parts;
        if (length !== whole.length + Number(answerBytes)) continue;
        const place = { at: start + at + whole.length, bytes: Number(answerBytes) };
        const hash = { high: Number.parseInt(high, 16), low: Number.parseInt(low, 16) };
        tell(hash, { ...place, atMs: Number(atMs) });
      }
    }
  }

  /**
   * Null: it cannot be given again. A journal that cannot be written is given up, with a word on
   * stderr; serving goes on.
   */
  append({ high, low }: KeyHash, atMs: number, answer: KeptAnswer): Place | null {
    if (this.#broken) return null;
    const text = Buffer.from(JSON.stringify(answer, withBase64));
    // A line of its own, whatever a killed writer has left before it.
    const head = Buffer.from(`\n${hex(high)}${hex(low)} ${atMs} ${text.length} `);
    try {
      const file = this.#fileFor(head.length + text.length);
      const place = { at: endOf(file) + head.length, bytes: text.length };
      file.bytes += writeSync(file.descriptor, Buffer.concat([head, text]));
      return place;
    } catch (error) {
      this.#broken = true;
      const { message } = error as Error;
      process.stderr.write(`answers are no longer kept: ${message}\n`);
      return null;
    }
  }

  /** Null when it is there no more. */
  read({ at, bytes }: Place): KeptAnswer | null {
    const file = [this.#current, this.#older].find(
      (some) => some !== null && at >= some.start && at + bytes <= endOf(some),
    );
    if (file == null) return null;
    try {
      const text = Buffer.allocUnsafe(bytes);
      readSync(file.descriptor, text, 0, bytes, at - file.start);
      return JSON.parse(text.toString(), withBytes) as KeptAnswer;
    } catch {
      return null;
    }
  }

  close(): void {
    for (const file of [this.#current, this.#older]) if (file !== null) closeSync(file.descriptor);
    this.#current = null;
    this.#older = null;
  }

  /** Removes a journal's files. */
  static remove(file: string): void {
    rmSync(file, { force: true });
    rmSync(older(file), { force: true });
  }

  #fileFor(bytes: number): JournalFile {
    const { bytes: written = 0 } = this.#current ?? {};
    if (written > 0 && written + bytes > this.#maxBytes / 2) {
      if (this.#older !== null) closeSync(this.#older.descriptor);
      renameSync(this.#file, older(this.#file));
      this.#older = this.#current;
      this.#current = null;
    }
    this.#current ??= opened(this.#file, endOf(this.#older));
    return this.#current;
  }
}

function opened(file: string, start: number): JournalFile {
  const descriptor = openSync(file, OPEN_FLAGS, OWNER_ONLY);
  return { descriptor, start, bytes: fstatSync(descriptor).size };
}

function endOf(file: JournalFile | null): number {
  return file === null ? 0 : file.start + file.bytes;
}

function hex(word: number): string {
  return word.toString(16).padStart(8, "0");
}

/** A tensor's contents, in JSON as base64. */
function withBase64(name: string, value: unknown): unknown {
  return name === "raw" && value instanceof Uint8Array
    ? Buffer.from(value.buffer, value.byteOffset, value.byteLength).toString("base64")
    : value;
}

function withBytes(name: string, value: unknown): unknown {
  return name === "raw" && typeof value === "string"
    ? new Uint8Array(Buffer.from(value, "base64"))
    : value;
}

function older(file: string): string {
  return `${file}.1`;
}
