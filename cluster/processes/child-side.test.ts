/** The channel over standard input and output finds every message, whatever is written beside it. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { encodeMessage, messageReader } from "./child-side.ts";

function read(pieces: readonly string[]) {
  const messages: unknown[] = [];
  let noise = "";
  const reader = messageReader({
    message: (value) => void messages.push(value),
    noise: (text) => {
      noise += text;
    },
  });
  for (const piece of pieces) reader(piece);
  return { messages, noise };
}

function cutAt(text: string, places: readonly number[]): string[] {
  const at = [0, ...places.map((place) => place % (text.length + 1)), text.length].sort(
    (a, b) => a - b,
  );
  return at.slice(1).map((end, i) => text.slice(at[i], end));
}

const noise = fc.string({ unit: "binary" }).filter((text) => !text.includes("\x1e"));

test("messages arrive as sent, in order, with other text between them and cut anywhere", () => {
  const parts = fc.array(fc.tuple(noise, fc.jsonValue()));
  fc.assert(
    fc.property(parts, fc.array(fc.nat()), (sent, places) => {
      const text = sent.map(([before, value]) => `${before}${encodeMessage(value)}`).join("");
      const { messages, noise: found } = read(cutAt(text, places));
      expect(messages).toEqual(sent.map(([, value]) => JSON.parse(JSON.stringify(value))));
      expect(found).toBe(sent.map(([before]) => before).join(""));
    }),
  );
});

test("a message that is cut short, or is no JSON, hides none of the next ones", () => {
  const torn = encodeMessage({ long: "text" }).slice(0, 8);
  const { messages, noise: found } = read([
    torn,
    encodeMessage(1),
    "\x1enot json\n",
    encodeMessage(2),
  ]);
  expect(messages).toEqual([1, 2]);
  expect(found).toContain("not json");
});
