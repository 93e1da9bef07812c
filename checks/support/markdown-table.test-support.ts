/** A table in Markdown as the formatter writes it: columns of equal width, bars escaped. */
export function markdownTable(
  headings: readonly string[],
  rows: readonly (readonly string[])[],
): string {
  const all = [headings, ...rows].map((row) => row.map((text) => text.replaceAll("|", "\\|")));
  const widths = headings.map((_, at) => Math.max(...all.map((row) => row[at].length)));
  const line = (row: readonly string[], fill = " "): string =>
    `| ${row.map((text, at) => text.padEnd(widths[at], fill)).join(" | ")} |`;
  const [head, ...body] = all.map((row) => line(row));
  const rule = line(
    headings.map(() => ""),
    "-",
  );
  return [head, rule, ...body].join("\n");
}
