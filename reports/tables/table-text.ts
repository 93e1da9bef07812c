/** A table as text that is never wider than asked. Apart from `table.ts`, which a browser reads too. */
import { styleText } from "node:util";
import { wordsOf, wrapped } from "./format.ts";
import type { Table } from "./table.ts";

const GAP = "  ";
const LEAST_WIDTH = 40;
export const DEFAULT_WIDTH = 100;
const LEAST_TEXT = 12;
const LEAST_COLUMN = 4;

/** Any table as text, no line longer than `width` characters. */
export function tableText(table: Table, width = DEFAULT_WIDTH): string {
  const { headings, rows } = aligned(table);
  const numeric = headings.map((_, i) => rows.some((row) => row[i]?.numeric === true));
  const widths = fitted({ ...table, rows }, numeric, Math.max(width, LEAST_WIDTH));
  const bold = headings.map(() => "bold" as const);
  const head = block(headings, widths, numeric, "bottom", bold);
  const rule = widths.map((w) => "─".repeat(w)).join(GAP);
  const body = rows.flatMap((row) =>
    block(
      row.map((cell) => cell.text),
      widths,
      numeric,
      "top",
      row.map(({ state }) => state && STYLES[state]),
    ),
  );
  return [...head, rule, ...body].join("\n");
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(width - 1, 0))}…`;
}

function longest(texts: readonly string[]): number {
  return Math.max(0, ...texts.map((text) => text.length));
}

export function columnWidths(table: Table): number[] {
  return table.headings.map((heading, i) =>
    Math.max(longest(heading.split(" ")), longest(table.rows.map((row) => row[i]?.text ?? ""))),
  );
}

export function total(widths: readonly number[]): number {
  return widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);
}

/** Narrows the widest text columns to their longest word, then all, then any text column, then every column, until a line fits. */
function fitted(table: Table, numeric: readonly boolean[], width: number): number[] {
  const widths = columnWidths(table);
  const texts = (i: number) => table.rows.map((row) => row[i]?.text ?? "");
  const whole = table.headings.map((heading, i) =>
    longest([heading, ...texts(i)].flatMap(wordsOf)),
  );
  const floors: readonly ((i: number) => number)[] = [
    (i) => (numeric[i] ? Number.POSITIVE_INFINITY : Math.max(LEAST_TEXT, whole[i] ?? 0)),
    (i) => whole[i] ?? 0,
    (i) => (numeric[i] ? Number.POSITIVE_INFINITY : LEAST_TEXT),
    () => LEAST_COLUMN,
  ];
  for (const floor of floors) {
    while (total(widths) > width) {
      const room = widths.map((current, i) => (current > floor(i) ? current : 0));
      const widest = room.indexOf(Math.max(...room));
      if ((room[widest] ?? 0) === 0) break;
      widths[widest] = (widths[widest] as number) - 1;
    }
  }
  return widths;
}

const STYLES = { good: "green", bad: "red", warn: "yellow" } as const;

type Style = "bold" | (typeof STYLES)[keyof typeof STYLES] | undefined;

function line(
  texts: readonly string[],
  widths: readonly number[],
  numeric: readonly boolean[],
  styles: readonly Style[],
) {
  const cells = texts.map((text, i) => {
    const width = widths[i] ?? 0;
    const shown = cut(text, width);
    const style = shown === "" ? undefined : styles[i];
    const styled = style === undefined ? shown : styleText(style, shown);
    const padding = " ".repeat(Math.max(0, width - shown.length));
    return numeric[i] ? `${padding}${styled}` : `${styled}${padding}`;
  });
  return cells.join(GAP).trimEnd();
}

/** "+3.1 ± 0.4 tied" in its three parts. */
const ESTIMATE = /^(.*) \u00b1 (\S+)(.*)$/;

/** Pads the half widths, so that the signs of a column stand below each other. */
export function aligned(table: Table): Table {
  const parts = table.rows.map((row) => row.map(({ text }) => ESTIMATE.exec(text)));
  const widest = (i: number, part: number) => longest(parts.map((row) => row[i]?.[part] ?? ""));
  const rows = table.rows.map((row, r) =>
    row.map((cell, i) => {
      const [, mean, half, rest] = parts[r]?.[i] ?? [];
      if (mean === undefined || half === undefined) return cell;
      const head = cell.numeric === true ? mean : mean.padStart(widest(i, 1));
      return { ...cell, text: `${head} ± ${half.padStart(widest(i, 2))}${rest}` };
    }),
  );
  return { ...table, rows };
}

/** A row whose texts are broken into as many lines as they need. */
function block(
  texts: readonly string[],
  widths: readonly number[],
  numeric: readonly boolean[],
  stand: "top" | "bottom",
  styles: readonly Style[],
): string[] {
  const broken = texts.map((text, i) => wrapped(text, widths[i] ?? 0).split("\n"));
  const height = Math.max(...broken.map((lines) => lines.length));
  return Array.from({ length: height }, (_, i) => {
    const at = (lines: readonly string[]) => (stand === "top" ? i : i - height + lines.length);
    return line(
      broken.map((lines) => lines[at(lines)] ?? ""),
      widths,
      numeric,
      styles,
    );
  });
}
