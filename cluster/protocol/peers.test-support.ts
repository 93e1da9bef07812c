/**
 * Clients that are not ours, for tests: found on the PATH or in the folder that TANDEM_CLIENTS
 * names (`peers/install.sh` fills one).
 */
import { execFile, execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join, resolve } from "node:path";
import { promisify } from "node:util";

const run = promisify(execFile);
const { TANDEM_CLIENTS } = process.env;
const FOLDER = TANDEM_CLIENTS === undefined ? undefined : resolve(TANDEM_CLIENTS);
const FOLDERS = FOLDER === undefined ? [] : ["venv/bin", "node_modules/.bin", "bin"];

const PATHS = [
  ...FOLDERS.map((folder) => join(FOLDER ?? "", folder)),
  ...(process.env.PATH ?? "").split(delimiter),
];

/** The program's path, or null, with a word on stderr, when it is not here or `works` fails. */
export function peer(program: string, works: readonly string[], needs: string): string | null {
  const path = PATHS.map((folder) => join(folder, program)).find((file) => existsSync(file));
  if (path !== undefined && tried(path, works)) return path;
  process.stderr.write(`skipped: ${needs} is not installed (see cluster/protocol/peers)\n`);
  return null;
}

function tried(path: string, works: readonly string[]): boolean {
  try {
    execFileSync(path, works, { stdio: "ignore", timeout: 60_000 });
    return true;
  } catch {
    return false;
  }
}

export interface Ran {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program to its end, at most two minutes, whatever its exit code; by default in the folder for temporary
 * files, where it may leave what it likes.
 */
export async function ran(path: string, options: readonly string[], cwd = tmpdir()): Promise<Ran> {
  const settings = { timeout: 120_000, maxBuffer: 1 << 26, cwd };
  try {
    return { code: 0, ...(await run(path, options, settings)) };
  } catch (error) {
    const { code = -1, stdout = "", stderr = String(error) } = error as Partial<Ran>;
    return { code, stdout, stderr };
  }
}
