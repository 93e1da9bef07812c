/** The bundle of the build; `npm run build` comes before these tests. */
import { spawnSync } from "node:child_process";
import { cpSync, readdirSync, readFileSync, symlinkSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { withSourcePlaces } from "./failure.ts";

const ROOT = join(import.meta.dirname, "..");
const SCENARIO = join(ROOT, "scenarios/queueing/mm1.yaml");
const scratch = temporaryFolder("bundle");

/** The built program, without the modules that are in its bundle. */
const PARTS = ["package.json", "dist/build", "dist/bundle", "dist/cli/tandem.js"];
for (const part of PARTS) cpSync(join(ROOT, part), join(scratch, part), { recursive: true });
symlinkSync(join(ROOT, "node_modules"), join(scratch, "node_modules"));
const BUNDLE = join(scratch, "dist/bundle");

function tandem(...words: readonly string[]): string {
  const given = [join(scratch, "dist/cli/tandem.js"), ...words];
  const { status, stdout, stderr } = spawnSync(process.execPath, given, { encoding: "utf8" });
  expect(status, stderr).toBe(0);
  return stdout;
}

test("a command needs no module of ours beside its bundle, nor do its threads", () => {
  expect(tandem("check", SCENARIO)).toContain("sound");
  const sweep = "sweep={workload.ratePerS: [1, 2]}";
  const run = ["--replications", "1", "--set", "workload.durationS=2000", sweep];
  expect(tandem("simulate", SCENARIO, ...run, "--workers", "2")).toContain("latency");
});

test("a stack trace names the sources, not the bundle", () => {
  const holds = (name: string) =>
    name.endsWith(".js") && readFileSync(join(BUNDLE, name), "utf8").includes("this is a bug");
  const chunk = join(BUNDLE, readdirSync(BUNDLE).find(holds) as string);
  const before = readFileSync(chunk, "utf8").split("this is a bug")[0].split("\n");
  const place = `file://${chunk}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
  const trace = withSourcePlaces(`Error: no\n    at print (${place})`);
  const [, file, line] = /\((.*):(\d+):\d+\)$/.exec(trace) ?? [];
  expect(file).toMatch(/cli\/failure\.ts$/);
  const source = readFileSync(join(ROOT, "cli/failure.ts"), "utf8").split("\n");
  expect(source[Number(line) - 1]).toContain("this is a bug");
});

test("a trace without a place in a bundle stays as it is", () => {
  const trace = "Error: no\n    at print (/nowhere/other.js:1:1)";
  expect(withSourcePlaces(trace)).toBe(trace);
});
