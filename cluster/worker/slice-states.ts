/**
 * Keys and values outside the slices of llama.cpp: those that go to another engine, and those that the engine keeps for
 * sequences that begin alike (`prefixCaching`). A slice belongs to one sequence, so they are copied out of it before it
 * is cleared, and into the slice of a sequence that begins with them.
 */
import { randomUUID } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { LlamaSlice } from "../../models/llama-cpp.ts";

/** Whether the engine keeps a block of this content. */
export type IsKept = (content: number) => boolean;

export class SliceStates {
  /** llama.cpp gives keys and values out into files, and in no other form. */
  readonly #folder = mkdtempSync(join(tmpdir(), "tandem-llama-"));
  /** By content of a block: the state of a sequence that has it, and all before it. */
  readonly #kept = new Map<number, Uint8Array>();

  async save(slice: LlamaSlice): Promise<Uint8Array> {
    return this.#byFile(async (file) => {
      await slice.saveStateToFile(file);
      return readFile(file);
    });
  }

  /** The slice, which is empty, gets the first tokens of a state. */
  async load(slice: LlamaSlice, state: Uint8Array, tokens: number): Promise<void> {
    await this.#byFile(async (file) => {
      await writeFile(file, state);
      await slice.loadStateFromFile(file, { acceptRisk: true });
    });
    await slice.eraseContextTokenRanges([{ start: tokens, end: Number.POSITIVE_INFINITY }]);
  }

  /** Keeps what the engine keeps of a slice with these contents, and nothing else. */
  async keep(slice: LlamaSlice, contents: readonly number[], isKept: IsKept): Promise<void> {
    for (const content of this.#kept.keys()) if (!isKept(content)) this.#kept.delete(content);
    const missing = contents.filter((content) => isKept(content) && !this.#kept.has(content));
    if (missing.length === 0) return;
    const state = await this.save(slice);
    for (const content of missing) this.#kept.set(content, state);
  }

  /** A state that begins with the tokens up to the end of such a block. */
  upTo(content: number): Uint8Array | undefined {
    return this.#kept.get(content);
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #byFile<Result>(use: (file: string) => Promise<Result>): Promise<Result> {
    const file = join(this.#folder, randomUUID());
    try {
      return await use(file);
    } finally {
      await rm(file, { force: true });
    }
  }
}
