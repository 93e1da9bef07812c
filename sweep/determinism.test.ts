/** The same seed gives the same run: in one process, in another, on any number of threads. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import type { ConfigurationResult } from "../results/documents.ts";
import { parseScenario } from "../scenario/parse.ts";
import { configurationsOf, type Exit, Workplace } from "./command-line.test-support.ts";
import { MemoryStore, recordsOf } from "./records.ts";
import { runSweep } from "./run-sweep.ts";

const SCENARIO = {
  name: "determinism",
  pipelines: {
    p: {
      tasks: {
        first: { model: "steady" },
        second: { model: "ragged", after: ["first"], when: { probability: 0.6 } },
      },
    },
  },
  models: {
    steady: { service: { distribution: "lognormal", meanMs: 10, cv: 0.5 } },
    ragged: { service: { distribution: "gamma", meanMs: 8, cv: 1.5 } },
  },
  cluster: {
    replicas: { first: 4, second: 2 },
    network: { rttMs: 0.3, clientRttMs: 0.5 },
    gateway: { arrivalUs: 50, dispatchUs: 80, completionUs: 60 },
  },
  workload: { arrivals: "poisson", ratePerS: 250, requests: IS_LONG ? 2000 : 500 },
  run: { seed: 5, replications: 4 },
  sweep: { scheduler: ["fifo", "random", "power-of-two", "seed-batching"] },
};

async function inThisProcess(seed: number): Promise<readonly ConfigurationResult[]> {
  const noFile = (path: string): string => {
    throw new Error(`no file ${path}`);
  };
  const loaded = parseScenario(JSON.stringify(SCENARIO), "scenario.yaml", noFile, {
    "run.seed": seed,
  });
  const store = new MemoryStore();
  await runSweep({ plan: { loaded }, threads: 1, store });
  return [...recordsOf(store, 4)].map(({ result }) => result);
}

describe("a run of the same seed", () => {
  let workplace: Workplace;
  let once: readonly ConfigurationResult[];

  beforeAll(async () => {
    workplace = new Workplace(SCENARIO);
    once = await inThisProcess(5);
  });
  afterAll(() => workplace.remove());

  test("has the same digests twice in one process, one for each scheduler", async () => {
    expect(await inThisProcess(5)).toEqual(once);
    expect(new Set(once.map(({ digest }) => digest)).size).toBe(4);
  });

  test.each(IS_LONG ? [1, 2, 3] : [2])(
    "has the same results in a process with %i threads",
    async (threads) => {
      const out = `out-${threads}`;
      const options = ["--json", "--workers", String(threads), "--out", out];
      const exit: Exit = await workplace.simulate(options);
      expect(exit.stderr).not.toContain("tandem:");
      expect(exit.code).toBe(0);
      expect(configurationsOf(exit.stdout)).toEqual(JSON.parse(JSON.stringify(once)));
    },
  );

  test("has other digests under another seed, in every configuration", async () => {
    const other = await inThisProcess(6);
    other.forEach(({ digest }, i) => {
      expect(digest).not.toBe(once[i].digest);
    });
  });

  test("has replications that differ from one another", () => {
    for (const { metrics } of once) {
      expect(metrics.latencyMeanMs?.halfWidth95).toBeGreaterThan(0);
    }
  });
});
