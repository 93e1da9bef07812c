/** Models that take tensors are calibrated and validated on tensors, given in a file or at random. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { temporaryFolder } from "../checks/support/temporary-folder.test-support.ts";
import { IS_LONG } from "../checks/support/test-form.test-support.ts";
import { chain, writeScaling } from "../cluster/backends.test-support.ts";
import { measuredRun } from "../cluster/deploy/measured-run.ts";
import { withDeployment } from "../cluster/deployment.test-support.ts";
import { floatsOf } from "../models/tensor.ts";
import { collectInputs, contentsFor } from "./contents.ts";
import { type ModelWorker, startModelWorker } from "./model-worker.ts";

const folder = temporaryFolder("tensors");
const file = join(folder, "given.json");
const workers = new Map<string, ModelWorker>();
const implementations = { double: { onnx: "double.onnx" }, tenfold: { onnx: "tenfold.onnx" } };
const document = chain(implementations, {
  workload: { arrivals: "poisson", ratePerS: 100, requests: 40 },
});

beforeAll(async () => {
  writeScaling(folder, "double.onnx", "x", "y", 2);
  writeScaling(folder, "tenfold.onnx", "y", "z", 10);
  const row = (first: number) => ({
    inputs: [{ name: "x", datatype: "FP32", shape: [1, 3], data: [first, 2, 3] }],
  });
  writeFileSync(file, JSON.stringify([row(1), row(-1)]));
  for (const [name, model] of Object.entries(document.models)) {
    workers.set(name, await startModelWorker(name, model, folder));
  }
});
afterAll(async () => {
  await Promise.all([...workers.values()].map((worker) => worker.stop()));
});

describe("a pipeline of tensors", () => {
  it("is walked with what was given, and each model hands its tensors on", async () => {
    const contents = await contentsFor(document, workers, { inputs: file });
    const { inputs, ran } = await collectInputs(document, workers, contents);
    expect(ran.p.map((tasks) => [...tasks])).toEqual([
      ["double", "tenfold"],
      ["double", "tenfold"],
    ]);
    const handedOn = (inputs.get("tenfold") ?? []).map(({ tensors }) => [
      ...floatsOf(tensors.double[0]),
    ]);
    expect(handedOn).toEqual([
      [2, 4, 6],
      [-2, 4, 6],
    ]);
    const batch = inputs.get("tenfold") ?? [];
    const { outputs } = await (workers.get("tenfold") as ModelWorker).call(batch);
    expect(outputs.map(({ tensors }) => [...floatsOf(tensors[0])])).toEqual([
      [20, 40, 60],
      [-20, 40, 60],
    ]);
  });

  it("keeps a model busy for as long as it is told, and tells the mean of its runs", async () => {
    const contents = await contentsFor(document, workers, { inputs: file });
    const { inputs } = await collectInputs(document, workers, contents);
    const [job] = inputs.get("tenfold") ?? [];
    const startMs = performance.now();
    const { outputs, serviceUs } = await (workers.get("tenfold") as ModelWorker).call([job], 5e5);
    const passedUs = (performance.now() - startMs) * 1000;
    expect(passedUs).toBeGreaterThanOrEqual(5e5);
    expect(serviceUs).toBeLessThan(passedUs / 2);
    expect(outputs).toHaveLength(1);
  });

  it("gets tensors at random where none are given, the same each time", async () => {
    const contents = await contentsFor(document, workers, {});
    expect(contents.p.length).toBeGreaterThan(1);
    expect(contents.p[0].inputs).toEqual([{ name: "x", datatype: "FP32", shape: [1, 3] }]);
    expect(await contentsFor(document, workers, {})).toEqual(contents);
  });

  if (IS_LONG) {
    it("serves a measured run", async () => {
      const contents = await contentsFor(document, workers, {});
      const inputs = { profiles: {}, folder };
      await withDeployment({ document, inputs, backend: "onnx" }, async (deployment) => {
        const { outcomes, summary } = await measuredRun(deployment, {
          document,
          inputs,
          seed: "1/0",
          contents: (pipeline) => contents[pipeline],
        });
        expect(outcomes).toMatchObject({ completed: 40 });
        expect(Object.keys(summary.tasks)).toEqual(["double", "tenfold"]);
      });
    });
  }

  it("that cannot take a file's tensors is refused, with the model's name", async () => {
    const wrong = join(folder, "wrong.json");
    const inputs = [{ name: "x", datatype: "FP32", shape: [1, 2], data: [1, 2] }];
    writeFileSync(wrong, JSON.stringify({ inputs }));
    const contents = await contentsFor(document, workers, { inputs: wrong });
    await expect(collectInputs(document, workers, contents)).rejects.toMatchObject({
      code: "invalid-input",
      message: expect.stringContaining("model double cannot read an input"),
    });
  });
});
