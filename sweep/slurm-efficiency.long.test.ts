/**
 * The efficiency of a sweep on Slurm: the same shards, as many at once, as plain processes and on four emulated
 * nodes. Four minutes alone on a machine: `TANDEM_MEASURE=sweep TANDEM_TESTS=long npx vitest run sweep/slurm-efficiency`
 */

import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { stringify } from "yaml";
import { needs } from "../checks/support/needs.test-support.ts";
import { hasSlurm, SlurmLab } from "../checks/support/slurm-lab.test-support.ts";
import { Workplace } from "./command-line.test-support.ts";
import { inLanes } from "./lanes.ts";

const SHARDS = 8;
const SHARD_S = 30;
const NODES = 4;
const TRIAL_REPLICATIONS = 4;
/** Time that a command takes before its first request. */
const START_S = 0.4;
const SCENARIO = {
  name: "efficiency",
  pipelines: { p: { tasks: { serve: { model: "server" } } } },
  models: { server: { service: { distribution: "exponential", meanMs: 10 } } },
  cluster: { replicas: { serve: 2 } },
  workload: { arrivals: "poisson", ratePerS: 100, requests: 2_000_000 },
  run: { seed: 1, replications: TRIAL_REPLICATIONS },
};

const isAsked = process.env.TANDEM_MEASURE === "sweep";

test.skipIf(!needs("TANDEM_MEASURE=sweep", isAsked) || !hasSlurm())(
  "a sweep on four nodes takes about as long as its shards as processes",
  async () => {
    const workplace = new Workplace(SCENARIO);
    const lab = await SlurmLab.start({ cores: 1 });
    process.env.SLURM_CONF = lab.configuration;
    const write = (name: string, text: string): void =>
      writeFileSync(join(workplace.folder, name), text);
    const seconds = async (...words: readonly string[]): Promise<number> => {
      const startMs = performance.now();
      const { code, stderr } = await workplace.start(["simulate", ...words]).exit;
      expect(code, stderr).toBe(0);
      return (performance.now() - startMs) / 1000;
    };
    try {
      // Each processor has one, as later.
      const trials = Array.from({ length: availableParallelism() }, (_, i) =>
        seconds("scenario.yaml", "--workers", "1", "--out", `trial-${i}`),
      );
      const trialS = Math.max(...(await Promise.all(trials))) - START_S;
      const replications = Math.ceil((TRIAL_REPLICATIONS * SHARD_S) / trialS);
      const sweep = { "workload.ratePerS": { from: 100, to: 100 + SHARDS - 1, step: 1 } };
      write("sweep.yaml", stringify({ ...SCENARIO, run: { seed: 1, replications }, sweep }));
      write("slurm.yaml", "kind: slurm\npartition: p\n");
      const cut = ["--shards", String(SHARDS)];
      const took: Record<string, number> = {};
      const startMs = performance.now();
      await inLanes(Array(SHARDS).keys(), NODES, (i) =>
        seconds("sweep.yaml", "--shard", `${i}/${SHARDS}`, "--out", "processes"),
      );
      took.processes = (performance.now() - startMs) / 1000;
      expect((await workplace.start(["gather", "processes"]).exit).code).toBe(0);
      took.slurm = await seconds("sweep.yaml", "--on", "slurm.yaml", ...cut, "--out", "slurm");
      for (const [name, s] of Object.entries(took)) {
        const own = shardSeconds(join(workplace.folder, name, "shards"));
        console.log(`${name}: ${s.toFixed(1)} s; shards of ${own.join(", ")} s`);
      }
      console.log(`efficiency: ${(took.processes / took.slurm).toFixed(3)}`);
      expect(workplace.read("slurm/results.json")).toBe(workplace.read("processes/results.json"));
    } finally {
      delete process.env.SLURM_CONF;
      await lab.close();
      workplace.remove();
    }
  },
  900_000,
);

function shardSeconds(folder: string): readonly string[] {
  const records = readdirSync(folder).filter((name) => /^\d+\.json$/.test(name));
  return records.map((name) => {
    const { seconds } = JSON.parse(readFileSync(join(folder, name), "utf8"));
    return (seconds as number).toFixed(0);
  });
}
