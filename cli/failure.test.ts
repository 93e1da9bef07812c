/** Requests to stop a command: the first asks it to, a later one ends it, and one that is sent twice counts once. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { builtFile } from "../build/version.ts";

/** In a process of its own: `work` is the body of a function with `signal`, `press` and `wait`, and its value is printed. */
function ended(work: string): { readonly code: number | null; readonly stdout: string } {
  const program = `
    import { setTimeout as wait } from "node:timers/promises";
    import { untilInterrupted } from ${JSON.stringify(builtFile("cli/failure.js").href)};
    const press = () => process.kill(process.pid, "SIGTERM");
    const value = await untilInterrupted(async (signal) => { ${work} });
    process.stdout.write(String(value));
  `;
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--input-type=module", "--eval", program],
    { encoding: "utf8", cwd: fileURLToPath(builtFile("..")), timeout: 60_000 },
  );
  expect(stderr).toBe("\ntandem: stopping; once more to stop at once\n");
  return { code: status, stdout };
}

test("a request to stop that comes twice at once leaves the command its end", () => {
  const work = "press(); press(); await wait(100); return signal.aborted;";
  expect(ended(work)).toEqual({ code: 0, stdout: "true" });
});

test("another request, a second later, ends the command at once", () => {
  const work = "press(); await wait(1000); press(); await wait(60_000); return signal.aborted;";
  expect(ended(work)).toEqual({ code: 130, stdout: "" });
});
