/** Draws by request number, and the caches by content that they decide. */
import fc from "fast-check";
import { describe, expect, it, test } from "vitest";
import { JOB } from "../../engine/dispatch/request-table.ts";
import { RequestDraws } from "../../engine/requests/draws.ts";
import { TokenLengths } from "../../engine/requests/token-lengths.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { scenarioSchema } from "../../scenario/schema/scenario.ts";
import { NO_INPUTS, twoTasks } from "../deployment.test-support.ts";
import { answerCache, RunDraws } from "./draws.ts";
import type { LiveRequest, TaskResult } from "./live-request.ts";

const deadlineMs = { distribution: "lognormal", mean: 40, cv: 0.5 };
const document = twoTasks();
const pipelines = Object.fromEntries(
  Object.entries(document.pipelines).map(([name, pipeline]) => [name, { ...pipeline, deadlineMs }]),
);
const system = compileSystem(scenarioSchema.parse({ ...document, pipelines }), NO_INPUTS);

interface Drawn {
  readonly flags: number[];
  readonly variates: number[];
  readonly goalUs: number;
}

function drawnInOrder(count: number): Drawn[] {
  const draws = new RequestDraws(system, "seed");
  return Array.from({ length: count }, () => {
    const flags = new Uint8Array(system.stride);
    const variates = new Float64Array(system.stride);
    const pipeline = draws.pipeline();
    draws.draw(pipeline, 0, flags, variates);
    return { flags: [...flags], variates: [...variates], goalUs: draws.goalUs(pipeline) };
  });
}

const OTHERWISE = { backend: "replay", triedAgain: false } as const;

const runDraws = (triedAgain = false): RunDraws =>
  new RunDraws({ system, backend: "replay", seed: "seed", triedAgain });

function taken(draws: RunDraws, index: number | null): Drawn {
  const { flags, variates, goalUs } = draws.take({ index, pipeline: 0 }, 0);
  return { flags: [...flags], variates: [...variates], goalUs };
}

describe("RunDraws", () => {
  it("gives request n the simulator's draws, in any order of requests", () => {
    const expected = drawnInOrder(12);
    const orders = fc.shuffledSubarray(
      expected.map((_, i) => i),
      { minLength: 12 },
    );
    fc.assert(
      fc.property(orders, (order) => {
        const draws = runDraws();
        for (const index of order) expect(taken(draws, index)).toEqual(expected[index]);
      }),
    );
  });

  it("draws the same after requests without a number, and after a number used twice", () => {
    const expected = drawnInOrder(3);
    const draws = runDraws();
    taken(draws, null);
    expect(taken(draws, 0)).toEqual(expected[0]);
    taken(draws, 0);
    taken(draws, null);
    expect(taken(draws, 1)).toEqual(expected[1]);
    expect(taken(draws, 2)).toEqual(expected[2]);
  });

  it("gives a request that is tried again the same draws each time", () => {
    const expected = drawnInOrder(3);
    const draws = runDraws(true);
    for (const index of [2, 0, 2, 1, 0, 2]) expect(taken(draws, index)).toEqual(expected[index]);
  });

  it("refuses numbers out of range", () => {
    const draws = runDraws();
    expect(() => draws.check(-1)).toThrow(/out of range/);
    expect(() => draws.check(1e9)).toThrow(/out of range/);
    expect(() => draws.check(0.5)).toThrow(/out of range/);
    expect(() => draws.check(null)).not.toThrow();
  });
});

const cached = twoTasks({
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
const withCache = compileSystem(cached, NO_INPUTS);

const result = (text: string): TaskResult => ({
  text,
  tensors: [],
  labels: [text],
  timing: { queuedUs: 1, startUs: 2, endUs: 3, serviceUs: 1, replica: "score-1", batch: 4 },
});
const request = (text: string) => ({
  pipeline: 0,
  payload: Buffer.from(text),
  tensors: [],
  results: [result("cache"), null, null, null] as (TaskResult | null)[],
});
const answered = (text: string) => ({
  ...request(text),
  results: ["cache", `score ${text}`, `rank ${text}`, "answer"].map(result),
});
const RAN = new Int32Array(4).fill(JOB.ran);

test("gives a hit the results of the tasks that it skips, without their times", () => {
  const cache = answerCache(withCache, false);
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
  const cache = answerCache(withCache, false);
  cache.keep(answered("x"), 0, 0, Int32Array.of(JOB.ran, JOB.running, JOB.waiting, JOB.ran), 0);
  expect(cache.lookUp(request("x"), 0, 0)).toBe(false);
  cache.keep(answered("x"), 0, 0, Int32Array.of(JOB.ran, JOB.skipped, JOB.skipped, JOB.ran), 0);
  expect(cache.lookUp(request("x"), 0, 0)).toBe(true);
});

test("goes by the drawn contents where measured times are replayed", () => {
  const cache = answerCache(withCache, true);
  cache.keep(answered("x"), 0, 7, RAN, 0);
  expect(cache.lookUp(request("x"), 0, 8)).toBe(false);
  expect(cache.lookUp(request("other"), 0, 7)).toBe(true);
});

test("request n has the lengths for language models that the simulator draws", () => {
  const steps = { prefill: [1, 0, 0], decode: [1, 0, 0] };
  const lengths = { distribution: "lognormal", mean: 100, cv: 1 };
  const tasks = {
    look: { model: "looker" },
    write: { model: "writer", after: ["look"], tokens: { prompt: lengths, output: lengths } },
  };
  const writing = compileSystem(
    scenarioSchema.parse({
      ...document,
      pipelines: { p: { priority: 3, tasks } },
      models: { looker: document.models.detector, writer: { tokens: { steps } } },
      cluster: { replicas: { look: 1, write: 1 } },
    }),
    NO_INPUTS,
  );
  const drawn = TokenLengths.for(writing, "seed") as TokenLengths;
  drawn.grow(2);
  const expected = Array.from({ length: 5 }, () => {
    drawn.draw(0, 0, new Uint8Array(2));
    const [prompt, output] = [drawn.jobs.prompt[1], drawn.jobs.output[1]];
    return { prompt, output, priority: 3, client: 0, beginning: drawn.jobs.beginning[1] };
  });
  const draws = new RunDraws({ system: writing, seed: "seed", ...OTHERWISE });
  for (const index of [2, 0, 4, 1, 3]) {
    draws.take({ index, pipeline: 0 }, index);
    const request = { slot: index, pipeline: 0 } as LiveRequest;
    expect(draws.tokens(request, 1)).toEqual(expected[index]);
    expect(draws.tokens(request, 0)).toBeNull();
  }
  expect(new Set(expected.map(({ output }) => output)).size).toBeGreaterThan(1);
});

test("what a real engine writes for a client decides a condition, and the draws for a numbered request", () => {
  const tokens = { prompt: 5, output: 5 };
  const writer = { tokens: { steps: { prefill: [1, 0, 0], decode: [1, 0, 0] } } };
  const asking = compileSystem(
    scenarioSchema.parse({
      ...document,
      pipelines: {
        p: {
          tasks: {
            decide: { model: "small", tokens },
            write: {
              model: "large",
              after: ["decide"],
              tokens,
              when: { contains: "ask", probability: 1 },
            },
          },
        },
      },
      models: { small: writer, large: writer },
      cluster: { replicas: { decide: 1, write: 1 } },
    }),
    NO_INPUTS,
  );
  const ran = { state: new Int32Array(2), stride: 2 } as never;
  const holds = (index: number | null, text: string): boolean => {
    const options = { system: asking, seed: "seed", triedAgain: false };
    const draws = new RunDraws({ ...options, backend: "engines" });
    draws.take({ index, pipeline: 0 }, 0);
    const said = result(JSON.stringify({ labels: [], value: { text, tokens: 5 } }));
    const own = { ...request(""), results: [said, null], index, slot: 0 };
    return draws.holds(own as unknown as LiveRequest, 1, ran);
  };
  expect(holds(null, "better ask it")).toBe(true);
  expect(holds(null, "it is 4")).toBe(false);
  expect(holds(0, "it is 4")).toBe(true);
});
