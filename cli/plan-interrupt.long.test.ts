/** `plan` that gets Ctrl-C at random instants of each of its phases, and the commands that it prints. */
import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { MESSAGE_COSTS } from "../checks/support/message-costs.test-support.ts";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { RandomStream } from "../engine/random/stream.ts";
import { interrupted } from "./interrupted.test-support.ts";
import { tandemHere } from "./tandem-here.test-support.ts";

const scratch = temporaryFolder("interrupted");

const LISTED = `
name: listed
pipelines:
  p:
    slo: { latencyMs: 400, percentile: 99 }
    tasks: { a: { model: a }, b: { model: b, after: [a] }, c: { model: c, after: [a] } }
models:
  a: { service: { distribution: gamma, meanMs: 12, cv: 0.4 } }
  b: { service: { distribution: lognormal, meanMs: 40, cv: 0.5 } }
  c: { service: { distribution: exponential, meanMs: 20 } }
cluster:
  nodes:
    - { name: fast, count: 4, devices: { gpu: { slots: 2 } }, costPerHour: 2.5 }
    - { name: slow, count: 5, devices: { cpu: { slots: 1, speed: 0.4 } }, costPerHour: 0.5 }
  replicas: { a: 1, b: 1, c: 1 }
workload: { arrivals: poisson, ratePerS: 60, durationS: 100, warmupS: 5 }
run: { seed: 1, replications: 20 }
`;

const UNLISTED = LISTED.replace("count: 4", "count: 40")
  .replace("count: 5", "count: 80")
  .replace("ratePerS: 60", "ratePerS: 300");

/** Confirmed within seconds, with nine more schedulers to search. */
const CONFIRMED = UNLISTED.replace("ratePerS: 300", "ratePerS: 80").replace(
  "replications: 20",
  "replications: 5",
);

/** Each phase is interrupted so often; `INSTANTS=20` takes half an hour. */
const INSTANTS = Number(process.env.INSTANTS ?? 1);

/** A search of several schedulers would take two minutes. */
const OPTIONS = ["--budget", "30s"];

/** The words on stderr that begin each phase of a search, and the longest wait for an instant in it. */
const SEARCHES = [
  ["a listed search", LISTED, [[/combinations of machines/, 3000]]],
  [
    "a search for an incumbent, and below it",
    UNLISTED,
    [
      [/combinations of machines/, 1500],
      [/, not confirmed;/, 3000],
    ],
  ],
  ["a search below a confirmed plan", CONFIRMED, [[/, confirmed;/, 2500]]],
] as const;

test.each(SEARCHES)(
  "Ctrl-C in %s ends with the best so far and whole files, and the same command goes on",
  async (name, scenario, phases) => {
    const folder = mkdtempSync(join(scratch, "plan-"));
    const instants = new RandomStream(name, "interrupts");
    const afterMs: number[] = [];
    for (const [when, withinMs] of phases) {
      for (let i = 0; i < INSTANTS; i++) {
        const delayMs = withinMs * instants.uniform();
        const ended = await interrupted(folder, scenario, when, {
          command: "plan",
          options: OPTIONS,
          delayMs,
        });
        // Ctrl-C found it at work, or just done.
        expect([0, 130], ended.stderr).toContain(ended.code);
        expect(ended.stdout).toMatch(/% of requests within/);
        expect(["confirmed", "not confirmed", "none"]).toContain(foundIn(folder));
        if (ended.code === 0) continue;
        expect(ended.stderr).toMatch(
          /interrupted: (the best so far is above|no cluster that keeps the SLO was found yet)/,
        );
        const kept = readFileSync(join(folder, "out/plan-progress.jsonl"), "utf8");
        for (const line of kept.trim().split("\n")) JSON.parse(line);
        afterMs.push(Math.round(ended.afterMs));
      }
    }
    const [count, mostMs] = [afterMs.length, Math.max(...afterMs)];
    console.log(`${name}: ends at most ${mostMs} ms after Ctrl-C, ${count} at work`);
    const again = ["plan", "s.yaml", "--out", "out", ...OPTIONS];
    const { code, stderr } = await tandemHere(folder, again);
    expect(code, stderr).toBe(0);
    expect(existsSync(join(folder, "out/results.json"))).toBe(true);
  },
  240_000 * INSTANTS,
);

function foundIn(folder: string): string {
  const { plans } = JSON.parse(readFileSync(join(folder, "out/plan.json"), "utf8"));
  return plans[0].state;
}

test("the commands that a plan prints work as printed", async () => {
  const folder = mkdtempSync(join(scratch, "plan-"));
  writeFileSync(join(folder, "s.yaml"), LISTED.replace("replications: 20", "replications: 3"));
  const words = ["plan", "s.yaml", "--out", "out", "--schedulers", "none", "--budget", "100s"];
  const { stdout } = await tandemHere(folder, words);
  const run = (command: RegExp): string => {
    const printed = command.exec(stdout)?.[1] ?? expect.fail(stdout);
    return execFileSync("sh", ["-c", printed], { cwd: folder, encoding: "utf8", stdio: "pipe" });
  };
  expect(run(/to simulate the plan: (.*)/)).toContain("fifo");
  expect(run(/next: [^\n]*; (.*report.*)/)).toContain("report.html");
  expect(run(/repeat: (.*)/)).toMatch(/plan +fifo/);
}, 120_000);

test("the validation that a plan prints shows the plan's own figures beside simulation and measurement", async () => {
  const folder = mkdtempSync(join(scratch, "plan-"));
  writeFileSync(join(folder, "s.yaml"), SMALL);
  writeFileSync(join(folder, "messages.json"), JSON.stringify(MESSAGE_COSTS));
  const { stdout } = await tandemHere(folder, ["plan", "s.yaml", "--out", "out"]);
  const [, printed] = /next: ([^\n]*); .*report/.exec(stdout) ?? expect.fail(stdout);
  const ended = spawnSync("sh", ["-c", printed], { cwd: folder, encoding: "utf8" });
  // A verdict is not this test's matter.
  expect([0, 3], ended.stderr).toContain(ended.status);
  expect(ended.stdout).toMatch(/judgement +planned +predicted +measured/);
  const read = (file: string) => JSON.parse(readFileSync(join(folder, "out", file), "utf8"));
  const { sloAttainmentRatio, latencyMs } = read("plan.json").plans[0].best.kept.p;
  const [{ planned, measured }] = read("validation.json").configurations;
  expect(planned).toEqual({ sloAttainmentRatio, latencyP95Ms: latencyMs });
  expect(measured.metrics.latencyP95Ms.mean).toBeGreaterThan(0);
}, 300_000);

/** Three workers. */
const SMALL = `
name: small
pipelines: { p: { slo: { latencyMs: 400, percentile: 95 }, tasks: { a: { model: m }, b: { model: m, after: [a] } } } }
models: { m: { service: { distribution: gamma, meanMs: 40, cv: 0.5 } } }
cluster:
  nodes: [{ name: n, count: 3, devices: { cpu: 1 }, costPerHour: 1 }]
  replicas: { a: 1, b: 1 }
  overheadProfile: messages.json
workload: { arrivals: poisson, ratePerS: 16, durationS: 6, warmupS: 1 }
run: { seed: 1, replications: 8 }
`;
