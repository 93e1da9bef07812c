/** Runs the built command line in a process of its own, in a folder of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { stringify } from "yaml";
import type { ConfigurationResult, ResultsDocument } from "../results/documents.ts";

const CLI = join(import.meta.dirname, "../dist/cli/tandem.js");

export interface Exit {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A folder under the system's temporary one, with a scenario in it. */
export class Workplace {
  readonly folder = mkdtempSync(join(tmpdir(), "tandem-test-"));

  constructor(scenario: unknown) {
    writeFileSync(join(this.folder, "scenario.yaml"), stringify(scenario));
  }

  /** `tandem simulate scenario.yaml …`; `onStderr` hears what it prints while it runs. */
  simulate(
    options: readonly string[],
    onStderr: (text: string, child: ChildProcess) => void = () => undefined,
  ): Promise<Exit> {
    const { child, exit } = this.start(["simulate", "scenario.yaml", ...options]);
    child.stderr?.on("data", (text: string) => onStderr(text, child));
    return exit;
  }

  /** `tandem …`, as a process that may be killed. */
  start(args: readonly string[]): { readonly child: ChildProcess; readonly exit: Promise<Exit> } {
    if (!existsSync(CLI)) throw new Error("dist/ is missing: `npm run build` before these tests");
    const child = spawn(process.execPath, [CLI, ...args], { cwd: this.folder });
    let stdout = "";
    let stderr = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
    });
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    const exit = new Promise<Exit>((resolve, reject) => {
      child.on("error", reject);
      child.on("close", (code) => resolve({ code, stdout, stderr }));
    });
    return { child, exit };
  }

  read(path: string): string {
    return readFileSync(join(this.folder, path), "utf8");
  }

  has(path: string): boolean {
    return existsSync(join(this.folder, path));
  }

  remove(): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}

export function configurationsOf(stdout: string): readonly ConfigurationResult[] {
  return (JSON.parse(stdout) as ResultsDocument).configurations;
}
