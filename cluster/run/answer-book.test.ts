import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { Fault } from "../../engine/basics/fault.ts";
import type { Tensor } from "../../models/tensor.ts";
import { compileSystem } from "../../scenario/compile/compile.ts";
import { NO_INPUTS, twoTasks } from "../deployment.test-support.ts";
import { machineClock, PreciseTimer } from "../time/clock.ts";
import { AnswerBook, feedbackBook } from "./answer-book.ts";
import {
  type Answer,
  type Caller,
  detachedRequest,
  ownResult,
  type TaskResult,
} from "./live-request.ts";
import { SUBMISSION } from "./submission.test-support.ts";

const BOUNDS = { keepMs: 60_000, maxKeys: 100, maxBytes: 1e6 };
const TIMING = { queuedUs: 0, startUs: 0, endUs: 1, serviceUs: 1, replica: "r", batch: 1 };

function floats(...values: readonly number[]): Tensor {
  const raw = new Uint8Array(Float32Array.from(values).buffer);
  return { name: "x", datatype: "FP32", shape: [values.length], raw };
}

const alarms = new PreciseTimer();
const clock = machineClock(alarms);
afterAll(() => alarms.close());

/** Answers at once with its input; counts the requests that ran. */
class Echo {
  ran = 0;
  readonly book: AnswerBook;

  constructor(bounds: Partial<typeof BOUNDS> = {}) {
    this.book = new AnswerBook({ ...BOUNDS, ...bounds }, clock);
  }

  ask(key: string, text: string, tensors: readonly Tensor[] = []): Promise<TaskResult> {
    return new Promise((resolve) => {
      const payload = Buffer.from(text);
      const answer = ({ request }: Answer): void => resolve(request.results[0] as TaskResult);
      const call = { ...SUBMISSION, payload, tensors, answer };
      this.book.ask(key, call, (given) => {
        this.ran++;
        const result = { text: JSON.stringify(text), tensors, labels: [], timing: TIMING };
        const request = { ...detachedRequest(call, 0), results: [result] };
        given({ outcome: "completed", error: null, endedUs: 1, request });
        return () => undefined;
      });
    });
  }
}

describe("answers by idempotency key", () => {
  test("a repeated key gets the same answer and runs nothing", async () => {
    const echo = new Echo();
    const first = await echo.ask("k", "a", [floats(1, 2)]);
    expect(await echo.ask("k", "a", [floats(1, 2)])).toEqual(first);
    expect(echo.ran).toBe(1);
  });

  test.each([
    ["another payload", "b", [floats(1, 2)]],
    ["other values of a tensor", "a", [floats(1, 3)]],
    ["another shape", "a", [{ ...floats(1, 2), shape: [2, 1] }]],
    ["another name", "a", [{ ...floats(1, 2), name: "y" }]],
    ["one tensor less", "a", []],
  ])(
    "a key used again with %s is refused, not given the first's answer",
    async (_, text, tensors) => {
      const echo = new Echo();
      await echo.ask("k", "a", [floats(1, 2)]);
      await expect(echo.ask("k", text, tensors)).rejects.toThrow(Fault);
      expect(echo.ran).toBe(1);
    },
  );

  test.each([
    ["keys", { maxKeys: 2 }],
    ["bytes", { maxBytes: 10_000 }],
  ])(
    "the oldest answers go where there are too many %s, and are computed again",
    async (_, bounds) => {
      const echo = new Echo(bounds);
      const large = floats(...new Array(1000).fill(1));
      for (const key of ["a", "b", "c"]) await echo.ask(key, key, [large]);
      expect(echo.book.size).toBe(2);
      await echo.ask("c", "c", [large]);
      expect(echo.ran).toBe(3);
      expect(await echo.ask("a", "a", [large])).toMatchObject({ text: '"a"' });
      expect(echo.ran).toBe(4);
    },
  );

  test("the book gives an answer again until it drops it", async () => {
    const echo = new Echo({ keepMs: 30 });
    await echo.ask("k", "a");
    await sleep(40);
    await echo.ask("k", "a");
    expect(echo.ran).toBe(2);
  });

  test("the last caller that leaves gives up the request and frees its key", () => {
    const { book } = new Echo();
    let started = 0;
    let givenUp = 0;
    const ask = (): Caller =>
      book.ask("k", SUBMISSION, () => {
        started++;
        return () => givenUp++;
      });
    const [first, second, third] = [ask(), ask(), ask()];
    first.cancel();
    second.cancel();
    expect([started, givenUp]).toEqual([1, 0]);
    third.cancel();
    ask();
    expect([started, givenUp]).toEqual([2, 1]);
  });

  test("a request that could not start leaves its key free", async () => {
    const echo = new Echo();
    const fail = (): never => {
      throw new Error("no room");
    };
    expect(() => echo.book.ask("k", SUBMISSION, fail)).toThrow("no room");
    expect(await echo.ask("k", "a")).toMatchObject({ text: '"a"' });
  });

  test("a kept tensor does not change with its message", async () => {
    const echo = new Echo();
    const tensor = floats(1, 2);
    await echo.ask("k", "a", [tensor]);
    tensor.raw.fill(0);
    expect((await echo.ask("k", "a", [floats(1, 2)])).tensors).toEqual([floats(1, 2)]);
  });
});

test("a kept result does not keep the message that brought it", () => {
  const message = Buffer.alloc(1024, 7);
  const tensor: Tensor = { name: "x", datatype: "UINT8", shape: [2], raw: message.subarray(8, 10) };
  const [{ raw }] = ownResult({
    text: "{}",
    labels: [],
    tensors: [tensor],
    timing: TIMING,
  }).tensors;
  message.fill(0);
  expect([...raw]).toEqual([7, 7]);
  expect(raw.buffer.byteLength).toBe(2);
});

const system = compileSystem(twoTasks(), NO_INPUTS);

const answered = (requestId: string | undefined, slot: number, ...replicas: (string | null)[]) => ({
  context: requestId === undefined ? {} : { requestId },
  pipeline: 0,
  slot,
  results: replicas.map((replica) =>
    replica === null ? null : { timing: { replica }, labels: [] },
  ),
});

test("finds the tasks that ran, and their pools, of all answers with the id", () => {
  const book = feedbackBook(system);
  book.keep(answered("a", 3, "detect-2", "plate-1"));
  book.keep(answered("a", 4, "detect-1", null));
  book.keep(answered(undefined, 5, "detect-1", null));
  const detect = system.replicas.find(({ name }) => name === "detect-1")?.pool;
  const plate = system.replicas.find(({ name }) => name === "plate-1")?.pool;
  expect(book.find("a", undefined)).toEqual([
    { slot: 3, task: "detect", pool: detect, labels: [] },
    { slot: 3, task: "plate", pool: plate, labels: [] },
    { slot: 4, task: "detect", pool: detect, labels: [] },
  ]);
  expect(book.find("a", "plate")).toEqual([{ slot: 3, task: "plate", pool: plate, labels: [] }]);
});

test("says what is wrong: no such request, or a task that did not run", () => {
  const book = feedbackBook(system);
  book.keep(answered("a", 0, "detect-1", null));
  expect(() => book.find("b", undefined)).toThrow('no answered request has the id "b"');
  expect(() => book.find("a", "plate")).toThrow('the request did not run the task "plate"');
});

test("forgets the oldest answers, also of one id that never changes", () => {
  const book = feedbackBook(system, 3);
  for (const [slot, id] of ["a", "b", "b", "b"].entries())
    book.keep(answered(id, slot, "detect-1"));
  expect(() => book.find("a", undefined)).toThrow("no answered request");
  for (let slot = 4; slot < 9; slot++) book.keep(answered("b", slot, "detect-1"));
  expect(book.find("b", undefined).map(({ slot }) => slot)).toEqual([6, 7, 8]);
});
