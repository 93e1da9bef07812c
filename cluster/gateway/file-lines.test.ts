import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { linesOf } from "./file-lines.ts";

test("lines shorter and longer than what is read at a time are told with their places", () => {
  const folder = mkdtempSync(join(tmpdir(), "tandem-lines-"));
  const lengths = [0, 3, 262_143, 10, 262_144, 262_145, 0, 700_000, 1, 262_130, 7, 0];
  const lines = lengths.map((length, i) => String.fromCharCode(97 + i).repeat(length));
  const text = lines.join("\n");
  writeFileSync(join(folder, "file"), text);
  const descriptor = openSync(join(folder, "file"), "r");
  const told = [...linesOf(descriptor, text.length, 5)];
  closeSync(descriptor);
  rmSync(folder, { recursive: true });
  // An empty last line is none.
  expect(told.map(({ length }) => length)).toEqual(lengths.slice(0, -1));
  for (const { at, length, head } of told) {
    expect(text.slice(at, at + length)).toBe(lines[told.findIndex((line) => line.at === at)]);
    expect(head).toBe(text.slice(at, at + 5));
  }
});
