import { expect, test } from "vitest";
import type { LiveRequest, TaskResult } from "./live-request.ts";
import { EnsembleAnswers, meanOf, RecentAnswers } from "./made-answers.ts";

const result = (labels: string[], value: unknown = null): TaskResult => ({
  text: JSON.stringify({ labels, value }),
  labels,
  tensors: [],
  timing: { queuedUs: 0, startUs: 0, endUs: 0, serviceUs: 0, replica: "r", batch: 1 },
});

const request = {
  results: [
    result(["cat"], 3),
    result(["dog"], 4),
    result(["cat"], 5),
    result([], "x"),
    result([]),
  ],
} as unknown as LiveRequest;

const real = new EnsembleAnswers({ isReplay: false, live: () => request, drawn: () => 9 });
const terms = { name: "e", members: [0, 1, 2], minConfidence: 0.5, classes: 2, sharedErrors: 0 };
const textOf = (answer: TaskResult) => JSON.parse(answer.text);

test("equal answers of real models share a number, and an answer without labels is its value", () => {
  expect([0, 1, 2, 3, 4].map((task) => real.of(0, task))).toEqual([0, 1, 0, 2, -1]);
  expect(real.truth).toBeNull();
});

test("replayed answers have the drawn labels", () => {
  const replayed = new EnsembleAnswers({ isReplay: true, live: () => request, drawn: () => 9 });
  expect([replayed.truth, replayed.of(0, 0)]).toEqual([0, 9]);
  const vote = { label: 9, confidence: 1, isSure: true, agreeing: [0] };
  expect(textOf(replayed.answer(request, { ...terms, fallback: null }, vote, 0)).labels).toEqual([
    "class 9",
  ]);
});

test("the answer is the first that agrees, marked where it is unsure, and the fallback where there is one", () => {
  const vote = { label: 0, confidence: 0.4, isSure: false, agreeing: [2] };
  const sure = { ...vote, confidence: 0.8, isSure: true };
  const plain = { ...terms, fallback: null };
  expect(textOf(real.answer(request, plain, sure, 7))).toEqual({
    labels: ["cat"],
    value: 5,
    confidence: 0.8,
  });
  expect(textOf(real.answer(request, plain, vote, 7))).toEqual({
    labels: ["cat"],
    value: 5,
    confidence: 0.4,
    unsure: true,
  });
  const fallback = { label: "ask", accuracy: 0 };
  const answer = real.answer(request, { ...terms, fallback }, vote, 7);
  expect(answer.labels).toEqual(["ask"]);
  expect(textOf(answer)).toEqual({
    labels: ["ask"],
    value: null,
    confidence: 0.4,
    unsure: true,
    fallback: true,
  });
  const none = { label: -1, confidence: 0, isSure: false, agreeing: [] };
  expect(textOf(real.answer(request, plain, none, 7)).labels).toEqual([]);
});

test("the mean goes into arrays and objects, and of anything else it is the most frequent", () => {
  expect(meanOf([1, 2, 6])).toBe(3);
  expect(
    meanOf([
      { price: 1, by: ["a", 2] },
      { price: 3, by: ["b", 4] },
      { price: 5, by: ["b", 9] },
    ]),
  ).toEqual({ price: 3, by: ["b", 5] });
  expect(meanOf([[1, 2], [1], [1]])).toEqual([1]);
  expect(meanOf([{ a: 1 }, { b: 1 }])).toEqual({ a: 1 });
  expect(meanOf([null, "x", "x"])).toBe("x");
  expect(meanOf([])).toBeUndefined();
});

const answer = (labels: string[], value: unknown, floats: number[] = []) => ({
  text: Buffer.from(JSON.stringify({ labels, value })),
  tensors:
    floats.length === 0
      ? []
      : [{ name: "y", datatype: "FP32" as const, shape: [1, 2], raw: raw(floats) }],
});
const raw = (floats: number[]): Buffer => Buffer.from(Float32Array.from(floats).buffer);

test("an imputed answer has the most frequent labels, and means of values and tensors, by pool", () => {
  const recent = new RecentAnswers();
  expect(JSON.parse(`${recent.imputed(0, 5).text}`)).toEqual({
    labels: [],
    value: null,
    imputed: true,
  });
  recent.add(0, [answer(["cat"], { score: 1 }, [1, 10]), answer(["dog"], { score: 2 }, [3, 20])]);
  recent.add(0, [answer(["dog"], { score: 6 }, [5, 60])]);
  recent.add(1, [answer(["cow"], null)]);
  const { text, labels, tensors, imputed } = recent.imputed(0, 5);
  expect(JSON.parse(text)).toEqual({ labels: ["dog"], value: { score: 3 }, imputed: true });
  expect({ labels, imputed }).toEqual({ labels: ["dog"], imputed: true });
  expect(Array.from(new Float32Array(Uint8Array.from(tensors[0].raw).buffer))).toEqual([3, 30]);
  expect(recent.imputed(1, 5).labels).toEqual(["cow"]);
});

test("only the newest hundred answers count, and no errors", () => {
  const recent = new RecentAnswers();
  recent.add(0, [answer(["old"], 0), { text: Buffer.from('{"error":"no"}'), tensors: [] }]);
  for (let i = 1; i <= 100; i++) recent.add(0, [answer([`${i % 3}`], i)]);
  expect(JSON.parse(recent.imputed(0, 0).text)).toMatchObject({ labels: ["1"], value: 50.5 });
});
