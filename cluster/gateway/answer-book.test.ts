import { appendFileSync, existsSync, mkdtempSync, rmSync, statSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { Fault } from "../../core/fault.ts";
import type { Tensor } from "../../models/tensor.ts";
import { AnswerBook } from "./answer-book.ts";
import { AnswerJournal } from "./answer-journal.ts";
import { type Answer, detachedRequest, type TaskResult } from "./live-request.ts";
import type { Submission } from "./run-options.ts";

const scratch = mkdtempSync(join(tmpdir(), "tandem-answers-"));
afterAll(() => rmSync(scratch, { recursive: true }));

const BOUNDS = { keepMs: 60_000, maxKeys: 100, maxBytes: 1e6 };
const TIMING = { queuedUs: 0, startUs: 0, endUs: 1, serviceUs: 1, replica: "r", batch: 1 };

function floats(...values: readonly number[]): Tensor {
  const raw = new Uint8Array(Float32Array.from(values).buffer);
  return { name: "x", datatype: "FP32", shape: [values.length], raw };
}

let files = 0;

/** Asks and answers at once, as a model that gives back what it gets; counts what really ran. */
class Echo {
  ran = 0;
  readonly book: AnswerBook;

  constructor(bounds: Partial<typeof BOUNDS> = {}, file = join(scratch, String(files++))) {
    const all = { ...BOUNDS, ...bounds };
    this.book = new AnswerBook(all, new AnswerJournal(file, all.maxBytes));
  }

  ask(key: string, text: string, tensors: readonly Tensor[] = []): Promise<TaskResult> {
    return new Promise((resolve) => {
      const payload = Buffer.from(text);
      const answer = ({ request }: Answer): void => resolve(request.results[0] as TaskResult);
      const call = { pipeline: 0, payload, tensors, index: null, intendedUs: null, answer };
      this.book.submit(key, call, (submission) => this.#run(submission, text, tensors));
    });
  }

  #run(submission: Submission, text: string, tensors: readonly Tensor[]): { cancel(): void } {
    this.ran++;
    const result = { text: JSON.stringify(text), tensors, labels: [], timing: TIMING };
    const request = { ...detachedRequest(submission), results: [result] };
    submission.answer({ outcome: "completed", error: null, endedUs: 1, request });
    return { cancel: () => undefined };
  }
}

describe("answers by idempotency key", () => {
  test("a key that comes again gets the same answer, and nothing runs again", async () => {
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

  test("an answer that is gone is not given and not made again", async () => {
    const echo = new Echo({ maxBytes: 13_000 });
    const large = floats(...new Array(1000).fill(1));
    for (const key of ["a", "b", "c"]) await echo.ask(key, key, [large]);
    await echo.ask("c", "c", [large]);
    await expect(echo.ask("a", "a", [large])).rejects.toMatchObject({ code: "answer-gone" });
    expect(echo.ran).toBe(3);
  });

  test("a key for which there is no room is refused until the oldest is forgotten", async () => {
    const echo = new Echo({ maxKeys: 3, keepMs: 200 });
    for (const key of ["a", "b", "c"]) await echo.ask(key, "a");
    const refused = await echo.ask("d", "a").catch((fault: Fault) => fault);
    expect(refused).toMatchObject({ code: "overloaded" });
    await echo.ask("a", "a");
    expect(echo.ran).toBe(3);
    await sleep((refused as Fault).retryAfterMs ?? 0);
    await echo.ask("d", "a");
    await echo.ask("a", "a");
    expect(echo.ran).toBe(5);
  });

  test("a key whose request runs takes room", () => {
    const echo = new Echo({ maxKeys: 1 });
    const never = (): { cancel(): void } => ({ cancel: () => undefined });
    const call = { pipeline: 0, payload: Buffer.from("a"), index: null, intendedUs: null };
    const submit = (key: string) => echo.book.submit(key, { ...call, answer: () => {} }, never);
    submit("a").cancel();
    submit("b");
    submit("b");
    expect(() => submit("c")).toThrow("all 1 keys");
  });

  test("a kept tensor does not change with the message that it came in", async () => {
    const echo = new Echo();
    const tensor = floats(1, 2);
    await echo.ask("k", "a", [tensor]);
    tensor.raw.fill(0);
    expect((await echo.ask("k", "a", [floats(1, 2)])).tensors).toEqual([floats(1, 2)]);
  });
});

describe("the journal of answers", () => {
  test("gives the same answer after a restart, tensors too, past a line that a kill tore", async () => {
    const file = join(scratch, "restart");
    const before = new Echo({}, file);
    const given = await before.ask("k", "a", [floats(1.5, -2)]);
    before.book.close();
    appendFileSync(file, '\n00112233aabbccdd 1795629886656 420 {"key":"torn","finger');
    const after = new Echo({}, file);
    expect(await after.ask("k", "a", [floats(1.5, -2)])).toEqual(given);
    expect(await after.ask("k2", "b")).toMatchObject({ text: '"b"' });
    after.book.close();
    expect(after.ran).toBe(1);
    const third = new Echo({}, file);
    await third.ask("k2", "b");
    expect(third.ran).toBe(0);
  });

  test("does not give an answer that a kill tore: it was not told", async () => {
    const file = join(scratch, "torn");
    const before = new Echo({}, file);
    await before.ask("k", "a");
    before.book.close();
    truncateSync(file, statSync(file).size - 1);
    const after = new Echo({}, file);
    await after.ask("k", "a");
    await after.ask("k", "a");
    expect(after.ran).toBe(1);
  });

  test("keeps two files of half its bytes each, and forgets no key with an older one", async () => {
    const file = join(scratch, "bounded");
    const echo = new Echo({ maxBytes: 4000 }, file);
    for (let i = 0; i < 60; i++) await echo.ask(`k${i}`, "some text of an answer");
    echo.book.close();
    for (const name of [file, `${file}.1`]) {
      expect(existsSync(name)).toBe(true);
      expect(statSync(name).size).toBeLessThanOrEqual(2000);
    }
    const after = new Echo({ maxBytes: 4000 }, file);
    const kept = after.book.size;
    expect(kept).toBeGreaterThan(4);
    for (let i = 0; i < 60; i++) await after.ask(`k${59 - i}`, "some text of an answer");
    expect(after.ran).toBe(60 - kept);
  });

  test("that cannot be written makes no answer come twice", async () => {
    const echo = new Echo({}, join(scratch, "no", "such", "folder"));
    await echo.ask("k", "a");
    await expect(echo.ask("k", "a")).rejects.toMatchObject({ code: "answer-gone" });
    expect(echo.ran).toBe(1);
  });
});
