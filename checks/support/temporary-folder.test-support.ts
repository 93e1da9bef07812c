import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll } from "vitest";

/** Of the run's temporary folder (`checks/leftovers.test-support.ts`), which goes as a whole. */
const OF_FILES = "of-files";

/** A new folder, removed after the tests of the file, or with the whole run's where all of them are skipped. */
export function temporaryFolder(name: string): string {
  mkdirSync(join(tmpdir(), OF_FILES), { recursive: true });
  const folder = mkdtempSync(join(tmpdir(), OF_FILES, `tandem-${name}-`));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
