/** Which ends of a shard's process are tried again by a shell's script. */
import { spawnSync } from "node:child_process";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../core/temporary-folder.test-support.ts";
import { MOST_RETRIES, NEVER_RETRIED, retryingLines } from "./engine.ts";

const folder = temporaryFolder("retries");

/** How often a script runs a command that ends with `code`, and its own end. */
function runs(code: number, environment: Readonly<Record<string, string>> = {}) {
  const log = join(folder, "runs");
  rmSync(log, { force: true });
  const command = `sh -c 'echo >> ${log}; exit ${code}'`;
  const script = retryingLines(command, "SLURM_RESTART_COUNT").join("\n");
  const { status } = spawnSync("sh", ["-c", script], { env: { ...process.env, ...environment } });
  return { status, times: readFileSync(log, "utf8").length };
}

test.each([0, 1, 2, 3, 4, 5, 126, 127, 128, 129, 130, 137, 139, 143, 255])(
  "exit code %i",
  (code) => {
    const retried = [4, 129, 130, 137, 139, 143, 255].includes(code);
    expect(runs(code)).toEqual({ status: code, times: retried ? 1 + MOST_RETRIES : 1 });
  },
);

test("an engine's own restarts count", () => {
  expect(runs(4, { SLURM_RESTART_COUNT: "2" }).times).toBe(2);
  expect(runs(4, { SLURM_RESTART_COUNT: "3" }).times).toBe(1);
});

test("a bug, bad input and a verdict are never retried", () => {
  expect(NEVER_RETRIED.map((code) => runs(code).times)).toEqual([1, 1, 1]);
});
