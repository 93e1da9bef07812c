import { afterAll, beforeAll, expect, test } from "vitest";
import { profileSchema } from "../core/profile.ts";
import { modelSchema } from "../core/scenario/schema/pipelines.ts";
import { paceMeter } from "./measure-service.ts";
import { type JobInput, type ModelWorker, startModelWorker } from "./model-worker.ts";

let worker: ModelWorker;
beforeAll(async () => {
  const document = modelSchema.parse({ profile: "p.json", implementation: { name: "no-op" } });
  worker = await startModelWorker("no-op", document, undefined);
});
afterAll(() => worker.stop());

const input: JobInput = { payload: new Uint8Array(8), upstream: "{}", tensors: {} };

/** Calibrated at so many µs a call, if calibration had as many inputs. */
function profile(meanUs: number, inputMeansUs?: readonly number[]) {
  return profileSchema.parse({
    schema: "tandem/profile@1",
    provenance: {
      ...{ kind: "measured", model: "no-op", device: "cpu", host: "h" },
      ...{ runtime: "r", date: "2025-01-01" },
    },
    servingFactor: 2,
    batches: [{ batch: 1, samples: 1, meanUs, halfWidth95Us: 0, quantilesUs: [meanUs] }],
    ...(inputMeansUs === undefined ? {} : { inputMeansUs }),
  });
}

test("a burst compares a model's calls with those of its own inputs at calibration", async () => {
  const pace = async (given: ReturnType<typeof profile>) => {
    const target = { model: "no-op", worker, inputs: [input, input], profile: given };
    return (await paceMeter([target])())["no-op"].mean;
  };
  // A call of some µs, against hours, against half of hours, and against a thousandth of a µs.
  expect(await pace(profile(1e10))).toBeLessThan(0.01);
  expect(await pace(profile(1e10, [0.001, 0.001]))).toBeGreaterThan(1);
  expect(await pace(profile(1e10, [0.001, 0.001, 0.001]))).toBeLessThan(0.01);
});

test("models without inputs have no pace", async () => {
  const target = { model: "no-op", worker, inputs: [], profile: profile(1) };
  expect(await paceMeter([target])()).toEqual({});
});
