/** A table that fits: the last columns go first, then the first column is cut. */
export interface Cell {
  readonly text: string;
  readonly numeric?: boolean;
}

const GAP = "  ";
const LEAST_TEXT = 8;

/** No line is longer than `width`; numbers stand to the right. */
export function tableOfWidth(
  headings: readonly string[],
  rows: readonly (readonly Cell[])[],
  width: number,
): string {
  const widths = headings.map((heading, i) =>
    Math.max(heading.length, ...rows.map((row) => row[i].text.length)),
  );
  const total = (): number =>
    widths.reduce((sum, one) => sum + one, 0) + GAP.length * (widths.length - 1);
  while (widths.length > 1 && total() > width && total() - widths[0] + LEAST_TEXT > width) {
    widths.pop();
  }
  if (total() > width) widths[0] = Math.max(1, widths[0] - (total() - width));
  const line = (texts: readonly Cell[]): string =>
    widths
      .map((room, i) => {
        const { text, numeric = false } = texts[i];
        const cut = text.length > room ? `${text.slice(0, room - 1)}…` : text;
        return numeric ? cut.padStart(room) : cut.padEnd(room);
      })
      .join(GAP)
      .trimEnd();
  const head = headings.map((text, i) => ({ text, numeric: rows[0]?.[i].numeric ?? false }));
  return [line(head), widths.map((room) => "─".repeat(room)).join(GAP), ...rows.map(line)].join(
    "\n",
  );
}
