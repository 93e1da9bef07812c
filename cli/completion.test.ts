/** The scripts of `tandem completion`, each in its own shell where that is installed. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { needs } from "../checks/support/needs.test-support.ts";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { tandemHere } from "./tandem-here.test-support.ts";

const TANDEM = join(import.meta.dirname, "../dist/cli/tandem.js");
const scratch = temporaryFolder("completion");
/** The scripts ask the `tandem` on the path. */
const bin = temporaryFolder("completion-bin");
writeFileSync(join(bin, "tandem"), `#!/bin/sh\nexec "${process.execPath}" "${TANDEM}" "$@"\n`, {
  mode: 0o755,
});
const env = { ...process.env, PATH: `${bin}:${process.env.PATH}` };
for (const name of ["cars.yaml", "cats.yml", "notes.txt"]) writeFileSync(join(scratch, name), "");
mkdirSync(join(scratch, "cardboard"));

function run(command: string, ...words: readonly string[]): string {
  const { stdout, stderr } = spawnSync(command, words, { encoding: "utf8", cwd: scratch, env });
  expect(stderr).toBe("");
  return stdout;
}

const isHere = (shell: string) => needs(shell, spawnSync(shell, ["-c", "true"]).status === 0);

/** A script's path. */
function scriptOf(shell: string): string {
  const script = join(scratch, `tandem.${shell}`);
  writeFileSync(script, run(process.execPath, TANDEM, "completion", shell));
  return script;
}

/** Lines up to the cursor, and the candidates then. */
const CASES: Readonly<Record<string, readonly string[]>> = {
  "tandem sim": ["simulate"],
  "tandem cluster ": ["add", "certs", "down", "remove", "serve", "status", "token", "up"],
  "tandem cluster up s.yaml --backend on": ["onnx"],
  "tandem simulate s.yaml --re": ["--replications", "--requests"],
  "tandem schedulers power": ["power-of-two"],
  "tandem completion ": ["bash", "fish", "zsh"],
};
const PRESET = "tandem simulate s.yaml --set scheduler=power";
const FILES = "tandem simulate ca";
const FOUND = ["cardboard", "cars.yaml", "cats.yml"];
const ANY_FILE = "tandem simulate s.yaml --out ca";

/** The output of a program for each line, between two empty lines. */
function byLine(lines: readonly string[], stdout: string): Record<string, string[]> {
  const blocks = stdout
    .split("===\n")
    .map((block) => block.split("\n").filter((word) => word !== ""));
  return Object.fromEntries(lines.map((line, i) => [line, (blocks[i] ?? []).sort()]));
}

test.each(Object.entries({ ...CASES, [PRESET]: ["power-of-two"], [FILES]: FOUND, [ANY_FILE]: [] }))(
  "the candidates of %j",
  async (line, expected) => {
    const { stdout } = await tandemHere(scratch, ["--complete", line]);
    expect(stdout.split("\n").filter(Boolean).sort()).toEqual(expected);
  },
);

/** Each starts a process by itself. */
const LINES = ["tandem sim", PRESET];

test.skipIf(!isHere("bash"))("bash asks for them", () => {
  const program = `source ${scriptOf("bash")}
    for line; do
      COMP_LINE=$line COMP_POINT=\${#line}
      _tandem
      printf '%s\\n' "\${COMPREPLY[@]}" ===
    done`;
  expect(
    byLine([...LINES, FILES], run("bash", "--norc", "-c", program, "bash", ...LINES, FILES)),
  ).toEqual({
    "tandem sim": ["simulate"],
    [PRESET]: ["power-of-two"],
    [FILES]: FOUND,
  });
});

test.skipIf(!isHere("zsh"))("zsh asks for them", () => {
  const program = `compdef() { }; compset() { }; _files() { }
    compadd() { print -l -- "\${@:3}" }
    source ${scriptOf("zsh")}
    for line; do
      words=("\${(@s: :)line}") CURRENT=\${#words}
      _tandem
      echo "==="
    done`;
  expect(byLine(LINES, run("zsh", "-f", "-c", program, "zsh", ...LINES))).toEqual({
    "tandem sim": ["simulate"],
    [PRESET]: ["power-of-two"],
  });
});

test.skipIf(!isHere("fish"))("fish asks for them", () => {
  const program = `source ${scriptOf("fish")}
    for line in $argv; complete -C $line | string replace -r '\\t.*' ''; echo ===; end`;
  expect(byLine(LINES, run("fish", "--no-config", "-c", program, ...LINES))).toEqual({
    "tandem sim": ["simulate"],
    [PRESET]: ["scheduler=power-of-two"],
  });
});
