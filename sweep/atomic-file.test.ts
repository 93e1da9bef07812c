import { readdirSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { writeAtomically } from "./atomic-file.ts";

const folder = temporaryFolder("atomic");

test.skipIf(process.platform !== "linux")(
  "a full disk leaves no half of a file, and is an error that names the file",
  () => {
    const path = join(folder, "results.json");
    symlinkSync("/dev/full", `${path}.part`);
    expect(() => writeAtomically(path, "a".repeat(1000))).toThrow(`write '${path}'`);
    expect(readdirSync(folder)).toEqual([]);
  },
);
