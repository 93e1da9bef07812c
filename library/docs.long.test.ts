/** The code of docs/library.md, run as it stands. */
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";

const ROOT = join(import.meta.dirname, "..");

test("docs/library.md runs from its first block to its last", () => {
  const page = readFileSync(join(ROOT, "docs/library.md"), "utf8");
  const blocks = [...page.matchAll(/^```js\n(.*?)^```$/gms)].map(([, code]) => code);
  expect(blocks.length).toBeGreaterThan(8);
  // Below the package, so that its own name leads to dist/.
  const folder = mkdtempSync(join(ROOT, "dist", "docs-"));
  try {
    writeFileSync(join(folder, "page.mjs"), blocks.join("\n"));
    const options = { cwd: folder, encoding: "utf8" } as const;
    const { status, stdout, stderr } = spawnSync(process.execPath, ["page.mjs"], options);
    expect(status, stderr).toBe(0);
    expect(stdout).toMatch(/^6 of 6$/m);
    expect(stdout).toMatch(/^(agrees|disagrees|cannot tell) \{/m);
    expect(stdout).toMatch(/^enough$/m);
    expect(stdout).toMatch(/^invalid-input \[$/m);
  } finally {
    rmSync(folder, { recursive: true });
  }
});
