/** The commands of `docs/tutorial.md`, run by a shell as they are written, with what the page shows of their output. */
import { spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** ```console, ```console install, and ```console example where the output depends on the machine. */
export interface Step {
  readonly command: string;
  readonly shown: string;
  readonly kind: "exact" | "install" | "example";
}

const ROOT = join(import.meta.dirname, "..");
const FENCE = /^```console(?: (install|example))?\n\$ ((?:.*\\\n)*.*)\n([\s\S]*?)```$/gm;

export function tutorialSteps(): readonly Step[] {
  const page = readFileSync(join(ROOT, "docs/tutorial.md"), "utf8");
  return [...page.matchAll(FENCE)].map(([, kind = "exact", command, shown]) => ({
    command,
    shown,
    kind: kind as Step["kind"],
  }));
}

const emptyFolder = (): string => mkdtempSync(join(tmpdir(), "tandem-tutorial-"));

/** A folder where npm finds this checkout's command, for steps that need no installation. */
export function folderWithCheckout(): string {
  const folder = emptyFolder();
  const bin = join(folder, "node_modules/.bin");
  mkdirSync(bin, { recursive: true });
  symlinkSync(join(ROOT, "dist/cli/tandem.js"), join(bin, "tandem"));
  return folder;
}

/** Folders for the page's steps: a copy of this checkout, and the one beside it where the page installs the package. */
export function foldersToInstall(): {
  readonly all: string;
  readonly clone: string;
  readonly mine: string;
} {
  const all = emptyFolder();
  const clone = join(all, "clone");
  const left = [".git", "out", "node_modules"].map((name) => join(ROOT, name));
  const filter = (path: string): boolean => !left.includes(path);
  cpSync(ROOT, clone, { recursive: true, verbatimSymlinks: true, filter });
  // Packing reads from it only.
  symlinkSync(join(ROOT, "node_modules"), join(clone, "node_modules"));
  return { all, clone, mine: join(all, "my-first") };
}

/** Its results; its complaint where it has none. */
export function outputOf({ command }: Step, folder: string): string {
  const env = { ...process.env, FORCE_COLOR: undefined };
  const options = { cwd: folder, env, encoding: "utf8", timeout: 300_000 } as const;
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
