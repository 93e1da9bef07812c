/** A scheduler of the user's own on real workers: the gateway loads it from its text at its start. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { importTexts } from "../build/import-text.ts";
import { RunLog } from "../engine/dispatch/run-log.ts";
import { replayLog } from "../engine/record/replay.ts";
import { compileSystem } from "../scenario/compile/compile.ts";
import { scenarioSchema } from "../scenario/schema/scenario.ts";
import { createScheduler } from "../schedulers/create-scheduler.ts";
import { ownScheduler } from "../schedulers/own-scheduler.ts";
import { withDeployment } from "./deployment.test-support.ts";
import { inJson } from "./in-json.test-support.ts";
import { run } from "./measured-run.test-support.ts";
import { getJson } from "./security/client-access.ts";

const FILE = "./fair-queue.mjs";
const TEXT = readFileSync(join(import.meta.dirname, "../scenarios/own-scheduler", FILE), "utf8");

/** Two pipelines share two replicas at eight fifths of what these can serve. */
const document = scenarioSchema.parse({
  name: "own",
  pipelines: {
    gold: { tasks: { answer: { model: "m" } }, share: 0.5 },
    free: { tasks: { answer: { model: "m" } }, share: 0.5 },
  },
  models: { m: { service: { distribution: "exponential", meanMs: 20 } } },
  cluster: { replicas: { answer: 2 } },
  scheduler: { file: FILE, parameters: { weights: { gold: 3 } } },
  workload: { arrivals: "poisson", ratePerS: 160, requests: 320 },
  run: { seed: 7 },
});

const inputsWith = (text: string) => ({
  profiles: {},
  traces: {},
  schedulerFiles: { [FILE]: text },
});

test("a real deployment decides by it, its log replays, and no request brings another", async () => {
  const own = await importTexts({ [FILE]: TEXT }, ownScheduler);
  const inputs = inputsWith(TEXT);
  const options = { document, inputs, backend: "replay", seed: "7/0" } as const;
  await withDeployment(options, async (deployment) => {
    const measured = await run(deployment, document, { inputs });
    expect(measured.outcomes).toMatchObject({ completed: 320, failed: 0 });
    const system = compileSystem(document, inputs);
    const scheduler = createScheduler(document.scheduler, system, "7/0", own);
    expect(replayLog(system, scheduler, RunLog.parse(measured.log)).divergence).toBeNull();
    const { pipelines } = measured.summary;
    const [gold, free] = ["gold", "free"].map((name) => pipelines[name].latencyMeanMs);
    expect(free).toBeGreaterThan(1.1 * gold);

    const url = `${deployment.gateway.http}/v1/scheduler`;
    const put = (scheduler: unknown) => fetch(url, inJson("PUT", { scheduler }));
    const brought = await put({ file: FILE });
    expect(brought.status).toBe(400);
    expect(await brought.text()).toContain("is code, which no request can bring");
    expect((await getJson(url)).value).toEqual({ scheduler: document.scheduler });
    expect((await put("fifo")).status).toBe(200);
  });
});

test("where it fails, fifo takes over, and every request is answered", async () => {
  const failing = 'if (view.nowUs > 5e5) throw new Error("late"); const next';
  const inputs = inputsWith(TEXT.replace("const next", failing));
  const workload = { ...document.workload, requests: 160 } as typeof document.workload;
  const shorter = { ...document, workload };
  const lines: string[] = [];
  const onEvent = (line: string): number => lines.push(line);
  const options = { document: shorter, inputs, backend: "replay", seed: "7/0", onEvent } as const;
  await withDeployment(options, async (deployment) => {
    const measured = await run(deployment, shorter, { inputs });
    expect(measured.outcomes).toMatchObject({ completed: 160, failed: 0 });
    const own = await importTexts(inputs.schedulerFiles, ownScheduler);
    const system = compileSystem(shorter, inputs);
    const [first, fifo] = [shorter.scheduler, "fifo"].map((one) =>
      createScheduler(one, system, "7/0", own),
    );
    const { divergence, failure } = replayLog(system, first, RunLog.parse(measured.log), [fifo]);
    expect(divergence).toBeNull();
    expect(failure).toMatch(/controller "fair-queue", in decide: late \(line \d+\)/);
    const { value } = await getJson(`${deployment.gateway.http}/v1/scheduler`);
    expect(value).toEqual({ scheduler: "fifo" });
    expect(deployment.crashes).toEqual([]);
  });
});
