/** SIGKILL at any point of a sweep: the same command goes on, to results equal to the bit. */
import { mkdirSync, readdirSync, rmSync, statSync, truncateSync, watch } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import { Workplace } from "./command-line.test-support.ts";
import { SUMMARY_TABLES } from "./parquet.ts";
import { openQuery } from "./query.ts";

const SCENARIO = {
  name: "killed",
  pipelines: { p: { tasks: { serve: { model: "server" } } } },
  models: { server: { service: { distribution: "exponential", meanMs: 10 } } },
  cluster: { replicas: { serve: 2 } },
  workload: { arrivals: "poisson", ratePerS: 100, requests: 1000 },
  run: { seed: 1, replications: 3 },
  sweep: {
    "workload.ratePerS": { from: 61, to: IS_LONG ? 180 : 120, step: 1 },
  },
};

const KILLS = IS_LONG ? 6 : 2;
const THREADS = IS_LONG ? ["1", "2"] : ["2"];
/** A kill may come too late, but not so often. */
const MOST_RUNS = 20;

/** Everything that a sweep leaves, as text: results.json and the rows of every table. */
async function resultsOf(workplace: Workplace, out: string): Promise<string> {
  const parts = [workplace.read(`${out}/results.json`)];
  for (const table of [...SUMMARY_TABLES, "requests"]) {
    const { blocks, close } = await openQuery(
      join(workplace.folder, out),
      `from ${table} order by all`,
    );
    for await (const rows of blocks) parts.push(JSON.stringify(rows));
    close();
  }
  return parts.join("\n");
}

describe("a sweep that is killed", () => {
  let workplace: Workplace;
  let whole: string;

  beforeAll(async () => {
    workplace = new Workplace(SCENARIO);
    expect((await run("whole", "2")).code).toBe(0);
    whole = await resultsOf(workplace, "whole");
  });
  afterAll(() => workplace.remove());

  function run(out: string, workers: string) {
    return workplace.start(argumentsFor(out, workers)).exit;
  }

  const store = (out: string): string => join(workplace.folder, out, "configurations.jsonl");

  /**
   * Runs until `when` asks for a kill; whether that came in time. A sweep that has ended before is
   * whole, and the next one starts with nothing.
   */
  async function killed(
    out: string,
    workers: string,
    when: (kill: () => void, folder: string) => () => void,
  ): Promise<boolean> {
    const folder = join(workplace.folder, out);
    mkdirSync(folder, { recursive: true });
    const { child, exit } = workplace.start(argumentsFor(out, workers));
    const stop = when(() => child.kill("SIGKILL"), folder);
    const { code } = await exit;
    stop();
    if (code === null) return true;
    expect(await resultsOf(workplace, out)).toBe(whole);
    rmSync(folder, { recursive: true });
    return false;
  }

  test.each(THREADS)("at random moments, on %s threads, ends as if it never was", async (n) => {
    const out = `random-${n}`;
    let kills = 0;
    // A thread's share of the work takes longer than start-up, so most kills fall into the work.
    for (let runs = 0; kills < KILLS && runs < MOST_RUNS; runs++) {
      const grown = sizeOf(store(out)) + 1 + Math.random() * 60_000;
      const wasKilled = await killed(out, n, (kill) => {
        const poll = setInterval(() => {
          if (sizeOf(store(out)) >= grown) kill();
        }, 2);
        return () => clearInterval(poll);
      });
      if (!wasKilled) continue;
      kills++;
      // A write that the kill cut short leaves any length of its last line.
      const size = sizeOf(store(out));
      if (kills % 2 === 0) truncateSync(store(out), cutShort(size));
    }
    expect(kills).toBe(KILLS);
    expect((await run(out, n)).code).toBe(0);
    expect(await resultsOf(workplace, out)).toBe(whole);
    expect(leftovers(out)).toEqual([]);
  });

  if (IS_LONG) {
    test("at the moment a file is written, ends as if it never was", async () => {
      const tables = ["configurations.parquet.part", "metrics.parquet"];
      const files = ["configurations.jsonl.part", "results.json.part", ...tables];
      for (const file of [...files, "replications.parquet.part"]) {
        let wasKilled = false;
        for (let runs = 0; !wasKilled && runs < MOST_RUNS; runs++) {
          wasKilled = await killed("files", "2", (kill, folder) => {
            const watcher = watch(folder, (_, name) => {
              if (name === file) kill();
            });
            return () => watcher.close();
          });
        }
        expect(wasKilled, `killed at ${file}`).toBe(true);
      }
      expect((await run("files", "2")).code).toBe(0);
      expect(await resultsOf(workplace, "files")).toBe(whole);
      expect(leftovers("files")).toEqual([]);
    });
  }

  function leftovers(out: string): readonly string[] {
    return readdirSync(join(workplace.folder, out)).filter((name) => name.endsWith(".part"));
  }
});

function argumentsFor(out: string, workers: string): readonly string[] {
  return ["simulate", "scenario.yaml", "--out", out, "--workers", workers, "--requests"];
}

function cutShort(size: number): number {
  return Math.max(0, size - Math.floor(Math.random() * 900));
}

function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}
