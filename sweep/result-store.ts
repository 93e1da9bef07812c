/**
 * Finished configurations on disk, one JSON line each, appended as they finish: an interrupted
 * sweep loses nothing and the same command goes on where it stopped.
 */
import {
  closeSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import type { ConfigurationResult } from "../core/results.ts";

/** What must be equal for results to be reused. */
export interface StoreKey {
  readonly scenarioDigest: string;
  readonly seed: number;
  readonly replications: number;
  readonly version: string;
}

const FILE = "configurations.jsonl";

export class ResultStore {
  /** Results that an earlier, interrupted run of the same sweep left, by configuration id. */
  readonly finished: ReadonlyMap<string, ConfigurationResult>;
  readonly #descriptor: number;

  private constructor(finished: ReadonlyMap<string, ConfigurationResult>, descriptor: number) {
    this.finished = finished;
    this.#descriptor = descriptor;
  }

  /** Opens or starts the store in `directory`; results under another key are discarded. */
  static open(directory: string, key: StoreKey): ResultStore {
    mkdirSync(directory, { recursive: true });
    const path = join(directory, FILE);
    const header = JSON.stringify(key);
    const lines = readLines(path);
    const finished = new Map<string, ConfigurationResult>();
    if (lines[0] === header) {
      for (const line of lines.slice(1)) {
        const result = parseResult(line);
        if (result !== undefined) finished.set(result.id, result);
      }
    }
    // Rewritten beside its place: a kill at this point must not lose what was finished.
    const descriptor = openSync(`${path}.part`, "w");
    writeSync(descriptor, `${header}\n`);
    for (const result of finished.values()) writeSync(descriptor, `${JSON.stringify(result)}\n`);
    fsyncSync(descriptor);
    renameSync(`${path}.part`, path);
    return new ResultStore(finished, descriptor);
  }

  add(result: ConfigurationResult): void {
    writeSync(this.#descriptor, `${JSON.stringify(result)}\n`);
  }

  close(): void {
    fsyncSync(this.#descriptor);
    closeSync(this.#descriptor);
  }
}

/** A line that no write of ours left whole is a configuration to do again. */
function parseResult(line: string): ConfigurationResult | undefined {
  try {
    return JSON.parse(line) as ConfigurationResult;
  } catch {
    return undefined;
  }
}

/** Complete lines only: a torn last line, from a kill in mid-write, is dropped. */
function readLines(path: string): string[] {
  try {
    return readFileSync(path, "utf8").split("\n").slice(0, -1);
  } catch {
    return [];
  }
}
