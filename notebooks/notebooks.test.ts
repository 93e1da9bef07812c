import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";

interface Cell {
  readonly cell_type: string;
  readonly source: readonly string[];
}

const folder = fileURLToPath(new URL(".", import.meta.url));
const notebooks = readdirSync(folder).filter((name) => name.endsWith(".ipynb"));

/** The code cells of a notebook as one module: what a kernel would run, cell by cell. */
function moduleOf(notebook: string): string {
  const { cells } = JSON.parse(readFileSync(join(folder, notebook), "utf8")) as { cells: Cell[] };
  return cells
    .filter((cell) => cell.cell_type === "code")
    .map((cell) => cell.source.join(""))
    .join("\n");
}

test.each(notebooks)("%s runs from its first cell to its last", (notebook) => {
  const scratch = mkdtempSync(join(folder, ".run-"));
  try {
    const file = join(scratch, "cells.mjs");
    writeFileSync(file, moduleOf(notebook).replaceAll('"../dist/', '"../../dist/'));
    const output = execFileSync(process.execPath, [file], { encoding: "utf8", cwd: folder });
    expect(output).toMatch(/random\s+[2-9]\.\d\d x the central queue/);
  } finally {
    rmSync(scratch, { recursive: true });
  }
});
