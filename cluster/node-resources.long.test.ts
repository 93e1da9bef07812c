/** Real runs on nodes whose resources are less than all replicas need at once. */
import { expect, it } from "vitest";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { NO_INPUTS, twoTasks, withDeployment } from "./deployment.test-support.ts";
import { divergence, run } from "./measured-run.test-support.ts";

const service = { distribution: "deterministic", meanMs: 20 };
const scenario = (scheduler: string) =>
  twoTasks({
    pipelines: { B: { tasks: { b: { model: "b" } } }, A: { tasks: { a: { model: "a" } } } },
    models: {
      a: { service, demand: { cpu: 1, gb: 4 } },
      b: { service, demand: { cpu: 3, gb: 1 } },
    },
    cluster: {
      nodes: [
        { name: "n", devices: { slot: { slots: 1, shared: true } }, resources: { cpu: 5, gb: 9 } },
      ],
      replicas: { a: 4, b: 3 },
    },
    workload: { arrivals: "burst", requests: 40 },
    scheduler,
  });

it("a gateway starts no batch that does not fit, uses what there is, and its log replays", async () => {
  await withDeployment({ document: scenario("fifo"), backend: "replay" }, async (deployment) => {
    for (const scheduler of ["fifo", "drf", "mesos"]) {
      const document = scenario(scheduler);
      const { outcomes, log } = await run(deployment, document);
      expect(outcomes.completed).toBe(40);
      expect(divergence(document, log)).toBeNull();
      // Two of A and one of B fill 5 CPUs and 9 GB.
      expect(mostAtOnce(log, compileSystem(document, NO_INPUTS))).toEqual({ a: 2, b: 1 });
    }
  });
});

/** The most batches of each task that ran at once; they never took more than the node has. */
function mostAtOnce(text: string, system: ReturnType<typeof compileSystem>) {
  const running = new Set<number>();
  const most: Record<string, number> = {};
  for (const [kind, replica] of RunLog.parse(text).entries) {
    if (kind === "finish") running.delete(replica);
    if (kind !== "start") continue;
    running.add(replica);
    const pools = [...running].map((one) => system.pools[system.replicas[one].pool]);
    system.nodes[0].resources.forEach((total, r) => {
      expect(pools.reduce((sum, { demand }) => sum + demand[r], 0)).toBeLessThanOrEqual(total);
    });
    for (const { name } of pools) {
      const count = pools.filter((pool) => pool.name === name).length;
      most[name] = Math.max(most[name] ?? 0, count);
    }
  }
  return most;
}
