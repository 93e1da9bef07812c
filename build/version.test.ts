/** The command that hints give: never one that npx would fetch from a registry. */
import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { commandFile, ownCommand } from "./version.ts";

const ROOT = join(import.meta.dirname, "..");
const folder = temporaryFolder("own-command");
const byPath = ["node", commandFile()];
const byName = ["npx", "tandem"];

test("hints say `npx tandem` in this clone, and where this build is installed, and its path elsewhere", () => {
  expect(ownCommand(ROOT)).toEqual(byName);
  expect(ownCommand(join(ROOT, "docs"))).toEqual(byName);
  expect(ownCommand(folder)).toEqual(byPath);

  const [deep, bin] = [join(folder, "a/b"), join(folder, "node_modules/.bin")];
  mkdirSync(deep, { recursive: true });
  mkdirSync(bin, { recursive: true });
  symlinkSync(commandFile(), join(bin, "tandem"));
  expect(ownCommand(folder)).toEqual(byName);
  expect(ownCommand(deep)).toEqual(byName);

  rmSync(join(bin, "tandem"));
  writeFileSync(join(bin, "tandem"), "#!/bin/sh\n");
  expect(ownCommand(folder), "another package's command of that name").toEqual(byPath);
});

test("a project of its own inside the clone is not the clone: npx looks there", () => {
  const inside = join(ROOT, "out", `own-command-${process.pid}`);
  mkdirSync(inside, { recursive: true });
  writeFileSync(join(inside, "package.json"), "{}");
  try {
    expect(ownCommand(inside)).toEqual(byPath);
  } finally {
    rmSync(inside, { recursive: true });
  }
});
