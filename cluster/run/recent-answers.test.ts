import { expect, test } from "vitest";
import { meanOf, RecentAnswers } from "./recent-answers.ts";

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
    ...{ labels: [], value: null, imputed: true },
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
