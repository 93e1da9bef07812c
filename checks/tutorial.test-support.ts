/** The commands of `docs/tutorial.md`, run by a shell as they are written, with what the page shows of their output. */
import { spawnSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

/** ```console, and ```console example where the output depends on the machine. */
export interface Step {
  readonly command: string;
  readonly shown: string;
  readonly isExample: boolean;
}

const ROOT = join(import.meta.dirname, "..");
const FENCE = /^```console( example)?\n\$ ((?:.*\\\n)*.*)\n([\s\S]*?)```$/gm;

export function tutorialSteps(): readonly Step[] {
  const page = readFileSync(join(ROOT, "docs/tutorial.md"), "utf8");
  return [...page.matchAll(FENCE)].map(([, example, command, shown]) => ({
    ...{ command, shown },
    isExample: example !== undefined,
  }));
}

/** A folder to run the steps in, and `npx` in it, which runs this checkout's command. */
export function tutorialFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "tandem-tutorial-"));
  const npx = join(folder, "bin", "npx");
  mkdirSync(join(folder, "bin"));
  const tandem = join(ROOT, "dist/cli/tandem.js");
  writeFileSync(npx, `#!/bin/sh\nshift\nexec '${process.execPath}' '${tandem}' "$@"\n`);
  chmodSync(npx, 0o755);
  return folder;
}

/** Its results; its complaint where it has none. */
export function outputOf({ command }: Step, folder: string): string {
  const path = `${join(folder, "bin")}${delimiter}${process.env.PATH}`;
  const env = { ...process.env, PATH: path, FORCE_COLOR: undefined };
  const options = { cwd: folder, env, encoding: "utf8", timeout: 170_000 } as const;
  const { stdout, stderr } = spawnSync("sh", ["-c", command], options);
  return stdout === "" ? stderr : stdout;
}

/** A line of `…` alone is any lines or none, `…` within a line any text. */
export function shownAs(shown: string): RegExp {
  const lines = shown.split("\n").slice(0, -1);
  const parts = lines.map((line) =>
    line === "…"
      ? "(?:.*\\n)*?"
      : `${line
          .split("…")
          .map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"))
          .join(".*")}\\n`,
  );
  return new RegExp(`^${parts.join("")}$`);
}
