import { expect, test } from "vitest";
import { EnsembleAnswers } from "./ensemble-answers.ts";
import type { LiveRequest, TaskResult } from "./live-request.ts";

const result = (labels: string[], value: unknown = null): TaskResult => ({
  ...{ text: JSON.stringify({ labels, value }), labels, tensors: [] },
  timing: {
    ...{ queuedUs: 0, startUs: 0, endUs: 0, serviceUs: 0, replica: "r", batch: 1 },
  },
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
    ...{ labels: ["cat"], value: 5, confidence: 0.8 },
  });
  expect(textOf(real.answer(request, plain, vote, 7))).toEqual({
    ...{ labels: ["cat"], value: 5, confidence: 0.4, unsure: true },
  });
  const fallback = { label: "ask", accuracy: 0 };
  const answer = real.answer(request, { ...terms, fallback }, vote, 7);
  expect(answer.labels).toEqual(["ask"]);
  expect(textOf(answer)).toEqual({
    ...{ labels: ["ask"], value: null, confidence: 0.4, unsure: true, fallback: true },
  });
  const none = { label: -1, confidence: 0, isSure: false, agreeing: [] };
  expect(textOf(real.answer(request, plain, none, 7)).labels).toEqual([]);
});
