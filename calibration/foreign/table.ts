/** A table in a file, checked to be whole: a header line, and rows of named cells. */

import type { Issue } from "../../engine/basics/fault.ts";
import { didYouMean } from "../../scenario/reading/issues.ts";
import { csvCells } from "../../scenario/reading/trace.ts";
import { MAX_ISSUES, refused } from "./times.ts";

export interface Row {
  readonly line: number;
  readonly cells: Readonly<Record<string, string>>;
}

export class TableReader {
  readonly issues: Issue[] = [];
  readonly rows: Row[] = [];
  readonly header: readonly string[];
  readonly #file: string;

  /** From the header at `at` to the first empty line or the end. */
  constructor(file: string, lines: readonly string[], at = 0) {
    this.#file = file;
    this.header = csvCells(lines[at] ?? "").map((cell) => cell.trim());
    for (let i = at + 1; i < lines.length && lines[i].trim() !== ""; i++) {
      const cells = csvCells(lines[i]).map((cell) => cell.trim());
      if (cells.length === this.header.length) {
        const entries = this.header.map((name, column) => [name, cells[column]]);
        this.rows.push({ line: i + 1, cells: Object.fromEntries(entries) });
      } else {
        const expected = `expected ${this.header.length} cells as in the header, got ${cells.length}`;
        this.complain(i + 1, "", `${expected}; the file may be cut off`);
      }
    }
  }

  requireColumns(names: readonly string[]): void {
    for (const name of names) {
      if (this.header.includes(name)) continue;
      const hint = didYouMean(name, this.header) ?? `columns: ${this.header.join(", ")}`;
      this.complain(1, name, `there is no column "${name}"`, hint);
    }
    this.throwIfWrong();
  }

  /** Null, with an issue, where the cell is no number of at least `least`. */
  number({ line, cells }: Row, column: string, least: number): number | null {
    const text = cells[column];
    const value = Number(text);
    if (text !== "" && Number.isFinite(value) && value >= least) return value;
    const bound = least === Number.MIN_VALUE ? "above 0" : `of at least ${least}`;
    this.complain(line, column, `expected a number ${bound}, got "${text}"`);
    return null;
  }

  complain(line: number, path: string, message: string, hint?: string): void {
    if (this.issues.length === MAX_ISSUES) return;
    this.issues.push({ path, message, line, ...(hint === undefined ? {} : { hint }) });
  }

  throwIfWrong(): void {
    if (this.issues.length > 0) throw refused(this.#file, this.issues);
  }
}

export function percentileColumns(
  table: TableReader,
  row: Row,
  name: RegExp,
  usPerUnit: number,
): readonly (readonly [number, number])[] {
  return table.header
    .flatMap((column) => {
      const share = Number(name.exec(column)?.[1]) / 100;
      const value = Number.isNaN(share) ? null : table.number(row, column, 0);
      return value === null ? [] : [[share, value * usPerUnit] as const];
    })
    .sort(([a], [b]) => a - b);
}

/** Rows of several models or devices are not one profile. */
export function requireOne(
  table: TableReader,
  rows: readonly Row[],
  columns: readonly string[],
): void {
  for (const column of columns.filter((name) => table.header.includes(name))) {
    const other = rows.find(({ cells }) => cells[column] !== rows[0].cells[column]);
    if (other === undefined) continue;
    const values = `"${rows[0].cells[column]}" and "${other.cells[column]}"`;
    table.complain(other.line, column, `several in one file: ${values}`, "keep the rows of one");
  }
}
