import { stripVTControlCharacters } from "node:util";
import { expect, test } from "vitest";
import { numberCell, type Table } from "./table.ts";
import { aligned, tableText } from "./table-text.ts";

const TABLE: Table = {
  caption: "",
  headings: ["scheduler", "p99 latency (ms)", "difference"],
  rows: [
    [{ text: "fifo" }, numberCell("1,203 ± 4.1"), { text: "best" }],
    [{ text: "edf" }, numberCell("98.25 ± 12"), { text: "+3.1 ± 0.4 tied" }],
    [{ text: "batching" }, numberCell("77"), { text: "+12.25 ± 0.04" }],
  ],
};
const linesOf = (width?: number) => stripVTControlCharacters(tableText(TABLE, width)).split("\n");

test("the signs of a column stand below each other, and what follows them, too", () => {
  expect(aligned(TABLE).rows.map((row) => row.slice(1).map(({ text }) => text))).toEqual([
    ["1,203 ± 4.1", "best"],
    ["98.25 ±  12", "  +3.1 ±  0.4 tied"],
    ["77", "+12.25 ± 0.04"],
  ]);
});

test("numbers stand to the right, texts to the left, headings over a rule", () => {
  expect(linesOf()).toEqual([
    "           p99 latency",
    "scheduler         (ms)  difference",
    "─────────  ───────────  ──────────────────",
    "fifo       1,203 ± 4.1  best",
    "edf        98.25 ±  12    +3.1 ±  0.4 tied",
    "batching            77  +12.25 ± 0.04",
  ]);
});

test("headings stay whole, and values beside their half widths, where intervals can take a second line", () => {
  const table: Table = {
    caption: "",
    headings: ["configuration", "measured", "interval"],
    rows: [[{ text: "A: fifo" }, numberCell("134 ± 12"), numberCell("-6.5 % to +5.7 %")]],
  };
  expect(stripVTControlCharacters(tableText(table, 40)).split("\n")).toEqual([
    "configuration  measured         interval",
    "─────────────  ────────  ───────────────",
    "A: fifo        134 ± 12        -6.5 % to",
    "                                  +5.7 %",
  ]);
});

test("no line is wider than asked: texts break between words, the rest is cut", () => {
  const lines = linesOf(40);
  expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(40);
  expect(lines.join("\n")).toContain("1,203 ± 4.1");
});
