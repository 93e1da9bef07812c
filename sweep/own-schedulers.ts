/** Scenarios whose scheduler is a file of the user: the texts that parsing reads, loaded as code. */
import { importTexts } from "../build/import-text.ts";
import { type ReadFile, resolvePath } from "../core/scenario/files.ts";
import { NO_OWN, type OwnSchedulers, ownScheduler } from "../schedulers/own-scheduler.ts";

/** Reads, and keeps the texts of scheduler files by path. */
export class SchedulerTexts {
  readonly read: ReadFile;
  readonly #texts: Record<string, string> = {};

  constructor(readFile: ReadFile) {
    this.read = (path, columns) => {
      const text = readFile(path, columns);
      if (/\.m?js$/.test(path)) this.#texts[path] = text;
      return text;
    };
  }

  get some(): boolean {
    return Object.keys(this.#texts).length > 0;
  }

  /** Looked up by path as written in the scenario file. */
  async load(scenario: string): Promise<OwnSchedulers> {
    if (!this.some) return NO_OWN;
    const byPath = await importTexts(this.#texts, ownScheduler);
    return { get: (written) => byPath.get(resolvePath(scenario, written)) };
  }
}
