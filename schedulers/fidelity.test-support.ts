/** How each system of the literature is held to its paper: `systems/fidelity.yaml`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "yaml";
import { markdownTable } from "../checks/support/markdown-table.test-support.ts";

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

/** A table for each preset, in Markdown. */
export function fidelityTables(): string {
  const tables = [...FIDELITY].map(([preset, rows]) => {
    const cells = rows.map(({ mechanism, said, test, deviation }) => {
      const held = test === null ? "none" : `\`${test.file}\`: ${test.title}`;
      return [mechanism, said, held, deviation];
    });
    return `### ${preset}\n\n${markdownTable(["mechanism", "said in", "held by", "deviation"], cells)}`;
  });
  return tables.join("\n\n");
}
