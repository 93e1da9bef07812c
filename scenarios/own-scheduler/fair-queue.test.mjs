// Run it in this folder with `node --test`.
import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

// The installed package, else the one that wrote this file.
const { play, scenario, simulate } = await import("tandem-serving").catch(
  () => import("tandem-library"),
);

const file = fileURLToPath(new URL("scenario.yaml", import.meta.url));
// More than the replicas can serve, so that both pipelines always wait.
const overload = { "workload.ratePerS": 400, "workload.requests": 2000, "run.replications": 2 };

test("keeps the rules of every scheduler in 50 random runs", async () => {
  const loaded = await scenario(file, { sweep: {} });
  for (let run = 0; run < 50; run++) assert.equal(play(loaded, run), null);
});

test("serves the pipeline of greater weight sooner under overload", async () => {
  const weights = (gold) => ({ sweep: {}, "scheduler.parameters.weights.gold": gold });
  const waits = async (gold) => {
    const result = await simulate(await scenario(file, { ...overload, ...weights(gold) }));
    const { gold: served, free } = result.pipelines;
    return free.latencyMeanMs.mean / served.latencyMeanMs.mean;
  };
  assert.ok(Math.abs((await waits(1)) - 1) < 0.2, "equal weights: equal waits");
  assert.ok((await waits(3)) > 1.5, "three times the weight: much shorter waits");
});
