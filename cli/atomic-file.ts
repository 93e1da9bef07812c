/** Files that are either whole or not there: written beside their place, then renamed. */
import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

export function writeAtomically(path: string, content: string): void {
  mkdirSync(dirname(path), { recursive: true });
  const beside = `${path}.${process.pid}.part`;
  writeFileSync(beside, content);
  renameSync(beside, path);
}

export function writeJson(path: string, document: unknown): void {
  writeAtomically(path, `${JSON.stringify(document, null, 1)}\n`);
}
