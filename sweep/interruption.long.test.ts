/** Ctrl-C during a sweep keeps what is finished; the same command completes it. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { configurationsOf, type Exit, Workplace } from "./command-line.test-support.ts";

const COUNT = 40;
/** A Ctrl-C may come too late, but not so often. */
const MOST_RUNS = 10;

const SCENARIO = {
  name: "interruption",
  pipelines: { p: { tasks: { serve: { model: "server" } } } },
  models: { server: { service: { distribution: "exponential", meanMs: 10 } } },
  cluster: { replicas: { serve: 2 } },
  workload: { arrivals: "poisson", ratePerS: 100, requests: 12_000 },
  run: { seed: 1, replications: 2 },
  sweep: { "workload.ratePerS": { from: 100, to: 100 + COUNT - 1, step: 1 } },
};

describe("a sweep that is interrupted", () => {
  let workplace: Workplace;
  beforeAll(() => {
    workplace = new Workplace(SCENARIO);
  });
  afterAll(() => workplace.remove());

  const optionsFor = (threads: string, out: string): string[] => [
    ...["--json", "--workers", threads, "--out", out],
  ];

  /** A sweep that Ctrl-C finds at work; one that was done before is left, and another started. */
  async function interrupted(threads: string): Promise<{ out: string; cut: Exit }> {
    for (let run = 1; ; run++) {
      const out = `part-${threads}-${run}`;
      let asked = false;
      const cut = await workplace.simulate(optionsFor(threads, out), (text, child) => {
        if (asked || !text.includes("simulate: ")) return;
        // Once: a second Ctrl-C would stop at once.
        asked = true;
        child.kill("SIGINT");
      });
      if (cut.code !== 0 || run === MOST_RUNS) return { out, cut };
    }
  }

  test.each(["1", "2"])("on %s threads ends with 130, and then completes", async (threads) => {
    const { out, cut } = await interrupted(threads);
    const options = optionsFor(threads, out);
    const kept = (): number => workplace.read(`${out}/configurations.jsonl`).split("\n").length - 2;
    expect(cut.code).toBe(130);
    expect(cut.stdout, "nothing half-written on stdout").toBe("");
    expect(workplace.has(`${out}/results.json`), "nor in the folder").toBe(false);
    expect(cut.stderr).toMatch(/interrupted: \d+ of 40 configurations kept/);
    expect(cut.stderr).toContain("the same command goes on from there");
    const finished = kept();
    expect(finished).toBeGreaterThan(0);
    expect(finished).toBeLessThan(COUNT);
    expect(cut.stderr).toContain(`interrupted: ${finished} of`);

    const rest = await workplace.simulate(options);
    expect(rest.code).toBe(0);
    expect(kept()).toBe(COUNT);
    const whole = await workplace.simulate(["--json", "--workers", "2", "--out", `all-${threads}`]);
    expect(configurationsOf(rest.stdout)).toEqual(configurationsOf(whole.stdout));
  });
});
