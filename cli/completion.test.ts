/** The scripts of `tandem completion`, each in its own shell where that is installed. */
import { spawnSync } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { needs } from "../core/needs.test-support.ts";
import { temporaryFolder } from "../core/temporary-folder.test-support.ts";

const TANDEM = join(import.meta.dirname, "../dist/cli/tandem.js");
const scratch = temporaryFolder("completion");
for (const name of ["cars.yaml", "cats.yml", "notes.txt"]) writeFileSync(join(scratch, name), "");
mkdirSync(join(scratch, "cardboard"));

function run(command: string, ...words: readonly string[]): string {
  const { stdout, stderr } = spawnSync(command, words, { encoding: "utf8", cwd: scratch });
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

/** Lines up to the cursor, and the candidates that all shells have then. */
const CASES: Readonly<Record<string, readonly string[]>> = {
  "tandem sim": ["simulate"],
  "tandem cluster ": ["add", "certs", "down", "remove", "serve", "status", "token", "up"],
  "tandem cluster up s.yaml --backend on": ["onnx"],
  "tandem simulate s.yaml --re": ["--replications", "--requests"],
  "tandem schedulers power": ["power-of-two"],
  "tandem completion ": ["bash", "fish", "zsh"],
};
const PRESET = "tandem simulate s.yaml --set scheduler=power";

/** The output of a program for each line, between two empty lines. */
function byLine(lines: readonly string[], stdout: string): Record<string, string[]> {
  const blocks = stdout
    .split("===\n")
    .map((block) => block.split("\n").filter((word) => word !== ""));
  return Object.fromEntries(lines.map((line, i) => [line, (blocks[i] ?? []).sort()]));
}

test.skipIf(!isHere("bash"))("bash completes commands, options, values and scenario files", () => {
  const files = "tandem simulate ca";
  const anyFile = "tandem simulate s.yaml --out ca";
  const lines = [...Object.keys(CASES), PRESET, files, anyFile];
  const program = `source ${scriptOf("bash")}
    for line; do
      # Bash itself splits a line at "=" too.
      read -ra COMP_WORDS <<< "\${line//=/ = }"
      [[ $line != *" " ]] || COMP_WORDS+=("")
      COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      _tandem
      printf '%s\\n' "\${COMPREPLY[@]}" ===
    done`;
  expect(byLine(lines, run("bash", "--norc", "-c", program, "bash", ...lines))).toEqual({
    ...CASES,
    [PRESET]: ["power-of-two"],
    [files]: ["cardboard", "cars.yaml", "cats.yml"],
    // None: bash then completes file names by itself.
    [anyFile]: [],
  });
});

test.skipIf(!isHere("zsh"))("zsh has the same candidates before it picks by what is typed", () => {
  const lines = Object.keys(CASES);
  const program = `compdef() { }
    source ${scriptOf("zsh")}
    for line; do
      words=("\${(@s: :)line}")
      _tandem_command "\${words[@]:1:-1}"
      _tandem_words "$command" "\${words[-2]}" "\${words[-1]}" | grep -e "^\${words[-1]}"
      echo "==="
    done`;
  expect(byLine(lines, run("zsh", "-f", "-c", program, "zsh", ...lines))).toEqual(CASES);
});

test.skipIf(!isHere("fish"))("fish has them too", () => {
  const lines = [...Object.keys(CASES), PRESET];
  const program = `source ${scriptOf("fish")}
    for line in $argv; complete -C $line | string replace -r '\\t.*' ''; echo ===; end`;
  expect(byLine(lines, run("fish", "--no-config", "-c", program, ...lines))).toEqual({
    ...CASES,
    [PRESET]: ["scheduler=power-of-two"],
  });
});
