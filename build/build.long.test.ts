/** `prepare` and `npm run build` do nothing for a dist of these sources, else everything. */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { basename, join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";

const ROOT = join(import.meta.dirname, "..");
const copy = temporaryFolder("build-test");

function build(): string {
  const options = { cwd: copy, encoding: "utf8" } as const;
  const { status, stderr } = spawnSync(process.execPath, ["build/build.mjs"], options);
  expect(status, stderr).toBe(0);
  return stderr;
}

test("a fresh dist is left alone; a changed source is never missed, whatever its time and size", () => {
  // Nothing that begins with a dot is built from, and some of it comes and goes.
  const needed = (path: string) =>
    path === ROOT || !/^(\..*|node_modules|out)$/.test(basename(path));
  cpSync(ROOT, copy, { recursive: true, filter: needed });
  symlinkSync(join(ROOT, "node_modules"), join(copy, "node_modules"));
  expect(build(), "npm run test:long has built it").toBe("");

  const source = join(copy, "engine/basics/fault.ts");
  const { atime, mtime } = statSync(source);
  const text = readFileSync(source, "utf8");
  writeFileSync(source, text.replace("assertion failed: ", "assertion faileD: "));
  utimesSync(source, atime, mtime);
  const left = join(copy, "dist/engine/of-a-source-that-is-gone.js");
  writeFileSync(left, "");
  expect(build()).toMatch(/^tandem: building .*\n$/);
  const bundle = join(copy, "dist/bundle");
  const bundled = readdirSync(bundle).map((name) => readFileSync(join(bundle, name), "utf8"));
  for (const output of [
    readFileSync(join(copy, "dist/engine/basics/fault.js"), "utf8"),
    bundled.join(),
  ])
    expect(output).toContain("assertion faileD: ");
  expect(existsSync(left)).toBe(false);
  expect(build()).toBe("");

  writeFileSync(source, text);
  rmSync(join(copy, "dist/cluster/proto/inference.proto"));
  expect(build()).toContain("building");
  expect(existsSync(join(copy, "dist/cluster/proto/inference.proto"))).toBe(true);
  expect(build()).toBe("");
});
