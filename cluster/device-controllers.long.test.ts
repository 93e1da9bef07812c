/** Controllers of devices on a real cluster with replay workers: the same decisions, nothing lost. */
import { expect, it } from "vitest";
import { compileSystem } from "../core/compile.ts";
import { RunLog } from "../core/run-log.ts";
import { type ScenarioDocument, scenarioSchema } from "../core/scenario/schema.ts";
import { NO_INPUTS, withDeployment } from "./deployment.test-support.ts";
import { divergence, run } from "./measured-run.test-support.ts";

/** Three models share two devices; one of them is loaded by demand, which takes workers no time. */
const document = (scheduler: string): ScenarioDocument =>
  scenarioSchema.parse({
    name: "devices",
    pipelines: Object.fromEntries(
      ["a", "b", "c"].map((name) => [
        name,
        { slo: { latencyMs: 30_000 }, tasks: { [name]: { model: name } } },
      ]),
    ),
    models: Object.fromEntries(
      ["a", "b", "c"].map((name, i) => [
        name,
        {
          service: {
            distribution: "deterministic",
            meanMs: 5 + 5 * i,
            batch: { marginal: 0.3, max: 16 },
          },
          loadMs: i === 2 ? 4 : 0,
        },
      ]),
    ),
    cluster: {
      nodes: [{ name: "host", devices: { gpu: { slots: 2, shared: true } } }],
      replicas: { a: 2, b: 2, c: 2 },
    },
    workload: { arrivals: "poisson", ratePerS: 60, requests: 120 },
    scheduler,
  });

it("each answers every request, runs one batch at a time on a device, and replays", async () => {
  const first = document("fifo");
  await withDeployment({ document: first, backend: "replay" }, async (deployment) => {
    for (const preset of ["clockwork", "shepherd", "nexus"]) {
      const scenario = document(preset);
      const { outcomes, log } = await run(deployment, scenario);
      // The goal is as long as that of a busy machine has to be.
      expect(outcomes.completed, preset).toBe(120);
      expect(divergence(scenario, log)).toBeNull();
      const { replicas } = compileSystem(scenario, NO_INPUTS);
      const busy = new Set<number>();
      for (const [kind, replica] of RunLog.parse(log).entries) {
        if (kind !== "start" && kind !== "finish") continue;
        const { slot } = replicas[replica];
        if (kind === "start") {
          expect(busy.has(slot), "a device runs one batch").toBe(false);
          busy.add(slot);
        } else busy.delete(slot);
      }
    }
  });
});
