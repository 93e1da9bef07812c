import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import { entryPoint } from "../processes/link.ts";
import { NO_STALLS, type Stalls, stallsTogether } from "./stall-watch.ts";

const WATCH = `
  import { watchStalls } from ${JSON.stringify(entryPoint("time/stall-watch").href)};
  const watch = watchStalls(process.argv[1] === "spin");
  setTimeout(() => process.stdout.write("watching"), 1000);
  process.stdin.once("data", async () => {
    process.stdout.write(JSON.stringify(await watch.stop()));
    process.exit();
  });
`;

const STOPS = 5;

test.each(["sleep", "spin"])(
  "a stopped process counts as a stall (%s)",
  { timeout: 20_000 },
  async (mode) => {
    const child = spawn(process.execPath, ["--input-type=module", "-e", WATCH, mode], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    await once(child.stdout, "data");
    // On a crowded machine the thread may not watch yet when the process is stopped for the first time.
    for (let stop = 0; stop < STOPS; stop++) {
      child.kill("SIGSTOP");
      await new Promise((resolve) => setTimeout(resolve, 300));
      child.kill("SIGCONT");
      await new Promise((resolve) => setTimeout(resolve, 700));
    }
    child.stdin.write("stop");
    const [text] = await once(child.stdout, "data");
    const { count, longestMs, totalMs, seconds } = JSON.parse(String(text)) as Stalls;
    expect(count).toBeGreaterThan(0);
    // On a crowded machine the thread stops later, and waits before it goes on.
    expect(longestMs).toBeGreaterThan(100);
    expect(totalMs).toBeGreaterThanOrEqual(longestMs);
    expect(totalMs).toBeLessThan(seconds * 1000);
  },
);

test("several watches sum their stalls and keep the longest", () => {
  const one: Stalls = { ...NO_STALLS, seconds: 2, count: 1, longestMs: 5, totalMs: 5 };
  const two: Stalls = { ...NO_STALLS, seconds: 2, count: 2, longestMs: 9, totalMs: 12 };
  expect(stallsTogether([one, two])).toMatchObject({
    seconds: 4,
    count: 3,
    longestMs: 9,
    totalMs: 17,
  });
});
