/** Ctrl-C while a scheduler of the user's file does not return. */
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { interrupted, SHORT_QUEUE } from "./interrupted.test-support.ts";

let folder = "";
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "tandem-hung-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

/** An order that hangs at its first request for which `when` holds. */
function hanging(when: string): string {
  const text = `
import { writeSync } from "node:fs";
import { isMainThread } from "node:worker_threads";
const key = (job) => {
  if (!(${when})) return job.deadlineUs;
  writeSync(2, "hangs");
  for (;;);
};
export default ({ definePolicy }) => ({
  ordering: definePolicy({ name: "stuck", create: () => ({ kind: "keyed", key }) }),
});
`;
  writeFileSync(join(folder, "stuck.mjs"), text);
  return SHORT_QUEUE.replace(/^sweep: .*$/m, "scheduler: { file: ./stuck.mjs }");
}

/** Sends no signal. */
const NEVER = /$^/;

test.each([
  ["simulate", "while it is tried out", "true", []],
  [
    "simulate",
    "in a replication",
    "job.arrivedUs > 2e6 && job.deadlineUs === Infinity",
    ["--workers", "1"],
  ],
  ["check", "while it is played", "true", []],
  ["plan", "while it is tried out", "true", []],
  ["validate", "while it is tried out", "true", ["--backend", "replay"]],
])("%s ends %s, and names the call", async (command, _, when, options) => {
  const { code, stdout, stderr, afterMs } = await interrupted(folder, hanging(when), /hangs/, {
    command,
    options,
    delayMs: 1500,
  });
  expect(stderr).toMatch(
    /interrupted: .*stuck\.mjs: ordering policy "stuck", in key, has not returned for [1-9]\d* s\n {2}hint: /,
  );
  expect([code, stdout]).toEqual([130, ""]);
  expect(afterMs).toBeLessThan(10_000);
  expect(existsSync(join(folder, "out", "results.json"))).toBe(false);
});

/**
 * Node loses a Ctrl-C that comes in the microseconds between two parts of the user's work (`library/interruptible.ts`):
 * one presses again. A sweep that got the first has ended long before.
 */
const AGAIN_MS = 30_000;

test("Ctrl-C ends a sweep whose scheduler works without a hang, with the usual message", async () => {
  const scenario = hanging('(globalThis.isSaid ??= writeSync(2, "hangs") > 0) && false');
  const options = ["--workers", "1", "--set", "workload.durationS=1000000"];
  const { code, stderr } = await interrupted(folder, scenario, /hangs/, {
    command: "simulate",
    options,
    delayMs: 2500,
    againMs: AGAIN_MS,
  });
  expect(stderr).toContain("interrupted: 0 of 1 configuration kept");
  expect(code).toBe(130);
});

test("a thread of a sweep that hangs ends too, with its point and call, and what is done stays", async () => {
  const scenario = hanging("!isMainThread && job.arrivedUs > 2e6");
  const options = ["--workers", "2", "--set", "sweep={workload.ratePerS: [20, 40]}"];
  const { code, stderr } = await interrupted(folder, scenario, /hangs/, {
    command: "simulate",
    options,
    delayMs: 1500,
  });
  expect(stderr).toMatch(
    /interrupted: 0 of 2 configurations kept; at ratePerS=20, .*"stuck", in key, has not returned for [1-9]\d* s\n {2}hint: /,
  );
  expect(code).toBe(130);
});

test("a file that awaits what never comes is refused", async () => {
  writeFileSync(join(folder, "waits.mjs"), "await new Promise(() => undefined);");
  const scenario = SHORT_QUEUE.replace(/^sweep: .*$/m, "scheduler: { file: ./waits.mjs }");
  const { code, stderr } = await interrupted(folder, scenario, NEVER, { command: "check" });
  expect(stderr).toContain("waits.mjs cannot be loaded: its top level awaits what never");
  expect(code).toBe(2);
});

test("nobody has to stop a random run that hangs", async () => {
  const { code, stderr } = await interrupted(folder, hanging("true"), NEVER, {
    command: "check",
  });
  expect(stderr).toMatch(
    /stuck\.mjs: ordering policy "stuck", in key, has not returned for 2\d s\n/,
  );
  expect(code).toBe(2);
}, 60_000);
