/**
 * Answers of keyed requests in a file, so that a gateway that was started again gives the same
 * answer. Each is written before it is told; it outlives the process, but, as nothing waits for the
 * disk, not the machine. Two files of at most half the bytes each: when one is full, the older goes.
 */
import {
  closeSync,
  constants,
  existsSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import type { TaskResult } from "./live-request.ts";

/** What is needed to give an answer again. */
export interface KeptAnswer {
  readonly key: string;
  readonly fingerprint: string;
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  readonly index: number | null;
  readonly pipeline: number;
  readonly arrivedUs: number;
  readonly endedUs: number;
  readonly results: readonly (TaskResult | null)[];
}

/**
 * As a line of the journal, which is also how an answer is kept: as objects, ten thousand of them
 * would take a multiple of their text, and keep the collector busy.
 */
export function lineOf(answer: KeptAnswer): string {
  return JSON.stringify(answer, withBase64);
}

/** Throws a SyntaxError for a line that was torn. */
export function answerIn(line: string): KeptAnswer {
  return JSON.parse(line, withBytes) as KeptAnswer;
}

/** Appends only, and follows no link that somebody else may have laid. */
const OPEN_FLAGS =
  constants.O_CREAT | constants.O_APPEND | constants.O_WRONLY | (constants.O_NOFOLLOW ?? 0);
const OWNER_ONLY = 0o600;

export class AnswerJournal {
  readonly #file: string;
  readonly #maxBytes: number;
  #descriptor: number | null = null;
  #bytes = 0;
  #broken = false;

  /** Makes no file before the first answer. */
  constructor(file: string, maxBytes: number) {
    this.#file = file;
    this.#maxBytes = maxBytes;
  }

  /** All lines that can be read, the oldest first. One that a kill has torn is passed over. */
  load(): readonly { readonly answer: KeptAnswer; readonly line: string }[] {
    const current = linesOf(this.#file);
    this.#bytes = current.bytes;
    const lines = [...linesOf(older(this.#file)).lines, ...current.lines];
    return lines.flatMap((line) => {
      try {
        // A copy: a part of a text keeps the whole of it.
        return [{ answer: answerIn(line), line: Buffer.from(line).toString() }];
      } catch {
        return [];
      }
    });
  }

  /** A journal that cannot be written is given up, with a word on stderr; serving goes on. */
  append(line: string): void {
    if (this.#broken) return;
    try {
      // A line of its own, whatever a killed writer has left before it.
      const bytes = Buffer.from(`\n${line}\n`);
      if (this.#bytes > 0 && this.#bytes + bytes.length > this.#maxBytes / 2) this.#turnOver();
      this.#descriptor ??= openSync(this.#file, OPEN_FLAGS, OWNER_ONLY);
      this.#bytes += writeSync(this.#descriptor, bytes);
    } catch (error) {
      this.#broken = true;
      const { message } = error as Error;
      process.stderr.write(`answers are no longer kept over a restart: ${message}\n`);
    }
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
    this.#descriptor = null;
  }

  /** Removes a journal's files. */
  static remove(file: string): void {
    rmSync(file, { force: true });
    rmSync(older(file), { force: true });
  }

  #turnOver(): void {
    this.close();
    renameSync(this.#file, older(this.#file));
    this.#bytes = 0;
  }
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

function linesOf(file: string): { readonly lines: readonly string[]; readonly bytes: number } {
  if (!existsSync(file)) return { lines: [], bytes: 0 };
  const text = readFileSync(file);
  return { lines: text.toString().split("\n"), bytes: text.length };
}
