import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { expect, test } from "vitest";
import { othersShare, sampleHost } from "./host-load.ts";

const sample = (busyTicks: number, ownTicks: number, atMs: number) => ({
  busyTicks,
  ownTicks,
  atMs,
});

test("what the watched processes used is not the others'", () => {
  const before = sample(1000, 100, 0);
  expect(othersShare(before, sample(1200, 300, 1000), 0)).toBe(0);
  const half = othersShare(before, sample(1200, 200, 1000), 0);
  expect(half).toBeGreaterThan(0);
  expect(othersShare(before, sample(1200, 200, 1000), 0.5e6)).toBeCloseTo(half / 2, 10);
});

test.skipIf(!existsSync("/proc/stat"))(
  "a busy stranger is seen, a watched one is not",
  async () => {
    const spin = spawn(process.execPath, ["-e", "const e=Date.now()+1500;while(Date.now()<e);"]);
    const pid = spin.pid as number;
    const [strange, watched] = [sampleHost([process.pid]), sampleHost([process.pid, pid])];
    await new Promise((resolve) => setTimeout(resolve, 1000));
    const [strangeAfter, watchedAfter] = [
      sampleHost([process.pid]),
      sampleHost([process.pid, pid]),
    ];
    spin.kill();
    if (strange === null || watched === null || strangeAfter === null || watchedAfter === null) {
      throw new Error("the host did not tell");
    }
    const unseen = othersShare(watched, watchedAfter, 0);
    expect(othersShare(strange, strangeAfter, 0)).toBeGreaterThan(unseen + 0.1);
  },
);

test("a process that is gone gives no sample", () => {
  expect(sampleHost([2 ** 30])).toBeNull();
});
