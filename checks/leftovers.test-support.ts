/** A run of the tests has a temporary folder of its own, and fails where a test leaves files in it. */
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Other programs leave files of theirs. A killed process leaves `tandem.…` (`cluster/processes/own-folder.ts`), which the
 * next process would remove.
 */
const OURS = /^tandem-/;

export function setup(): () => void {
  const before = process.env.TMPDIR;
  const folder = mkdtempSync(join(tmpdir(), "tandem-run-"));
  process.env.TMPDIR = folder;
  return () => {
    if (before === undefined) delete process.env.TMPDIR;
    else process.env.TMPDIR = before;
    const left = readdirSync(folder).filter((name) => OURS.test(name));
    rmSync(folder, { recursive: true, force: true });
    if (left.length > 0) throw new Error(`tests left in the temporary folder: ${left.join(", ")}`);
  };
}
