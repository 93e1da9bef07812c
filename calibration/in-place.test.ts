import { describe, expect, test } from "vitest";
import { payloadRequest } from "../cluster/load/tensor-inputs.ts";
import { scenarioSchema } from "../scenario/schema/scenario.ts";
import { representative } from "./contents.ts";
import { lightRatePerS, servedBatches, workByModel } from "./in-place.ts";
import { busiestTaskUs, inPlaceDocument } from "./in-place-document.ts";

const document = scenarioSchema.parse({
  name: "s",
  pipelines: {
    p: {
      tasks: {
        detect: { model: "detector" },
        plate: { model: "reader", after: ["detect"], when: { contains: "car", probability: 0.5 } },
      },
    },
  },
  models: {
    detector: { profile: "detector.json", implementation: { name: "no-op" } },
    reader: { profile: "reader.json", implementation: { name: "no-op" } },
  },
  cluster: { replicas: { detect: 3, plate: 2 } },
  workload: { arrivals: "poisson", ratePerS: 20, requests: 50 },
});
const assumed = new Map([
  ["detector", 20_000],
  ["reader", 60_000],
]);
const placed = inPlaceDocument({ document, assumed, branchShares: { "p/plate": 0.75 } });

test("the pipeline in place has one replica of each task, measured branches and a light load", () => {
  expect(placed.cluster.replicas).toEqual({ detect: 1, plate: 1 });
  expect(placed.pipelines.p.tasks.plate.when?.probability).toBe(0.75);
  // 45 ms of each request: a quarter of a replica's time.
  expect(lightRatePerS(busiestTaskUs(placed, assumed))).toBeCloseTo(0.25 / 0.045, 9);
  expect(lightRatePerS(10)).toBe(40);
});

const log = [
  ["start", 0, 1000, 7],
  ["served", 0, 23_000, 20_000, 2000],
  ["start", 1, 23_000, 7],
  ["start", 0, 23_000, 8, 9],
  ["served", 1, 64_000, 40_000, 1000],
  ["served", 0, 64_000, 40_000, 1000],
]
  .map((entry) => `${JSON.stringify(entry)}\n`)
  .join("");

describe("batches of a run", () => {
  test("are served in the middle of their round trips, with their jobs", () => {
    expect(servedBatches(log)).toEqual([
      { replica: 0, startUs: 2000, endUs: 22_000, jobs: 1 },
      { replica: 1, startUs: 23_500, endUs: 63_500, jobs: 1 },
      { replica: 0, startUs: 23_500, endUs: 63_500, jobs: 2 },
    ]);
  });

  test("give each model's work from batches of one job, without the slow-down by neighbours", () => {
    const inputs = { profiles: {}, traces: {} };
    expect(workByModel(placed, inputs, [1, 1.6], log)).toEqual({
      detector: 20_000,
      reader: 25_000,
    });
    expect(workByModel(placed, inputs, undefined, log)).toMatchObject({ reader: 40_000 });
  });
});

test("a few contents stand for all: each set of branches by its share, with what was collected of them", () => {
  const all = Array.from({ length: 12 }, (_, i) => payloadRequest(new Uint8Array([i])));
  const ran = all.map((_, i) => new Set(i % 3 === 0 ? ["detect"] : ["detect", "plate"]));
  const job = (i: number) => ({ payload: new Uint8Array([i]), upstream: "{}", tensors: {} });
  const cars = all.flatMap((_, i) => (i % 3 === 0 ? [] : [i]));
  const walked = {
    inputs: new Map([
      ["detect", all.map((_, i) => job(i))],
      ["plate", cars.map(job)],
    ]),
    servedUs: new Map([
      ["detect", all.map((_, i) => i)],
      ["plate", cars.map((i) => 10 * i)],
    ]),
    ran: { p: ran },
  };
  const { contents, collected } = representative({ p: all }, walked, 6);
  expect(contents.p).toHaveLength(6);
  expect(collected.ran.p.filter((tasks) => tasks.has("plate"))).toHaveLength(4);
  expect(collected.inputs.get("detect")).toHaveLength(6);
  const plates = collected.inputs.get("plate") ?? [];
  expect(collected.servedUs.get("plate")).toEqual(plates.map(({ payload }) => 10 * payload[0]));
  expect(representative({ p: all }, walked, 100).contents.p).toHaveLength(12);
});
