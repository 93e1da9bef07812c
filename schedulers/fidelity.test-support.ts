/** How each system of the literature is held to its paper: `systems/fidelity.yaml`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";

interface Held {
  readonly mechanism: string;
  readonly said: string;
  /** Null: the mechanism is left out. */
  readonly test: { readonly file: string; readonly title: string } | null;
  readonly deviation: string;
}

const FILE = join(import.meta.dirname, "systems/fidelity.yaml");

/** By preset. */
export const FIDELITY: ReadonlyMap<string, readonly Held[]> = new Map(
  Object.entries(parse(readFileSync(FILE, "utf8")) as Record<string, readonly string[][]>).map(
    ([preset, rows]) => [preset, rows.map(heldOf)],
  ),
);

function heldOf([mechanism, said, test, deviation]: readonly string[]): Held {
  if (test === "none") return { mechanism, said, test: null, deviation };
  const [file] = test.split(": ", 1);
  return { mechanism, said, test: { file, title: test.slice(file.length + 2) }, deviation };
}

/** A table for each preset, in Markdown with columns of one width each, as the formatter has them. */
export function fidelityTables(): string {
  const tables = [...FIDELITY].map(([preset, rows]) => {
    const cells = rows.map(({ mechanism, said, test, deviation }) => {
      const held = test === null ? "none" : `\`${test.file}\`: ${test.title}`;
      return [mechanism, said, held, deviation].map((text) => text.replaceAll("|", "\\|"));
    });
    const all = [["mechanism", "said in", "held by", "deviation"], ...cells];
    const widths = all[0].map((_, i) => Math.max(...all.map((row) => row[i].length)));
    const line = (row: readonly string[]): string =>
      `| ${row.map((text, i) => text.padEnd(widths[i])).join(" | ")} |`;
    const [head, ...body] = all.map(line);
    const rule = line(widths.map((width) => "-".repeat(width)));
    return `### ${preset}\n\n${[head, rule, ...body].join("\n")}`;
  });
  return tables.join("\n\n");
}
