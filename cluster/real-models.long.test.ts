import { describe, expect, it } from "vitest";
import { drawScenes } from "../models/scenes.ts";
import { scenarioSchema } from "../scenario/schema/scenario.ts";
import { sendPayload } from "./backends.test-support.ts";
import type { Deployment } from "./deploy/deployment.ts";
import { withDeployment } from "./deployment.test-support.ts";

const assumed = { service: { distribution: "deterministic", meanMs: 30 } };
const imageAnalysis = scenarioSchema.parse({
  name: "image-analysis",
  pipelines: {
    "image-analysis": {
      tasks: {
        detect: { model: "detector" },
        plate: { model: "reader", after: ["detect"], when: { contains: "car", probability: 0.6 } },
      },
    },
  },
  models: {
    detector: { ...assumed, implementation: { name: "ssd-mobilenet-v2" } },
    reader: { ...assumed, implementation: { name: "plate-reader" } },
  },
  cluster: { replicas: { detect: 1, plate: 1 } },
  workload: { arrivals: "burst", requests: 1 },
});

interface PipelineAnswer {
  readonly outputs: Readonly<Record<string, { labels: string[]; value: { plate?: unknown } }>>;
}

async function analyse(deployment: Deployment, image: Uint8Array): Promise<PipelineAnswer> {
  const text = await sendPayload(deployment.gateway.grpc, "image-analysis", image);
  return JSON.parse(text) as PipelineAnswer;
}

describe("a deployment of real models", () => {
  it("reads the plate of a car, skips the reader without one, refuses other data", async () => {
    const scenes = await drawScenes({ count: 4, carShare: 0.5, seed: "cluster" });
    const car = scenes.find(({ truth }) => truth.car);
    const empty = scenes.find(({ truth }) => !truth.car);
    await withDeployment({ document: imageAnalysis, backend: "onnx" }, async (deployment) => {
      const [withCar, without, bad] = await Promise.allSettled([
        analyse(deployment, car?.png as Uint8Array),
        analyse(deployment, empty?.png as Uint8Array),
        analyse(deployment, Buffer.from("no image at all")),
      ]);
      expect(withCar).toMatchObject({ status: "fulfilled" });
      expect(without).toMatchObject({ status: "fulfilled" });
      const found = (withCar as PromiseFulfilledResult<PipelineAnswer>).value.outputs;
      expect(found.detect.labels).toContain("car");
      expect(JSON.stringify(found.plate.value)).toContain(car?.truth.plate);
      const nothing = (without as PromiseFulfilledResult<PipelineAnswer>).value.outputs;
      expect(nothing.detect.labels).not.toContain("car");
      expect(nothing.plate).toBeUndefined();
      expect(bad).toMatchObject({ status: "rejected", reason: { code: "invalid-input" } });
    });
  });
});
