/** Folders of processes, also of those that were killed. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";

const folder = temporaryFolder("own-folder");
const MODULE = new URL("../../dist/cluster/processes/own-folder.js", import.meta.url);
const MAKE = `const { ownFolder } = await import(${JSON.stringify(MODULE)}); console.log(ownFolder());`;
const words = (more: string): readonly string[] => ["--input-type=module", "-e", MAKE + more];
const env = { ...process.env, TMPDIR: folder };

test("a process removes its folder, and those of killed processes, but none that is in use", async () => {
  const child = spawn(process.execPath, words("setInterval(() => undefined, 1000);"), { env });
  const [line] = await once(child.stdout, "data");
  const held = String(line).trim();
  expect(statSync(held).mode & 0o777).toBe(0o700);
  mkdirSync(join(folder, "tandem.elsewhere.1.x"));
  const another = (): string =>
    spawnSync(process.execPath, words(""), { env, encoding: "utf8" }).stdout.trim();
  const first = another();
  expect(first).toContain(join(folder, "tandem."));
  expect(existsSync(first)).toBe(false);
  expect(existsSync(held)).toBe(true);
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(existsSync(held)).toBe(true);
  another();
  expect(readdirSync(folder)).toEqual(["tandem.elsewhere.1.x"]);
});
