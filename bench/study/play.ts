/**
 * Plays the study's scenarios by `tandem simulate`, one thread a command and several commands beside each other: while one
 * reads its scenario or writes its results, on one thread whatever it has, another simulates.
 */
import { execFile } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";
import { stringify } from "yaml";
import type { ConfigurationResult, ResultsDocument } from "../../results/documents.ts";
import type { Sections } from "./claim.ts";

const TANDEM = join(import.meta.dirname, "..", "..", "cli", "tandem.js");

/**
 * Writes `<folder>/scenario.yaml` and simulates it into the folder: what its store has is kept. Rejects
 * when the command fails. The configurations are in the order of the sweep.
 */
export async function playScenario(
  folder: string,
  document: Sections,
): Promise<readonly ConfigurationResult[]> {
  mkdirSync(folder, { recursive: true });
  const file = join(folder, "scenario.yaml");
  writeFileSync(file, stringify(document, { aliasDuplicateObjects: false }));
  await tandem(["simulate", file, "--out", folder, "--workers", "1", "--yes"]);
  const results = readFileSync(join(folder, "results.json"), "utf8");
  return (JSON.parse(results) as ResultsDocument).configurations;
}

/** Rejects with the last lines of the command's errors. */
async function tandem(args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)(process.execPath, [TANDEM, ...args], { maxBuffer: 2 ** 28 });
  } catch (error) {
    const { code, stderr } = error as { readonly code: number; readonly stderr: string };
    throw new Error(`tandem ${args.join(" ")} ended with ${code}\n${stderr.slice(-2000)}`);
  }
}
