/** Replications that a plan has simulated, kept in its folder, so that the same command goes on where it was stopped. */
import { appendFileSync, existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { buildKey } from "../build/version.ts";
import type { RunSummary } from "../engine/metrics/summary.ts";
import type { Known } from "../planning/trial.ts";
import type { LoadedScenario } from "../scenario/reading/files.ts";
import { makeFolder, writeAtomically } from "../sweep/atomic-file.ts";

const FILE = "plan-progress.jsonl";
/** Lines that are written together. */
const TOGETHER = 64;

export class ProgressFile implements Known {
  readonly #summaries: Map<string, RunSummary>;
  readonly #file: string;
  readonly #waiting: string[] = [];
  /** No more could be written: a search that is repeated begins here. */
  #isFull = false;

  constructor(directory: string, { digest }: LoadedScenario) {
    this.#file = join(directory, FILE);
    const header = JSON.stringify({ build: buildKey(), digest });
    const [first, ...lines] = existsSync(this.#file)
      ? readFileSync(this.#file, "utf8").split("\n")
      : [];
    const isOurs = first === header;
    makeFolder(directory);
    if (!isOurs) writeAtomically(this.#file, `${header}\n`);
    this.#summaries = new Map(isOurs ? lines.flatMap(parsed) : []);
  }

  get(key: string): RunSummary | undefined {
    return this.#summaries.get(key);
  }

  set(key: string, summary: RunSummary): void {
    this.#summaries.set(key, summary);
    this.#waiting.push(`${JSON.stringify([key, summary])}\n`);
    if (this.#waiting.length >= TOGETHER) this.close();
  }

  /** Writes what waits. */
  close(): void {
    const lines = this.#waiting.splice(0).join("");
    if (lines === "" || this.#isFull) return;
    try {
      appendFileSync(this.#file, lines);
    } catch {
      // The search goes on; the folder's own files will tell.
      this.#isFull = true;
    }
  }

  remove(): void {
    rmSync(this.#file, { force: true });
  }
}

/** None of a line that a kill cut short. */
function parsed(line: string): readonly (readonly [string, RunSummary])[] {
  try {
    return line === "" ? [] : [JSON.parse(line)];
  } catch {
    return [];
  }
}
