import { expect, test } from "vitest";
import { contentsOfText } from "./text-contents.ts";

test("blocks are alike where the texts are the same up to their ends", () => {
  const text = [5, 6, 7, 8, 9];
  const one = contentsOfText(text, 2);
  const other = contentsOfText([5, 6, 7, 0, 9, 10], 2);
  expect([one(0), one(1)]).toEqual([other(0), expect.any(Number)]);
  expect(other(1)).not.toBe(one(1));
  // Equal tokens after different ones are another content.
  text.push(10);
  expect(other(2)).not.toBe(one(2));
  expect(contentsOfText([5, 6, 7, 8, 9, 10], 2)(2)).toBe(one(2));
});
