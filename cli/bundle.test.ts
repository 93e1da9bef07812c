/** The bundle of the build; `npm run build` comes before these tests. */
import { spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { UNBUNDLED_COMMANDS } from "../build/load-bundle.ts";
import { temporaryFolder } from "../core/temporary-folder.test-support.ts";
import { IS_LONG } from "../core/test-form.test-support.ts";
import { withSourcePlaces } from "./failure.ts";

const ROOT = join(import.meta.dirname, "..");
const SCENARIO = join(ROOT, "scenarios/queueing/mm1.yaml");
const scratch = temporaryFolder("bundle");

/** The built program, without the modules that are in its bundle. */
for (const part of ["package.json", "dist/build", "dist/cli"]) {
  cpSync(join(ROOT, part), join(scratch, part), { recursive: true });
}
const BUNDLE = join(scratch, "dist/build/main.cjs");
const COMPILED = `${BUNDLE}.compiled`;

function tandem(...words: readonly string[]): string {
  const given = [join(scratch, "dist/cli/tandem.js"), ...words];
  const { status, stdout, stderr } = spawnSync(process.execPath, given, { encoding: "utf8" });
  expect(status, stderr).toBe(0);
  return stdout;
}

test("a bundled command needs no module beside its bundle, but for the solver of a plan", () => {
  expect(tandem("check", SCENARIO)).toContain("sound");
  if (!IS_LONG) return;
  // WebAssembly, which a package holds beside its script.
  mkdirSync(join(scratch, "node_modules"));
  symlinkSync(join(ROOT, "node_modules/highs"), join(scratch, "node_modules/highs"));
  const run = ["--replications", "1", "--set", "workload.durationS=2000"];
  expect(tandem("simulate", SCENARIO, ...run)).toContain("latency");
  const goal = "pipelines.mm1.slo={latencyMs: 100000, percentile: 50}";
  const search = ["--schedulers", "none", "--max-replicas", "2", "--replications", "3"];
  expect(tandem("plan", SCENARIO, "--set", goal, ...search)).toContain("cheapest: ");
});

test("so has every command but those that are named, which need the library's report", () => {
  const commands = [...tandem("--help").matchAll(/^ +tandem ([a-z]+)\b/gm)].map(([, name]) => name);
  const bundled = commands.filter((command) => !UNBUNDLED_COMMANDS.includes(command));
  expect(bundled.length).toBe(commands.length - UNBUNDLED_COMMANDS.length);
  const asked = IS_LONG ? bundled : bundled.slice(0, 2);
  for (const command of asked) expect(tandem(command, "--help")).toContain(`tandem ${command}`);
  const elsewhere = readFileSync(BUNDLE, "latin1").matchAll(/require\("\.\.?\/([^"]*)"\)/g);
  const missing = new Set([...elsewhere].map(([, module]) => module));
  expect(missing).toEqual(new Set(["cli/demo.js", "library/report.js"]));
});

test("of Node's deprecations, the program hides that of addresses as server names alone", () => {
  const warn = (code: string) => `process.emitWarning("old", "DeprecationWarning", "${code}");`;
  const program = `await import(process.argv[1]); ${warn("DEP0123")} ${warn("DEP0999")}`;
  const words = ["--input-type=module", "-e", program, join(ROOT, "dist/cli/tandem.js")];
  const given = [...words, "check", SCENARIO];
  const { stderr } = spawnSync(process.execPath, given, { encoding: "utf8" });
  expect(stderr.match(/DEP0\d+/g)).toEqual(["DEP0999"]);
});

test.runIf(IS_LONG)(
  "what V8 has compiled may be torn, of another version or missing: the command runs",
  () => {
    const ruined: readonly (() => void)[] = [
      () => truncateSync(COMPILED, 300_000),
      () => writeFileSync(COMPILED, "compiled by another version"),
      () => rmSync(COMPILED),
    ];
    for (const ruin of ruined) {
      ruin();
      expect(tandem("check", SCENARIO)).toContain("sound");
    }
  },
);

test("a stack trace names the sources, not the bundle", () => {
  const before = readFileSync(BUNDLE, "latin1").split("this is a bug")[0].split("\n");
  const place = `${BUNDLE}:${before.length}:${(before.at(-1)?.length ?? 0) + 1}`;
  const trace = withSourcePlaces(`Error: no\n    at print (${place})`);
  const [, file, line] = /\((.*):(\d+):\d+\)$/.exec(trace) ?? [];
  expect(file).toMatch(/cli\/failure\.ts$/);
  const source = readFileSync(join(ROOT, "cli/failure.ts"), "utf8").split("\n");
  expect(source[Number(line) - 1]).toContain("this is a bug");
});

test("a trace without a place in a bundle stays as it is", () => {
  const trace = "Error: no\n    at print (/nowhere/other.cjs:1:1)";
  expect(withSourcePlaces(trace)).toBe(trace);
});
