/** A machine that is suspended, or whose clock steps, in the middle of a measurement: nothing of it is averaged. */
import { spawn, spawnSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { expect, it } from "vitest";
import { MESSAGE_COSTS } from "../checks/support/message-costs.test-support.ts";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import type { MeasuredSide, ValidationDocument } from "../results/validation.ts";
import { profileSchema } from "../scenario/schema/profile.ts";

const scratch = temporaryFolder("suspended");
const SCENARIOS = fileURLToPath(new URL("../scenarios/", import.meta.url));
const TANDEM = fileURLToPath(new URL("../dist/cli/tandem.js", import.meta.url));
const SUSPENDED_MS = 2000;
/** Between two rounds or runs nothing is measured: the watch of the next one starts meanwhile. */
const DELAY_MS = 2000;

/** All its processes stop for two seconds, soon after stderr says `when`; the clock goes on. */
function suspended(folder: string, words: readonly string[], when: RegExp) {
  const child = spawn(process.execPath, [TANDEM, ...words], {
    ...{ cwd: folder, detached: true, timeout: 240_000, killSignal: "SIGKILL" },
    stdio: ["ignore", "ignore", "pipe"],
  });
  const group = -(child.pid as number);
  let stderr = "";
  let began = false;
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
    if (began || !when.test(stderr)) return;
    began = true;
    setTimeout(() => process.kill(group, "SIGSTOP"), DELAY_MS);
    setTimeout(() => process.kill(group, "SIGCONT"), DELAY_MS + SUSPENDED_MS);
  });
  return new Promise<{ readonly code: number | null; readonly stderr: string }>((resolve) => {
    child.once("close", (code) => resolve({ code, stderr }));
  });
}

it("calibrate sets the round aside and measures another", { timeout: 240_000 }, async () => {
  const folder = mkdtempSync(join(scratch, "suspended-"));
  for (const name of ["own-model.yaml", "models"])
    cpSync(join(SCENARIOS, name), join(folder, name), { recursive: true });
  const words = ["calibrate", "own-model.yaml", "--max-seconds", "10"];
  const { code, stderr } = await suspended(folder, words, /round 2/);
  expect(stderr).toMatch(/a round is set aside: the host stood still for (1[5-9]|2\d)\d\d ms/);
  expect(code).toBe(0);
  const stored = readFileSync(join(folder, "profiles", "quarters.json"), "utf8");
  const { rounds = [] } = profileSchema.parse(JSON.parse(stored));
  const slowestUs = Math.max(...rounds.flatMap(({ aloneUs }) => aloneUs.map((us) => us ?? 0)));
  expect(rounds.length).toBeGreaterThanOrEqual(5);
  // A call of two seconds among sixteen would lengthen the mean of its round by an eighth of a second.
  expect(slowestUs).toBeLessThan(120_000);
});

it("validate sets the run aside, and says why", { timeout: 240_000 }, async () => {
  const folder = folderOfQueue();
  const words = ["validate", "s.yaml", "--out", "out"];
  await suspended(folder, words, /^ {2}(run 1 of 3|set aside)/m);
  const { health } = measuredIn(folder);
  const reasons = [...(health.setAside ?? []), ...health.reasons].join("\n");
  expect(reasons).toMatch(/stalls of up to (1[5-9]|2\d)\d\d ms/);
});

const QUEUE = `
name: queue
pipelines: { p: { tasks: { serve: { model: m } } } }
models: { m: { service: { distribution: exponential, meanMs: 10 } } }
cluster: { replicas: { serve: 2 }, overheadProfile: messages.json }
scheduler: fifo
workload: { arrivals: poisson, ratePerS: 40, durationS: 8 }
`;

function folderOfQueue(): string {
  const folder = mkdtempSync(join(scratch, "suspended-"));
  writeFileSync(join(folder, "s.yaml"), QUEUE);
  writeFileSync(join(folder, "messages.json"), JSON.stringify(MESSAGE_COSTS));
  return folder;
}

function measuredIn(folder: string): MeasuredSide {
  const text = readFileSync(join(folder, "out", "validation.json"), "utf8");
  return (JSON.parse(text) as ValidationDocument).configurations[0].measured;
}

/** Each process's time of day goes an hour on, some seconds after its start. */
const STEPPING = `
const now = Date.now;
const atMs = performance.now() + 6000;
Date.now = () => now() + (performance.now() > atMs ? 3_600_000 : 0);
`;

it("a step of the clock changes nothing", { timeout: 240_000 }, () => {
  const folder = folderOfQueue();
  writeFileSync(join(folder, "stepping.mjs"), STEPPING);
  const NODE_OPTIONS = `--import=${pathToFileURL(join(folder, "stepping.mjs"))}`;
  const { status, stderr } = spawnSync(
    process.execPath,
    [TANDEM, "validate", "s.yaml", "--out", "out"],
    { cwd: folder, encoding: "utf8", timeout: 110_000, env: { ...process.env, NODE_OPTIONS } },
  );
  expect([0, 3], stderr).toContain(status);
  const { metrics, spread } = measuredIn(folder);
  // A latency that took the step in would be an hour.
  expect(spread.latencyMaxMs?.maximum).toBeLessThan(20_000);
  expect(metrics.throughputPerS?.mean).toBeGreaterThan(30);
});
