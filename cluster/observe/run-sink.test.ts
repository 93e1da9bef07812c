import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { temporaryFolder } from "../../checks/support/temporary-folder.test-support.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { NO_INPUTS, noOp } from "../deployment.test-support.ts";
import { monotonicUs } from "../time/clock.ts";
import { arrivalRecord, type RunningRequest, startRecord } from "./run-sink.ts";

const folder = temporaryFolder("record");

const request = (arrivedUs: number): RunningRequest =>
  ({ arrivedUs, pipeline: 0, bytes: 10 }) as RunningRequest;

test("rows come in order of arrival, each with its end, over restarts and runs", () => {
  const file = join(folder, "day.csv");
  const system = compileSystem(noOp(), NO_INPUTS);
  startRecord(file);
  const record = arrivalRecord(file, system, (message) => expect.fail(message));
  const sink = record.sink({ startUs: monotonicUs(), timeScale: 1 });
  const [slow, quick, open] = [request(1000), request(2500), request(3000)];
  for (const one of [slow, quick, open]) sink.taken?.(one, one.arrivedUs);
  sink.ended?.(quick, "completed", 4500, Number.POSITIVE_INFINITY);
  record.flush();
  expect(readFileSync(file, "utf8").split("\n"), "the first has not ended").toHaveLength(2);
  record.turnedAway(0, 7);
  sink.ended?.(slow, "dropped", 9000, Number.POSITIVE_INFINITY);
  record.close();
  startRecord(file);
  const again = arrivalRecord(file, system, (message) => expect.fail(message));
  const next = again.sink({ startUs: monotonicUs() + 10_000, timeScale: 1 });
  const last = request(0);
  next.taken?.(last, 0);
  next.ended?.(last, "completed", 1000, Number.POSITIVE_INFINITY);
  again.close();
  const [header, ...lines] = readFileSync(file, "utf8").trim().split("\n");
  expect(header).toBe("arrived_s,pipeline,bytes,outcome,latency_ms");
  const rows = lines.map((line) => line.split(","));
  const byTime = rows.map(([time]) => Number(time));
  expect(byTime).toEqual([...byTime].sort((a, b) => a - b));
  expect(rows.filter(([, , bytes]) => bytes === "10").map(([, , , ...end]) => end)).toEqual([
    ["dropped", "8.000"],
    ["completed", "2.000"],
    ["", ""],
    ["completed", "1.000"],
  ]);
  expect(rows.filter(([, , bytes]) => bytes === "7")).toMatchObject([
    [expect.any(String), expect.any(String), "7", "refused", ""],
  ]);
});

test("a file that cannot be written is refused before anything starts", () => {
  const file = join(folder, "no/such/day.csv");
  expect(() => startRecord(file)).toThrow(/requests cannot be recorded in .*ENOENT/);
});
