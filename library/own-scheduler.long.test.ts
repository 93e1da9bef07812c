/** A validation of a scheduler of the user's own that fails in real runs alone. */
import { expect, test } from "vitest";
import { importTexts } from "../build/import-text.ts";
import { validateConfiguration } from "../calibration/validate.ts";
import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import { scenarioSchema } from "../scenario/schema/scenario.ts";
import { ownScheduler } from "../schedulers/own-scheduler.ts";

/** In the simulator a batch takes its expected time exactly; in the gateway never. */
const TEXT = `export default ({ defineController }) => ({
  controller: defineController({
    name: "trusting",
    create: () => {
      let late = 0;
      return {
        pools: [], scales: [], timers: 0,
        finished({ startedUs, nowUs, expectedUs }) {
          if (nowUs - startedUs !== expectedUs && ++late > 5) throw new Error("late again");
        },
      };
    },
  }),
});`;

test("is not judged, for the reason that it gave, and its logs replay", async () => {
  const schedulerFiles = { "./own.mjs": TEXT };
  const own = await importTexts(schedulerFiles, ownScheduler);
  const document = scenarioSchema.parse({
    name: "own",
    pipelines: { p: { tasks: { a: { model: "m" } } } },
    models: { m: { service: { distribution: "deterministic", meanMs: 20 } } },
    cluster: { replicas: { a: 2 } },
    scheduler: { file: "./own.mjs" },
    workload: { arrivals: "poisson", ratePerS: 30, requests: 40 },
  });
  const { result } = await validateConfiguration({
    configuration: { id: "c", parameters: {}, document },
    inputs: { profiles: {}, traces: {}, schedulerFiles, own },
    backend: "replay",
    repeats: 3,
    timeScale: 1,
    tolerance: { latencyMeanMs: 0.05 },
    contents: () => [payloadRequest(new Uint8Array(10))],
  });
  expect(result.verdict).toBe("cannot tell");
  expect(result.judgements.latencyMeanMs?.reason).toMatch(
    /^fifo took over from a scheduler that failed: own\.mjs: controller "trusting", in finished: late again \(line \d+\)$/,
  );
  expect((result.notes ?? []).join("\n")).not.toContain("decision replay differs");
});
