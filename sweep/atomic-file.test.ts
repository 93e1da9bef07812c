import { mkdtempSync, readdirSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { writeAtomically } from "./atomic-file.ts";

const folder = mkdtempSync(join(tmpdir(), "tandem-atomic-"));
afterAll(() => rmSync(folder, { recursive: true }));

test.skipIf(process.platform !== "linux")(
  "a full disk leaves no half of a file, and is an error that names the file",
  () => {
    const path = join(folder, "results.json");
    symlinkSync("/dev/full", `${path}.part`);
    expect(() => writeAtomically(path, "a".repeat(1000))).toThrow(`write '${path}'`);
    expect(readdirSync(folder)).toEqual([]);
  },
);
