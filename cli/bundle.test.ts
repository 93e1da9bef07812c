/** The bundle of the build; `npm run build` comes before these tests. */
import { spawnSync } from "node:child_process";
import { cpSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../core/temporary-folder.test-support.ts";
import { IS_LONG } from "../core/test-form.test-support.ts";

const ROOT = join(import.meta.dirname, "..");
const SCENARIO = join(ROOT, "scenarios/queueing/mm1.yaml");
const scratch = temporaryFolder("bundle");

/** The built program, without the modules that its bundle holds. */
for (const part of ["package.json", "dist/bundle", "dist/cli/tandem.js"]) {
  cpSync(join(ROOT, part), join(scratch, part), { recursive: true });
}

function tandem(...words: readonly string[]): string {
  const given = [join(scratch, "dist/cli/tandem.js"), ...words];
  const { status, stdout, stderr } = spawnSync(process.execPath, given, { encoding: "utf8" });
  expect(status, stderr).toBe(0);
  return stdout;
}

test("a bundled command needs no module beside its bundle", () => {
  expect(tandem("check", SCENARIO)).toContain("sound");
  if (!IS_LONG) return;
  const run = ["--replications", "1", "--set", "workload.durationS=2000"];
  expect(tandem("simulate", SCENARIO, ...run)).toContain("latency");
  const goal = "pipelines.mm1.slo={latencyMs: 100000, percentile: 50}";
  const search = ["--schedulers", "none", "--max-replicas", "2", "--replications", "3"];
  expect(tandem("plan", SCENARIO, "--set", goal, ...search)).toContain("cheapest: ");
});

test("so has the help of every command", () => {
  const commands = [...tandem("--help").matchAll(/^ +tandem ([a-z]+)\b/gm)].map(([, name]) => name);
  expect(commands.length).toBeGreaterThan(15);
  const asked = IS_LONG ? commands : commands.slice(0, 2);
  for (const command of asked) expect(tandem(command, "--help")).toContain(`tandem ${command}`);
});

test("of Node's deprecations, the program hides that of addresses as server names alone", () => {
  const warn = (code: string) => `process.emitWarning("old", "DeprecationWarning", "${code}");`;
  const program = `await import(process.argv[1]); ${warn("DEP0123")} ${warn("DEP0999")}`;
  const words = ["--input-type=module", "-e", program, join(ROOT, "dist/cli/tandem.js")];
  const given = [...words, "check", SCENARIO];
  const { stderr } = spawnSync(process.execPath, given, { encoding: "utf8" });
  expect(stderr.match(/DEP0\d+/g)).toEqual(["DEP0999"]);
});
