/** Each part of the bench in its quickest form: that it measures and reports, never how fast. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { needs } from "../checks/support/needs.test-support.ts";
import type { PartResult } from "./measure/part.ts";
import { tryToRun } from "./measure/programs.ts";

const RUN = fileURLToPath(new URL("../dist/bench/run.js", import.meta.url));

function bench(...given: readonly string[]): { code: number | null; text: string; error: string } {
  const quickest = ["--scale", "0.001", "--rounds", "2"];
  const { status, stdout, stderr } = spawnSync(process.execPath, [RUN, ...quickest, ...given], {
    encoding: "utf8",
  });
  return { code: status, text: stdout, error: stderr };
}

function part(name: string, ...given: readonly string[]): PartResult {
  const { code, text, error } = bench("--only", name, "--json", ...given);
  expect(code, error).toBe(0);
  const { results } = JSON.parse(text) as { results: (PartResult & { part: string })[] };
  expect(results.map((result) => result.part)).toEqual([name]);
  return results[0];
}

/** The number that a cell begins with. */
const leading = (cell: string): number => Number.parseFloat(cell.replaceAll(",", ""));

test("peers: a workload has a row of its own, and one per peer with its ratio or a next step", () => {
  const names = ["c++"];
  const { rows, skipped, targets } = part("peers", "--workload", "C", "J", "--peer", ...names);
  expect(rows.length).toBe(2 * (1 + names.length - skipped.length));
  for (const [workload, , rate, ratio] of rows) {
    expect(leading(rate)).toBeGreaterThan(0);
    if (workload === "") expect(ratio).toMatch(/^\d+\.\d\d \(/);
  }
  expect(targets[0].what).toBe("C, events per second");
});

test("peers: SimPy that is not installed is skipped with the next step", () => {
  const given = ["--workload", "A", "--peer", "simpy", "--python", "no-such-python"];
  const { rows, skipped } = part("peers", ...given);
  expect(rows.length).toBe(1);
  expect(skipped).toEqual([expect.stringMatching(/^simpy .* install simpy, then --python DIR/)]);
});

test.each([
  ["replicas", 3],
  ["memory", 1],
  ["start", 1],
  ["sweep", 1],
] as const)("%s: figures above nothing, and what is asked beside them", (name, targetCount) => {
  const { head, rows, targets, skipped } = part(name);
  expect(skipped).toEqual([]);
  for (const row of rows) {
    expect(row.length).toBe(head.length);
    for (const cell of row.slice(1)) expect(leading(cell), cell).toBeGreaterThan(0);
  }
  expect(targets.length).toBe(targetCount);
  for (const { asked, found } of targets) expect(`${asked} ${found}`).not.toContain("NaN");
});

test.skipIf(!needs("simpy", tryToRun("python3", "-c", "import simpy") !== null))(
  "whole-process: both ways of simulating the same, and their ratio",
  () => {
    const { rows } = part("whole-process");
    expect(rows.length).toBe(1);
    for (const cell of rows[0]) expect(leading(cell), cell).toBeGreaterThan(0);
  },
);

test("the text form shows a target's figure and does not judge it at another scale", () => {
  const { code, text } = bench("--only", "start");
  expect(code).toBe(0);
  expect(text).toMatch(/whole process at 1,000 requests: \d+ ms, asked at most 250 ms: not judged/);
});

test("a part that there is not is named, with those that there are", () => {
  const { code, error } = bench("--only", "memroy");
  expect(code).toBe(2);
  expect(error).toMatch(/Given: "memroy", Choices: "peers", "replicas", "memory"/);
});
