import { expect, test } from "vitest";
import { compileSystem } from "../../core/compile.ts";
import { JOB } from "../../core/dispatch/request-table.ts";
import { NO_INPUTS, twoTasks } from "../deployment.test-support.ts";
import { answerCache } from "./draws.ts";
import type { TaskResult } from "./live-request.ts";

const document = twoTasks({
  pipelines: {
    ask: {
      tasks: {
        cache: { model: "m", cache: { content: { entries: 2, keys: 9 }, skips: ["score"] } },
        score: { model: "m", after: ["cache"] },
        rank: { model: "m", after: ["score"] },
        answer: { model: "m", after: ["cache", "rank"] },
      },
    },
  },
  models: { m: { service: { distribution: "deterministic", meanMs: 1 } } },
  cluster: { replicas: { cache: 1, score: 1, rank: 1, answer: 1 } },
});
const system = compileSystem(document, NO_INPUTS);

const result = (text: string): TaskResult => ({
  ...{ text, tensors: [], labels: [text] },
  timing: { queuedUs: 1, startUs: 2, endUs: 3, serviceUs: 1, replica: "score-1", batch: 4 },
});
const request = (text: string) => ({
  ...{ pipeline: 0, payload: Buffer.from(text), tensors: [] },
  results: [result("cache"), null, null, null] as (TaskResult | null)[],
});
const answered = (text: string) => ({
  ...request(text),
  results: ["cache", `score ${text}`, `rank ${text}`, "answer"].map(result),
});
const RAN = new Int32Array(4).fill(JOB.ran);

test("gives a hit the results of the tasks that it skips, without their times", () => {
  const cache = answerCache(system, false);
  const first = answered("x");
  expect(cache.lookUp(request("x"), 0, 0)).toBe(false);
  cache.keep(first, 0, 0, RAN, 0);
  const again = request("x");
  expect(cache.lookUp(again, 0, 5)).toBe(true);
  expect(again.results.map((each) => each?.text)).toEqual([
    ...["cache", "score x", "rank x", undefined],
  ]);
  expect(again.results[1]).toMatchObject({ labels: ["score x"], timing: { endUs: 0, batch: 0 } });
  expect(cache.lookUp(request("y"), 0, 0)).toBe(false);
});

test("keeps no answer that lacks a straggler's part", () => {
  const cache = answerCache(system, false);
  cache.keep(answered("x"), 0, 0, Int32Array.of(JOB.ran, JOB.running, JOB.waiting, JOB.ran), 0);
  expect(cache.lookUp(request("x"), 0, 0)).toBe(false);
  cache.keep(answered("x"), 0, 0, Int32Array.of(JOB.ran, JOB.skipped, JOB.skipped, JOB.ran), 0);
  expect(cache.lookUp(request("x"), 0, 0)).toBe(true);
});

test("goes by the drawn contents where measured times are replayed", () => {
  const cache = answerCache(system, true);
  cache.keep(answered("x"), 0, 7, RAN, 0);
  expect(cache.lookUp(request("x"), 0, 8)).toBe(false);
  expect(cache.lookUp(request("other"), 0, 7)).toBe(true);
});
