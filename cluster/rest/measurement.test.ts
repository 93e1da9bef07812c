/** Measurements: every request of a workload has its line, and a caller that goes away stops it. */
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { Readable } from "node:stream";
import { afterAll, expect, it } from "vitest";
import type { LoadAnswer, LoadCall, LoadTarget } from "../load/specification.ts";
import type { MeasurementLine } from "../observe/gateway-status.ts";
import { PreciseTimer } from "../time/clock.ts";
import { measure, measurementSchema } from "./measurement.ts";

const timer = new PreciseTimer();
afterAll(() => timer.close());

const ANSWER = {
  outcome: "completed",
  status: "OK",
  error: null,
  residenceUs: Number.NaN,
} as const;

/** Answers each request with its number, or keeps all of them waiting. */
class EchoTarget implements LoadTarget {
  readonly sent: LoadCall[] = [];
  givenUp = 0;
  readonly #answers: boolean;

  constructor(answers = true) {
    this.#answers = answers;
  }

  async connect(): Promise<void> {}
  async close(): Promise<void> {}

  send(call: LoadCall, ended: (answer: LoadAnswer) => void): () => void {
    this.sent.push(call);
    const body = String(call.request);
    if (this.#answers) setImmediate(() => ended({ ...ANSWER, body }));
    return () => {
      this.givenUp++;
      ended({ ...ANSWER, outcome: "cancelled", error: "given up" });
    };
  }
}

const started = (workload: object, target: LoadTarget, more: object = {}): Readable =>
  measure(measurementSchema.parse({ model: "m", workload, ...more }), target, {
    timer,
    timedBy: "a test",
  });

async function linesOf(stream: Readable): Promise<MeasurementLine[]> {
  const lines: MeasurementLine[] = [];
  for await (const text of createInterface({ input: stream })) lines.push(JSON.parse(text));
  return lines;
}

it.each([
  [{ arrivals: "burst", requests: 30 }, 30],
  [{ arrivals: "closed", clients: 3, requests: 20 }, 20],
  [{ arrivals: "deterministic", ratePerS: 200, requests: 10 }, 10],
])("%j gives a line for each answer", async (workload, count) => {
  const target = new EchoTarget();
  const payloads = [Buffer.from("a").toString("base64"), Buffer.from("b").toString("base64")];
  const [start, ...rest] = await linesOf(started(workload, target, { payloads }));
  expect(start).toEqual({ kind: "start", timedBy: "a test" });
  const answers = rest.flatMap((line) => (line.kind === "answer" ? [line] : []));
  expect(answers.map(({ request }) => request).sort((a, b) => a - b)).toEqual([
    ...Array(count).keys(),
  ]);
  for (const { request, payload, dueMs, sentMs, endedMs, outcome, body } of answers) {
    expect([outcome, body, payload]).toEqual(["completed", String(request), request % 2]);
    expect(sentMs).toBeGreaterThanOrEqual(dueMs);
    expect(endedMs).toBeGreaterThanOrEqual(sentMs);
  }
  expect(rest.at(-1)).toMatchObject({ kind: "end", sent: count });
});

it("a caller that goes away ends it: requests under way are given up, no other is sent", async () => {
  const target = new EchoTarget(false);
  const stream = started({ arrivals: "closed", clients: 4, requests: 1000 }, target);
  while (target.sent.length < 4) await new Promise((resolve) => setTimeout(resolve, 5));
  stream.destroy();
  await once(stream, "close");
  expect(target.givenUp).toBe(4);
  await new Promise((resolve) => setTimeout(resolve, 50));
  expect(target.sent).toHaveLength(4);
});

it.each([
  ["at the target, too", true],
  ["here alone, with `cancels: false`", false],
])("a request without an answer is given up after the client's timeout: %s", async (_, cancels) => {
  const target = new EchoTarget(false);
  const client = { timeoutMs: 30, cancels };
  const lines = await linesOf(started({ arrivals: "burst", requests: 3, client }, target));
  const answers = lines.filter(({ kind }) => kind === "answer");
  expect(answers).toHaveLength(cancels ? 3 : 0);
  for (const answer of answers) {
    expect(answer).toMatchObject({ outcome: "timed out", error: "no answer within 0.03 s" });
  }
  expect(lines.at(-1)).toMatchObject({ kind: "end", sent: 3 });
});

it("more than a page can show is refused, with the way out", () => {
  const refused = (workload: object) => () => started(workload, new EchoTarget());
  const long = { arrivals: "poisson", ratePerS: 4000, durationS: 60 };
  expect(refused(long)).toThrow(/240000 requests, more than 100000/);
  const trace = { arrivals: "trace", file: "t.csv", column: "at" };
  expect(refused(trace)).toThrow(/a trace is not sent from here/);
});
