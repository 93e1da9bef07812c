/** Files of other tools, in the shapes that the tools write. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { Fault, type Issue } from "../engine/basics/fault.ts";
import { profileSchema } from "../scenario/schema/profile.ts";
import type { ForeignReading } from "./foreign/times.ts";
import { readForeignTimes } from "./foreign-times.ts";
import { importedProfile } from "./profiles.ts";

const read = (text: string, more: Partial<ForeignReading> = {}) =>
  readForeignTimes({ file: "f", text, ...more });

function issuesOf(text: string, more: Partial<ForeignReading> = {}): readonly Issue[] {
  try {
    read(text, more);
  } catch (error) {
    if (error instanceof Fault) return error.issues;
  }
  throw new Error("the file was taken");
}

const FROM = { model: "m", device: "d", source: "f", date: "2026-11-26T00:00:00Z" };
const mean = (values: readonly number[]): number =>
  values.reduce((sum, one) => sum + one, 0) / values.length;

// Figures of Triton's documentation of perf_analyzer, "Visualizing Latency vs. Throughput".
const PERF = `Concurrency,Inferences/Second,Client Send,Network+Server Send/Recv,Server Queue,Server Compute Input,Server Compute Infer,Server Compute Output,Client Recv,p50 latency,p90 latency,p95 latency,p99 latency
1,69.2,225,2148,64,206,11781,19,0,13891,18795,19753,21018
3,84.2,237,1768,21673,209,11742,17,0,35398,43984,47085,51701
`;

describe("perf_analyzer's CSV", () => {
  test("gives the compute time at concurrency 1, and the clients' spread around it", () => {
    const times = read(PERF, { batch: 4 });
    const [{ batch, meanUs }] = times.batches;
    expect([times.format, batch, meanUs]).toEqual(["perf-analyzer-csv", 4, 12_006]);
    const [{ quantilesUs }] = importedProfile(times, FROM).batches;
    expect(mean(quantilesUs)).toBeCloseTo(12_006, 6);
    expect(quantilesUs[99] / quantilesUs[49]).toBeGreaterThan(1.4);
  });

  test("is refused by line where a row is cut off, and where nothing ran alone", () => {
    expect(issuesOf(PERF.slice(0, -30))).toMatchObject([{ line: 3, message: /cut off/ }]);
    const busy = PERF.split("\n").filter((line) => !line.startsWith("1,"));
    expect(issuesOf(busy.join("\n"))).toMatchObject([{ path: "Concurrency" }]);
  });
});

describe("perf_analyzer's JSON", () => {
  const requests = [1, 2, 3].map((ms) => ({
    timestamp: 5,
    response_timestamps: [6, 5 + ms * 1e6],
  }));
  const experiment = { mode: "concurrency", value: 1 };
  const text = JSON.stringify({ experiments: [{ experiment, requests }], version: "1.0" });

  test("gives each request's time to its last response", () => {
    const profile = importedProfile(read(text), FROM);
    expect(profile.batches).toMatchObject([
      { batch: 1, samples: 3, meanUs: 2000, quantilesUs: [1000, 2000, 3000] },
    ]);
    // Student's t with two degrees of freedom: 4.303 × 1000 / √3.
    expect(profile.batches[0].halfWidth95Us).toBeCloseTo(2484.1, 1);
  });

  test("is refused where it is cut off, or a response is missing", () => {
    expect(issuesOf(text.slice(0, -20))).toMatchObject([{ message: /cut off/ }]);
    const silent = { timestamp: 5, response_timestamps: [] };
    const broken = JSON.stringify({ experiments: [{ experiment, requests: [silent] }] });
    expect(issuesOf(broken)[0].path).toBe("experiments.requests.0");
    expect(issuesOf('{"experiments": 5}')).toMatchObject([{ path: "experiments", file: "f" }]);
    expect(issuesOf('{"experiments": [null]}')).toMatchObject([{ path: "experiments.0" }]);
  });
});

describe("Model Analyzer's CSV", () => {
  const HEADER =
    "Model,Batch,Concurrency,Model Config Path,Instance Group,Preferred Batch Sizes,Satisfies Constraints,Throughput (infer/sec),p99 Latency (ms),RAM Usage (MB)";
  const text = `${HEADER}
resnet50,1,2,resnet50_i0,1/GPU,[32],Yes,195.0,11.0,2897.0
resnet50,1,1,resnet50_i0,1/GPU,[32],Yes,164.0,8.1,2937.0
resnet50,8,1,resnet50_i0,1/GPU,[32],Yes,400.0,24.0,2937.0

Model,GPU ID,GPU Memory Usage (MB)
triton-server,0,277.0
`;

  test("gives each batch size's time at concurrency 1, from the throughput", () => {
    const { model, batches } = read(text);
    expect(model).toBe("resnet50");
    expect(batches.map(({ batch, meanUs }) => [batch, Math.round(meanUs)])).toEqual([
      [1, 6098],
      [8, 20_000],
    ]);
  });

  test("is refused where it mixes models", () => {
    const mixed = text.replace("resnet50,8,1,resnet50_i0", "vgg,8,1,vgg_i0");
    expect(issuesOf(mixed)[0]).toMatchObject({ path: "Model", line: 4 });
  });
});

describe("LoadGen's logs", () => {
  const summary = `================================================
MLPerf Results Summary
================================================
SUT name : PySUT
Scenario : SingleStream
Mode     : PerformanceOnly
Early Stopping Result:
 * Processed at least 64 queries (7469).
Mean latency (ns)               : 7395465
50.00 percentile latency (ns)   : 7393786
90.00 percentile latency (ns)   : 7428935
99.90 percentile latency (ns)   : 7676371
`;

  test("give a single stream's latencies", () => {
    const { batches, device } = read(summary);
    expect(device).toBe("PySUT");
    expect(batches).toMatchObject([{ batch: 1, samples: 7469, meanUs: 7395.465 }]);
    const detail = [
      [":::MLLOG ", "effective_scenario", '"SingleStream"'],
      [":::MLLOG ", "result_mean_latency_ns", "7395465"],
      [":::MLLOG ", "result_90.00_percentile_latency_ns", "7428935"],
    ].map(([start, key, value]) => `${start}{"key": "${key}", "value": ${value}, "time_ms": 1}`);
    expect(read(detail.join("\n")).batches[0].meanUs).toBe(7395.465);
    expect(issuesOf(`${detail.join("\n").slice(0, -9)}`)).toMatchObject([{ line: 3 }]);
  });

  test("are refused where samples waited for each other, or the end is missing", () => {
    const server = summary.replace("SingleStream", "Server");
    expect(issuesOf(server)[0].message).toContain("got Server");
    expect(issuesOf(summary.slice(0, summary.indexOf("Mean")))[0].message).toContain("cut off");
  });
});

describe("Nexus profiles", () => {
  const text = `caffe:vgg16:1
TITAN_X_(Pascal)
Forward latency
batch,latency(us),std(us),memory(B)
1,6277.4,22.3517,949944320
2,14499,20.6559,1061093376
Preprocess latency
mean(us),std(us)
3306.44,1535.62
Postprocess latency
mean(us),std(us)
1.4025,1.36178
`;

  test("name model and device, and have a time for each batch size", () => {
    const { model, device, batches } = read(text);
    expect([model, device]).toEqual(["caffe:vgg16:1", "TITAN_X_(Pascal)"]);
    expect(batches.map(({ meanUs }) => meanUs)).toEqual([6277.4, 14_499]);
  });

  test("are refused, by line, where they are cut off or mix units", () => {
    const cut = text.slice(0, text.indexOf("1061"));
    expect(issuesOf(cut)).toMatchObject([{ message: /cut off/ }]);
    const torn = text.replace("20.6559,1061093376", "20");
    expect(issuesOf(torn)).toMatchObject([{ line: 6, message: /4 cells/ }]);
    const mixed = text.replace("2,14499,", "2,14.499,");
    expect(issuesOf(mixed)).toMatchObject([{ path: "batch 2", hint: /units/ }]);
  });

  const shared = join(import.meta.dirname, "../../shared/data/profiles");
  test.skipIf(!existsSync(shared))(
    "as published become profiles (skipped without the data)",
    () => {
      for (const name of ["vgg16", "vgg_face", "vgg_s", "yolo9000"]) {
        const times = read(readFileSync(join(shared, `nexus-titanx-${name}.txt`), "utf8"));
        const profile = profileSchema.parse(importedProfile(times, FROM));
        for (const { meanUs, quantilesUs } of profile.batches) {
          expect(mean(quantilesUs) / meanUs).toBeCloseTo(1, 9);
        }
      }
    },
  );
});

describe("CSV with named columns", () => {
  const csv = { time: "took", unit: "ms", batch: "n" } as const;

  test("has a row for each call", () => {
    const { batches } = read("n,took\n1,10\n4,20\n1,12\n", { csv });
    expect(batches.map(({ batch, samples, meanUs }) => [batch, samples, meanUs])).toEqual([
      [1, 2, 11_000],
      [4, 1, 20_000],
    ]);
  });

  test("names wrong columns, cells and units", () => {
    expect(issuesOf("n,tok\n1,10\n", { csv })[0]).toMatchObject({ path: "took", hint: /tok/ });
    expect(issuesOf("n,took\n1,ten\n2,-1\n", { csv }).map(({ line }) => line)).toEqual([2, 3]);
    expect(issuesOf("n,took\n1,10\n2,15000\n", { csv })[0].hint).toContain("units");
  });
});

test("an unknown format names those that are known", () => {
  expect(issuesOf("hello")[0].hint).toContain("loadgen");
});
