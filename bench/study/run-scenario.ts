/** One scenario of the study through the command line, as its users run it; a finished one is not run again. */
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { stringify } from "yaml";
import type { ConfigurationResult, ResultsDocument } from "../../core/results.ts";
import type { Sections } from "./field.ts";

const TANDEM = join(import.meta.dirname, "..", "..", "cli", "tandem.js");

/**
 * Writes `<folder>/scenario.yaml` and simulates it into the folder: what its store has is kept. Rejects
 * when the command fails. The configurations are in the order of the sweep.
 */
export async function runScenario(
  folder: string,
  document: Sections,
  threads: number,
): Promise<readonly ConfigurationResult[]> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "scenario.yaml");
  writeFileSync(file, stringify(document, { aliasDuplicateObjects: false }));
  await tandem(["simulate", file, "--out", folder, "--workers", `${threads}`, "--yes"]);
  const results = readFileSync(join(folder, "results.json"), "utf8");
  return (JSON.parse(results) as ResultsDocument).configurations;
}

/** Rejects with the last lines of the command's errors. */
export async function tandem(args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(process.execPath, [TANDEM, ...args], { maxBuffer: 2 ** 28 });
  } catch (error) {
    const { code, stderr } = error as { readonly code: number; readonly stderr: string };
    throw new Error(`tandem ${args.join(" ")} ended with ${code}\n${stderr.slice(-2000)}`);
  }
}
